"""Which of the two formats of metrics a client asks for."""

from __future__ import annotations

_OPENMETRICS = ("application/openmetrics-text", "application/*", "*/*")
_PLAIN = ("text/plain", "text/*", "*/*")


def wants_openmetrics(accept: str) -> bool:
    """Say whether an ``Accept`` header is best answered with OpenMetrics: also where it does not matter."""
    weights: dict[str, float] = {}
    for name, weight in map(_weighted, filter(str.strip, (accept or "*/*").split(","))):
        weights[name] = max(weight, weights.get(name, 0.0))
    return _weight(weights, _OPENMETRICS) >= _weight(weights, _PLAIN)


def _weight(weights: dict[str, float], names: tuple[str, ...]) -> float:
    """Return the weight of the most specific name that is there."""
    return next((weights[name] for name in names if name in weights), 0.0)


def _weighted(part: str) -> tuple[str, float]:
    name, *parameters = (text.strip().lower() for text in part.split(";"))
    weights = [text[2:] for text in parameters if text.startswith("q=")]
    try:
        return name, float(weights[0]) if weights else 1.0
    except ValueError:
        return name, 0.0
