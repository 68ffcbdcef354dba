"""How the exchange behaves: settings, fixed at the start, and conditions, which the controls change."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import attrs

from cab_core.domain.market import Costs
from cab_core.domain.timeframes import DAY_MS
from cab_exchange_sim.engine.values import Book


@attrs.frozen(slots=True, kw_only=True)
class VenueSettings:
    """The rules of the house that the real exchange leaves open or that a test wants otherwise.

    Attributes:
        costs: fee, slippage and half spread of every fill; the same values make paper fill alike.
        seed: seed of partial fills. ``partial_fill_prob``: how often a market order fills only in part.
        extremes: which extreme of a candle comes first: ``adverse`` its low, ``best`` its high.
        trigger_on: the price that fires stops.
        text_lookup: how long an order can be found by its text: while open, or that long after.
        duplicate_text: accept any, refuse while the first is open, or refuse always.
        precision: refuse over-precise numbers, or cut them.
        stops_lock_funds: whether waiting stops hold what they would sell or spend.
        dust_status: status of a market buy that leaves less than one step unspent.
        expired_label: label of a request that came after its ``X-Gate-Exptime``.
        fee_mode: pay fees in what is received, in GT, or in points. ``gt_price``: quote per GT and point.
        max_stop_ttl_s: longest life of a stop.
        enforce_limits: whether too many requests are answered 429.
    """

    costs: Costs = attrs.field(factory=Costs)
    seed: int = 0
    partial_fill_prob: float = 0.0
    extremes: Literal["adverse", "best"] = "adverse"
    trigger_on: Literal["bid", "last"] = "bid"
    text_lookup: Literal["open_only", "30m", "1h"] = "open_only"
    duplicate_text: Literal["accept", "open", "always"] = "accept"
    precision: Literal["reject", "truncate"] = "reject"
    stops_lock_funds: bool = False
    dust_status: Literal["closed", "cancelled"] = "closed"
    expired_label: str = "REQUEST_EXPIRED"
    fee_mode: Literal["received", "gt", "point"] = "received"
    gt_price: Decimal = Decimal(10)
    max_stop_ttl_s: int = 30 * DAY_MS // 1000
    enforce_limits: bool = True


@attrs.define(slots=True)
class CandleConditions:
    """What is wrong with the candles a pair serves.

    Attributes:
        missing_ms: open times that are left out. ``doubled_ms``: open times that are served twice.
        late_ms: how long a closed candle is still served as unfinished.
        unfinished_as_closed: serve the running candle with the flag of a closed one.
        unfinished: serve the running candle at all.
    """

    missing_ms: set[int] = attrs.field(factory=set)
    doubled_ms: set[int] = attrs.field(factory=set)
    late_ms: int = 0
    unfinished_as_closed: bool = False
    unfinished: bool = True


@attrs.define(slots=True)
class PairConditions:
    """What is wrong with one pair. The values of a new object are those of a healthy one.

    Attributes:
        trade_status: ``tradable``, ``buyable``, ``sellable`` or ``untradable``.
        delisting_ms: when trading ends.
        order_delay_ms: how long orders and their changes stay invisible to reads.
        trade_delay_ms: how long own trades stay invisible.
        doubled_trades: serve own trades twice. ``unordered_trades``: serve them in a mixed order.
        stop_fails: the reason for which stops fail when they fire, empty if they work.
        partial_fill_prob: instead of the setting.
        fill_part: fraction of market orders that fills, 0 to 1. ``finish_as``: how such an order then ends.
        limit_part: fraction of a limit order that fills at first touch; the rest waits ``limit_rest_ms``.
        stale_ms: how old book and ticker are.
        frozen: nothing matches and no stop fires.
        book: the book that orders meet instead of the recorded price.
        candles: what is wrong with its candles.
    """

    trade_status: Literal["tradable", "buyable", "sellable", "untradable"] = "tradable"
    delisting_ms: int | None = None
    order_delay_ms: int = 0
    trade_delay_ms: int = 0
    doubled_trades: bool = False
    unordered_trades: bool = False
    stop_fails: str = ""
    partial_fill_prob: float | None = None
    fill_part: Decimal | None = None
    finish_as: str = ""
    limit_part: Decimal | None = None
    limit_rest_ms: int = 60_000
    stale_ms: int = 0
    frozen: bool = False
    book: Book | None = None
    candles: CandleConditions = attrs.field(factory=CandleConditions)


@attrs.define(slots=True)
class Conditions:
    """What is wrong with the exchange as a whole.

    Attributes:
        clock_skew_ms: added to the time the exchange reports and judges requests by.
        maintenance: every request is answered 503.
        balance_delay_ms: how long changes of balances stay invisible.
        read_only: keys may not trade (label ``READ_ONLY``). ``locked``: the account is locked.
    """

    clock_skew_ms: int = 0
    maintenance: bool = False
    balance_delay_ms: int = 0
    read_only: bool = False
    locked: bool = False
