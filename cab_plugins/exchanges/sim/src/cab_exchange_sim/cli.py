"""``cab exchange``: an exchange on this machine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import click

from cab_core.cli.base import cab_command, cab_group
from cab_core.cli.many import ManyValues, data_option, listed, named, symbol_option
from cab_core.cli.output import table
from cab_core.errors import UsageError

if TYPE_CHECKING:
    from cab_core.data.symbols import NamedFile
    from cab_exchange_sim.server import ExchangeServer

_DAY = "%Y-%m-%d"


class ServeSpeed(click.ParamType[float]):
    """Times faster than real time; ``manual`` becomes 0."""

    name = "N|manual"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the factor, 0 for by hand."""
        if value == "manual":
            return 0.0
        try:
            speed = float(value)
        except ValueError:
            speed = -1.0
        if not 0 < speed < 1e6:
            self.fail(f"{value!r} is no speed: give 1, another number above 0, or manual", param, ctx)
        return speed


@cab_group(
    "exchange",
    examples=("cab exchange serve", "cab exchange serve --seed 11 --speed 60 --control-token t"),
)
def group() -> None:
    """An exchange on this machine that speaks the API of Gate.io, to rehearse on."""


@cab_command(
    "serve",
    cls=ManyValues,
    examples=(
        "cab exchange serve --port 8787",
        "cab exchange serve --data btc.csv.gz eth.csv.gz --open 2024-08-01 --speed 600 --json",
        "cab exchange serve --seed 7 --days 30 --speed manual --control-token t",
    ),
)
@click.option("--port", default=8787, show_default=True, type=click.IntRange(0, 65535), help="0: a free one.")
@click.option("--host", help="Another address than this machine's own.  [default: 127.0.0.1]")
@data_option("15m candle files to play; without any, a market is made up.", required=False)
@symbol_option
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0), help="Of a made-up market.")
@click.option("--days", default=60, show_default=True, type=click.IntRange(2, 3660), help="Its length.")
@click.option(
    "--open",
    "open_at",
    type=click.DateTime([_DAY]),
    metavar="YYYY-MM-DD",
    help="Open on this day of the candles.  [default: after a third of them]",
)
@click.option(
    "--dates",
    type=click.Choice(["now", "recorded"]),
    help="Move the candles to the present, or keep their dates.  [default: now at speed 1]",
)
@click.option(
    "--speed", default="1", show_default=True, type=ServeSpeed(), help="Times faster than real time."
)
@click.option("--key", default="sim-key", show_default=True, help="API key.")
@click.option("--secret", default="sim-secret", show_default=True, help="Its secret.")
@click.option("--control-token", help="Open the control plane to whoever sends this token.")
@click.option("--balance", default="10000", show_default=True, help="Quote currency of the account.")
@click.option("--fee", default="0.2", show_default=True, help="Fee in percent.")
@click.option("--slippage", default="0.05", show_default=True, help="Slippage of market orders in percent.")
@click.option("--spread", default="0.02", show_default=True, help="Bid-ask spread in percent.")
def serve(
    port: int,
    host: str | None,
    data: tuple[NamedFile, ...],
    symbols: tuple[str, ...],
    seed: int,
    days: int,
    open_at: datetime | None,
    dates: Literal["now", "recorded"] | None,
    speed: float,
    key: str,
    secret: str,
    control_token: str | None,
    balance: str,
    fee: str,
    slippage: str,
    spread: str,
    as_json: bool,
) -> None:
    """Serve an exchange until SIGTERM or Ctrl-C.

    It plays candle files, or a market made up from the seed, and fills orders as the paper broker does. It
    listens on this machine only unless --host says otherwise. Point the bot at the printed base URL.
    """
    import asyncio

    from cab_core.domain.market import Costs
    from cab_exchange_sim.keys import ApiKey
    from cab_exchange_sim.market_clock import MarketClock
    from cab_exchange_sim.offer import Offer
    from cab_exchange_sim.server import ExchangeServer

    offer = Offer(
        files=named(data, symbols) if data else (),
        symbols=listed(symbols) or ("BTC/USDT", "ETH/USDT"),
        days=days,
        seed=seed,
        open_ms=None if open_at is None else int(open_at.replace(tzinfo=UTC).timestamp() * 1000),
        to_present=(dates or ("now" if speed == 1 else "recorded")) == "now",
        costs=Costs(_percent("fee", fee), _percent("slippage", slippage), _percent("spread", spread) / 2),
        balance=_number("balance", balance),
    )
    exchange = offer.exchange()
    server = ExchangeServer(
        exchange,
        MarketClock(exchange.now_ms, speed),
        [ApiKey(key, secret)],
        control_token=control_token,
        host=host or "127.0.0.1",
        port=port,
        allow_remote=host is not None,
    )
    _stop_on_signals(server)
    _announce(server, key, has_control=control_token is not None, as_json=as_json)
    asyncio.run(server.serve())


group.add_command(serve)


def _stop_on_signals(server: ExchangeServer) -> None:
    """End the server on SIGTERM and SIGINT; uvicorn raises them once more when it has ended."""
    import signal

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())


def _announce(server: ExchangeServer, key: str, *, has_control: bool, as_json: bool) -> None:
    exchange = server.exchange
    facts = {
        "base_url": server.base_url,
        "control_url": server.control_url if has_control else None,
        "key": key,
        "pairs": list(exchange.markets),
        "now_ms": exchange.now_ms,
        "end_ms": exchange.end_ms,
        "speed": server.clock.rate,
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    rows = [(name.replace("_", " "), value) for name, value in facts.items() if name[-3:] != "_ms"]
    rows += [("opens", _utc(exchange.now_ms)), ("last candle closes", _utc(exchange.end_ms))]
    table(("", "value"), [(name, ", ".join(v) if isinstance(v, list) else v) for name, v in rows])


def _number(name: str, text: str) -> Decimal:
    """Read a number of 0 or more."""
    value = Decimal(text) if text.replace(".", "", 1).isdigit() else Decimal(-1)
    if value < 0:
        raise UsageError(f"{text!r} is no number", where=f"--{name}", fix="give a number of 0 or more")
    return value


def _percent(name: str, text: str) -> Decimal:
    return _number(name, text) / 100


def _utc(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
