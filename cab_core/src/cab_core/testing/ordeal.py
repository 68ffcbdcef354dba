"""Accounts and candidates on which every risk rule is tried."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from cab_core.sdk import BookView, Entry, HourlyReturns, Quote
from cab_core.testing.books import HOUR_MS, NOW_MS, book, entry, position, quote, returns, round_trip

Case = tuple[Entry, BookView]

#: What may be missing, by the name an author writes into ``needs``.
MISSING = ("quote", "spreads", "hourly_returns")


def ordinary_cases() -> Iterator[tuple[str, Case]]:
    """Yield named situations of an account, from quiet to bad."""
    yield "a new account", (entry(), book())
    yield "three losses in a row", (entry(), book(round_trips=[round_trip("-5")] * 3))
    yield "a win after losses", (entry(), book(round_trips=[round_trip("-5"), round_trip("5")]))
    yield "half of the money lost", (entry(), book(equity=Decimal(5000), unrealized=Decimal(-5000)))
    yield "a loss today", (entry(), book(realized_today=Decimal(-500)))
    yield "a fill just now", (entry(), book(last_fill_ms={"BTC/USDT": NOW_MS}))
    yield "a wide spread", (entry(quote=quote("95", "105")), book(spreads=[0.02] * 100))
    yield "a crossed quote", (entry(quote=quote("100.1", "100.0")), book())
    yield "an open position elsewhere", (entry(), book(positions={"ETH/USDT": position("ETH/USDT")}))
    yield "an open position here", (entry(), book(positions={"BTC/USDT": position("BTC/USDT")}))
    yield "halts released a minute ago", (entry(), book(released_ms={"x": NOW_MS - 60_000}))
    yield "equity of nothing", (entry(), book(equity=Decimal(0), peak=Decimal(0)))
    yield "equity below nothing", (entry(), book(equity=Decimal(-1)))


def bereft(case: Case, what: str) -> Iterator[tuple[str, Case]]:
    """Yield the case with one thing missing, in each way it can be missing."""
    candidate, account = case
    if what == "quote":
        for bid, ask in (("99.99", None), (None, "100.01"), (None, None)):
            yield f"bid {bid}, ask {ask}", (entry(quote=quote(bid, ask)), account)
    elif what == "spreads":
        yield "no spread observed yet", (candidate, attrs.evolve(account, spreads=()))
    else:
        yield "no hourly returns", (candidate, attrs.evolve(account, hourly_returns=_unknown))
        yield "three hourly returns", (candidate, attrs.evolve(account, hourly_returns=_few))


def _unknown(symbol: str) -> HourlyReturns | None:
    del symbol
    return None


def _few(symbol: str) -> HourlyReturns | None:
    return returns(symbol, hours=3)


_money = st.decimals("-20000", "20000", places=2)
_symbols = st.sampled_from(["BTC/USDT", "ETH/USDT", "SOL/USDT"])
_times = st.integers(NOW_MS - 72 * HOUR_MS, NOW_MS)
_price = st.none() | st.decimals("0.00000001", "1000000", places=8)


def cases() -> SearchStrategy[Case]:
    """Draw candidates and accounts of all sorts, also inconsistent ones."""
    quotes = st.builds(Quote, bid=_price, ask=_price, ts_ms=_times)
    entries = st.builds(
        Entry,
        symbol=_symbols,
        amount=st.decimals("0.01", "1000000", places=2),
        price=st.decimals("0.00000001", "1000000", places=8),
        quote=quotes,
        now_ms=st.just(NOW_MS),
    )
    trips = st.lists(
        st.builds(
            lambda symbol, pnl, closed_ms: round_trip(str(pnl), closed_ms=closed_ms, symbol=symbol),
            _symbols,
            _money,
            _times,
        ),
        max_size=6,
    )
    accounts = st.builds(
        book,
        positions=st.sets(_symbols).map(lambda held: {symbol: position(symbol) for symbol in sorted(held)}),
        round_trips=trips.map(lambda found: sorted(found, key=lambda trip: trip.closed_ms)),
        realized_today=_money,
        unrealized=_money,
        equity=_money,
        peak=_money,
        last_fill_ms=st.dictionaries(_symbols, _times),
        spreads=st.lists(st.floats(0.0, 50.0), max_size=100),
        orders_5m=st.integers(0, 100),
        turnover_5m=_money.map(abs),
        released_ms=st.just({}),
        hourly_returns=st.sampled_from([returns, _unknown, _few]),
    )
    return st.tuples(entries, accounts)
