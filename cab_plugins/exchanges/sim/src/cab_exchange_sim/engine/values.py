"""What the exchange keeps and hands out: orders, stops, trades. Amounts in base, prices in quote per base."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, TypeAlias

import attrs

from cab_core.domain.money import ONE, ZERO
from cab_core.domain.orders import Side

OrderKind: TypeAlias = Literal["market", "limit"]
TimeInForce: TypeAlias = Literal["gtc", "ioc", "poc", "fok"]
Status: TypeAlias = Literal["open", "closed", "cancelled"]
StopStatus: TypeAlias = Literal["open", "finish", "failed", "expired", "canceled"]
Level: TypeAlias = tuple[Decimal, Decimal]


class Refused(Exception):  # noqa: N818 - an answer of the exchange, not a defect
    """A request the exchange does not take.

    Args:
        label: the stable name of the reason, e.g. ``BALANCE_NOT_ENOUGH``.
        message: what a person reads.
        status: HTTP status that goes with it.
    """

    def __init__(self, label: str, message: str, status: int = 400) -> None:
        super().__init__(f"{label}: {message}")
        self.label = label
        self.message = message
        self.status = status


@attrs.frozen(slots=True, kw_only=True)
class OrderRequest:
    """An order as asked for.

    Attributes:
        pair: ``BTC_USDT``.
        amount: base; quote for market buys.
        price: limit orders only.
        tif: time in force; market orders take ``ioc`` and ``fok`` only.
        text: the client's id, ``t-...``; empty if it gave none.
        request_id: the client's id of the request, kept in the ledger.
        expires_ms: refuse it when it arrives later than that, on the exchange's clock.
    """

    pair: str
    side: Side
    type: OrderKind
    amount: Decimal
    price: Decimal | None = None
    tif: TimeInForce = "gtc"
    text: str = ""
    request_id: str = ""
    expires_ms: int | None = None


@attrs.frozen(slots=True, kw_only=True)
class Order:
    """One version of an order; a change makes the next version.

    Attributes:
        amount: base; quote for market buys.
        filled: base bought or sold. ``value``: the quote paid or received for it, before fees.
        fee: in ``fee_currency``; ``gt_fee`` and ``point_fee`` where those paid instead.
        finish_as: ``open``, ``filled``, ``cancelled``, ``ioc``, ``poc``, ``fok`` and others of the venue.
        source: who made it: ``api``, ``stop`` (child of a price order) or ``phantom``.
    """

    order_id: str
    account: str
    pair: str
    side: Side
    type: OrderKind
    tif: TimeInForce
    amount: Decimal
    price: Decimal | None
    text: str
    created_ms: int
    updated_ms: int
    status: Status = "open"
    finish_as: str = "open"
    filled: Decimal = ZERO
    value: Decimal = ZERO
    fee: Decimal = ZERO
    gt_fee: Decimal = ZERO
    point_fee: Decimal = ZERO
    fee_currency: str = ""
    source: str = "api"

    @property
    def in_quote(self) -> bool:
        """Whether ``amount`` is an amount of quote currency."""
        return self.type == "market" and self.side is Side.BUY

    @property
    def left(self) -> Decimal:
        """What is not executed, in the unit of ``amount``."""
        return self.amount - (self.value if self.in_quote else self.filled)


@attrs.frozen(slots=True, kw_only=True)
class Trade:
    """One execution of an order of ours."""

    trade_id: str
    sequence: int
    order_id: str
    account: str
    pair: str
    side: Side
    role: Literal["taker", "maker"]
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    gt_fee: Decimal
    point_fee: Decimal
    text: str
    ts_ms: int


@attrs.frozen(slots=True, kw_only=True)
class StopRequest:
    """A price order (stop) as asked for.

    Attributes:
        trigger: the price that fires it. ``rule``: fires at or below, or at or above it.
        ttl_s: seconds until it expires unfired.
        type, price, amount, tif: of the child order that firing places.
    """

    pair: str
    trigger: Decimal
    rule: Literal["<=", ">="]
    ttl_s: int
    side: Side
    amount: Decimal
    price: Decimal | None
    type: OrderKind = "limit"
    tif: TimeInForce = "gtc"
    text: str = ""
    request_id: str = ""
    expires_ms: int | None = None


@attrs.frozen(slots=True, kw_only=True)
class Stop:
    """One version of a price order.

    Attributes:
        ended_ms: when it fired, failed, expired or was cancelled; None while it waits.
        fired_order_id: the child order, empty if there is none.
        reason: why it failed or ended, in words.
    """

    stop_id: str
    account: str
    request: StopRequest
    created_ms: int
    status: StopStatus = "open"
    ended_ms: int | None = None
    fired_order_id: str = ""
    reason: str = ""

    @property
    def pair(self) -> str:
        """The pair it belongs to."""
        return self.request.pair

    @property
    def expires_ms(self) -> int:
        """When it ends unfired."""
        return self.created_ms + 1000 * self.request.ttl_s


@attrs.frozen(slots=True)
class Book:
    """The order book at an instant, best prices first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    ts_ms: int


def pair_of(symbol: str) -> str:
    """Return ``BTC_USDT`` for ``BTC/USDT``."""
    return symbol.replace("/", "_")


def symbol_of(pair: str) -> str:
    """Return ``BTC/USDT`` for ``BTC_USDT``."""
    return pair.replace("_", "/")


def decimals(step: Decimal) -> int:
    """Return how many decimal places a step of a power of ten has."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def rounded(value: Decimal, step: Decimal) -> Decimal:
    """Return ``value`` rounded half-even to a multiple of ``step``."""
    return (value / step).quantize(ONE) * step
