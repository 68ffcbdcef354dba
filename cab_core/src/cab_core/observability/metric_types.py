"""What a metric is declared with: plain values, so that rules, dashboards and docs can read them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs


class MetricType(StrEnum):
    """Type of a metric. ``info`` is a gauge that is always 1 and whose labels carry the facts."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


class Of(StrEnum):
    """Values of a label that only the run knows; ``facts`` are set as a whole and replace the ones before."""

    SYMBOLS = "symbols"
    RULES = "rules"
    STRATEGIES = "strategies"
    STOPS = "stops"
    FACTS = "facts"


@attrs.frozen(slots=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        name: as it is exposed; counters end in ``_total``.
        help: one sentence, with the unit where the name does not say it.
        labels: values of each label: all of them, or whose they are.
        buckets: upper bounds of a histogram, the infinite one left out.
    """

    name: str
    type: MetricType
    help: str
    labels: Mapping[str, tuple[str, ...] | Of] = attrs.field(factory=dict)
    buckets: tuple[float, ...] = ()


@attrs.frozen(slots=True, kw_only=True)
class Known:
    """The label values of one run. Nothing that happens later adds any.

    Attributes:
        rules: names of the risk rules, ``error`` for a rule that failed and ``activity_5m`` included.
        stops: who watches over a stop: ``bot``, and ``exchange`` where stops rest there.
    """

    symbols: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    stops: tuple[str, ...] = ("bot",)

    def values(self, metric: Metric) -> dict[str, tuple[str, ...]]:
        """Return the values of each label of a metric; none for facts."""
        return {
            label: self._of(values) if isinstance(values, Of) else values
            for label, values in metric.labels.items()
        }

    def _of(self, source: Of) -> tuple[str, ...]:
        named = {
            Of.SYMBOLS: self.symbols,
            Of.RULES: self.rules,
            Of.STRATEGIES: self.strategies,
            Of.STOPS: self.stops,
        }
        return named.get(source, ())
