"""Puts a page together: the template, what all pages show, and only the live parts where a script asks."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import attrs
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response

from cab_core import __version__
from cab_core.api.web.access import AnyRequest, Visitor, desk_of, visitor_of
from cab_core.api.web.text import FILTERS
from cab_core.app.desk.views import Status
from cab_core.domain.timeframes import TF_MS

_HERE = Path(__file__).parent
STATIC = _HERE / "static"

#: Header by which the page's script asks for the live parts only.
LIVE_HEADER = "cab-live"

#: The pages in the bar: path, name, key of the keyboard.
PAGES = (
    ("/", "Overview", "o"),
    ("/chart", "Chart", "c"),
    ("/signals", "Signals", "s"),
    ("/risk", "Risk", "r"),
    ("/regime", "Regime", "g"),
    ("/trades", "Trades", "t"),
    ("/audit", "Audit", "a"),
    ("/logs", "Logs", "l"),
    ("/runs", "Backtests", "b"),
    ("/plugins", "Plugins", "p"),
    ("/config", "Settings", "e"),
    ("/status", "Status", "h"),
)

#: Candles without a decision after which what is shown counts as stale.
_STALE_CANDLES = 2


@attrs.frozen(slots=True, kw_only=True)
class Banner:
    """The band on top of every page: which money is at stake, and how the bot stands.

    Attributes:
        kind: ``live`` or ``paper``.
        states: what is not as usual, e.g. ``halted by daily_loss``; each with the kind of its chip.
    """

    kind: str
    label: str
    text: str
    states: tuple[tuple[str, str], ...] = ()
    stale: bool = False


@cache
def environment() -> Environment:
    """Return the templates' environment; everything is escaped unless it is markup of our own."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    made.globals.update(pages=PAGES, version=__version__, build=build(), roles=_needs())
    return made


@cache
def build() -> str:
    """Return a text that changes with any of our static files, so that browsers may keep them."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _needs() -> dict[str, str]:
    from cab_core.app.desk.commands import REQUIRED

    return {str(action): role.label for action, role in REQUIRED.items()}


def banner(status: Status) -> Banner:
    """Return the band for a bot that stands like this."""
    if status.mode == "live":
        kind, label, text = "live", "LIVE", f"real orders go to {status.exchange}"
    elif status.market == "exchange":
        kind, label, text = "paper", "PAPER", f"simulated money on the prices of {status.exchange}"
    else:
        text = f"simulated money on the recorded market {status.market}: no order leaves this machine"
        kind, label = "paper", "PAPER"
    return Banner(kind=kind, label=label, text=text, states=tuple(_states(status)), stale=is_stale(status))


def _states(status: Status) -> list[tuple[str, str]]:
    if not status.running:
        over = status.mode != "live" and status.market != "exchange"
        return [("stopped", "the recording has ended" if over else "not running: this is what is on record")]
    states = [("halted", f"entries halted by {halt.rule}") for halt in status.halts]
    for state in ("paused", "stopped", "idle"):
        symbols = [each.symbol for each in status.symbols if each.state == state]
        if symbols:
            everything = len(symbols) == len(status.symbols)
            states.append((state, state if everything else f"{state}: {', '.join(symbols)}"))
    if is_stale(status):
        states.append(("stale", "no fresh candle"))
    return states


def is_stale(status: Status) -> bool:
    """Say whether a running bot has not decided about a candle for longer than two of them take."""
    newest = [each.last_decision.candle_ts_ms for each in status.symbols if each.last_decision is not None]
    if not status.running or not newest:
        return False
    return status.now_ms - (max(newest) + TF_MS) > (_STALE_CANDLES + 0.5) * TF_MS


async def show(request: AnyRequest, template: str, /, **context: Any) -> Response[str]:
    """Return a page.

    Args:
        request: whose visitor it is for.
        template: name without ``.html.j2``.
        context: what the template shows; ``status`` is asked for if it is not given.
    """
    status = context.pop("status", None) or await desk_of(request).status()
    return html(
        template,
        layout="live.html.j2" if request.headers.get(LIVE_HEADER) else "page.html.j2",
        path=request.url.path,
        banner=banner(status),
        status=status,
        visitor=visitor_of(request),
        **context,
    )


def html(template: str, /, status_code: int = 200, **context: Any) -> Response[str]:
    """Return a template as an answer."""
    context.setdefault("visitor", Visitor(name="", role=None))
    text = environment().get_template(f"{template}.html.j2").render(**context)
    return Response(text, status_code=status_code, media_type="text/html; charset=utf-8")


def login_page(problem: str = "") -> str:
    """Return the page to log in; ``problem`` says what was wrong with the last attempt."""
    template = environment().get_template("login.html.j2")
    return template.render(layout="bare.html.j2", problem=problem, visitor=Visitor(name="", role=None))
