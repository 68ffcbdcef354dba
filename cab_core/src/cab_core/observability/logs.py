"""Logs: one JSON object per line with a fixed set of keys, or coloured lines on a terminal.

Modules log through ``logging.getLogger(__name__)`` (``extra={"context": {...}}`` adds figures) or structlog;
both come out the same. Nothing is configured before `configure_logging` is called.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import IO, Any, Literal

import structlog
from structlog.typing import Processor

from cab_core.observability.context import current_symbol, current_trace_id
from cab_core.observability.masking import masker

LogFormat = Literal["auto", "json", "console"]

#: Longest line in bytes; longer ones lose their context, then the end of their message.
MAX_LINE = 8192

#: Libraries that report every request at INFO.
_CHATTY = ("httpx", "httpcore")

_HANDLER = "cab"

Event = MutableMapping[str, Any]
Mask = Callable[[str], str]


class _Handler(logging.StreamHandler[IO[str]]):
    """Writes lines; a stream that fails (closed pipe, full disk) must not stop trading."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - name given by logging
        """Drop the record."""


def configure_logging(
    level: str = "INFO",
    fmt: LogFormat = "auto",
    stream: IO[str] | None = None,
    secrets: Iterable[str] = (),
) -> None:
    """Send all logs of the process to one stream. Calling it again replaces the former configuration.

    Args:
        level: least level that is written, by its Python name.
        fmt: ``json`` lines, ``console`` lines, or ``auto``: console on a terminal.
        stream: where to; standard error if None.
        secrets: texts that are replaced by ``***`` wherever they turn up.
    """
    mask = masker(secrets)
    handler = _Handler(stream)
    handler.set_name(_HANDLER)
    handler.setLevel(level)
    console = fmt == "console" or (fmt == "auto" and handler.stream.isatty())
    last = _console_line(mask, colors=handler.stream.isatty()) if console else _json_line(mask)
    handler.setFormatter(_formatter(last))
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    keep_handler(handler)


def json_formatter(secrets: Iterable[str] = ()) -> logging.Formatter:
    """Return what makes JSON lines without these secrets, for handlers beside the one of the process."""
    return _formatter(_json_line(masker(secrets)))


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.format_exc_info,
]


def _formatter(last: Callable[[Any, str, Event], str]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, _without_formatted],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _shape, last],
    )


def _without_formatted(_: Any, __: str, event: Event) -> Event:
    """Drop what another handler's formatter left on the record and `ExtraAdder` took for an extra."""
    event.pop("message", None)
    event.pop("asctime", None)
    return event


def keep_handler(handler: logging.Handler) -> None:
    """Let a handler get all logs of the process from its level on, in place of an older one of its name."""
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.get_name() == handler.get_name()]:
        root.removeHandler(old)
        if old.get_name() != _HANDLER:
            old.close()
    root.addHandler(handler)
    ours = [each for each in root.handlers if (each.get_name() or "").startswith(_HANDLER)]
    root.setLevel(min(each.level for each in ours))
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _shape(_: Any, __: str, event: Event) -> Event:
    """Bring an event into the seven keys; everything else goes into the context."""
    context = event.pop("context", None)
    known = {key: event.pop(key, None) for key in ("level", "logger", "event", "trace_id", "symbol")}
    extra = dict(context) if isinstance(context, Mapping) else {} if context is None else {"context": context}
    return {
        "timestamp": _now(),
        "level": known["level"],
        "trace_id": known["trace_id"] or current_trace_id(),
        "module": known["logger"] or "",
        "symbol": known["symbol"] or current_symbol(),
        "message": str(known["event"]),
        "context": {**event, **extra},
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json_line(mask: Mask) -> Callable[[Any, str, Event], str]:
    def render(_: Any, __: str, event: Event) -> str:
        line = mask(_dumps(_masked(event, mask)))
        size = len(line.encode())
        return line if size <= MAX_LINE else _shortened(_masked(event, mask), size)

    return render


def _shortened(event: dict[str, Any], size: int) -> str:
    """Return the line within `MAX_LINE`: without its context, and if need be with a cut message."""
    event["context"] = {"truncated_from_bytes": size}
    message = event["message"]
    while len((line := _dumps(event)).encode()) > MAX_LINE:
        message = message[: len(message) // 2]
        event["message"] = f"{message}…"
    return line


def _console_line(mask: Mask, *, colors: bool) -> Callable[[Any, str, Event], str]:
    renderer = structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0)

    def render(logger: Any, name: str, event: Event) -> str:
        event = _masked(event, mask)
        trace = "" if event["trace_id"] == "-" else event["trace_id"]
        shown = {"trace_id": trace, "symbol": event["symbol"], **event["context"]}
        flat = {
            "timestamp": event["timestamp"],
            "level": event["level"],
            "logger": event["module"],
            "event": event["message"],
            **{key: value for key, value in shown.items() if value != ""},
        }
        return mask(str(renderer(logger, name, flat)))

    return render


def _masked(event: Event, mask: Mask) -> dict[str, Any]:
    masked: dict[str, Any] = _mask_value(event, mask)
    return masked


def _mask_value(value: Any, mask: Mask) -> Any:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {mask(str(key)): _mask_value(inner, mask) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_mask_value(inner, mask) for inner in value]
    return mask(str(value).encode("utf-8", "replace").decode())


def _dumps(event: Mapping[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False)
