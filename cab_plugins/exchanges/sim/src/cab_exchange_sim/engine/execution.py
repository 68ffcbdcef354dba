"""Taking, filling, changing and ending orders: every change of money goes through here."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import attrs

from cab_core.domain.market import Quote
from cab_core.domain.matching import Match
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Side
from cab_exchange_sim.engine.checks import check_duplicate, checked
from cab_exchange_sim.engine.core import Core
from cab_exchange_sim.engine.market import Market
from cab_exchange_sim.engine.matches import limit_matches, market_matches
from cab_exchange_sim.engine.orders import Orders
from cab_exchange_sim.engine.values import Order, OrderRequest, Refused, Trade


class Execution:
    """The orders' life.

    Args:
        core: clock, markets, accounts and ledger.

    Attributes:
        orders: all orders and trades.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self.orders = Orders()
        self._resting_until: dict[str, int] = {}

    def place(
        self,
        account: str,
        request: OrderRequest,
        *,
        source: Literal["api", "stop", "phantom"] = "api",
        parent: str = "",
        quote: Quote | None = None,
    ) -> Order:
        """Take an order, match it and return it.

        Args:
            account: whose it is.
            request: what is asked for.
            source: who asks.
            parent: the stop that asks.
            quote: the prices it meets instead of those of now.

        Raises:
            Refused: it was not taken; nothing has changed.
        """
        core = self._core
        market = core.market(request.pair)
        request = checked(request, market, core)
        if source == "api":
            check_duplicate(request, account, self.orders, core.settings.duplicate_text)
        quote = quote or market.prices(core.now_ms)
        order = self._new(account, request, source)
        matches = self._matches(request, request.text or order.order_id, market, quote)
        _check_tif(request, order, matches, market)
        core.accounts.lock(account, _held_currency(order, market), _held(order), core.now_ms)
        order = attrs.evolve(order, order_id=core.next_order_id())
        core.note(
            "order",
            account=account,
            pair=order.pair,
            order_id=order.order_id,
            parent=parent,
            text=order.text,
            request_id=request.request_id,
            side=order.side.value,
            type=order.type,
            quantity=order.amount,
            price=order.price,
            source=source,
        )
        self.orders.put(order)
        return self._settle(order, market, matches, "taker")

    def rematch(self, order: Order, quote: Quote) -> Order:
        """Match a resting order at prices it has come to."""
        market = self._core.market(order.pair)
        matches = limit_matches(
            _as_request(order),
            market,
            quote,
            self._core.settings,
            quantity=order.left,
            begun=order.filled > 0,
        )
        return self._settle(order, market, matches, "maker")

    def resting_until(self, order_id: str) -> int:
        """Return until when an order filled in part stays as it is."""
        return self._resting_until.get(order_id, 0)

    def amend(self, order: Order, amount: Decimal, price: Decimal) -> Order:
        """Change amount and price of an open limit order and match it again.

        Raises:
            Refused: the change is not allowed; nothing has changed.
        """
        core = self._core
        market = core.market(order.pair)
        request = checked(attrs.evolve(_as_request(order), amount=amount, price=price), market, core)
        if request.amount <= order.filled:
            raise Refused("INVALID_PARAM_VALUE", f"{order.filled:f} is filled already")
        currency = _held_currency(order, market)
        changed = attrs.evolve(order, amount=request.amount, price=request.price, updated_ms=core.now_ms)
        core.accounts.unlock(order.account, currency, _held(order), core.now_ms)
        try:
            core.accounts.lock(order.account, currency, _held(changed), core.now_ms)
        except Refused:
            core.accounts.lock(order.account, currency, _held(order), core.now_ms)
            raise
        core.note("amend", account=order.account, pair=order.pair, order_id=order.order_id, text=order.text,
                  quantity=changed.amount, price=changed.price)  # fmt: skip
        self.orders.put(changed)
        quote = market.prices(core.now_ms)
        matches = limit_matches(request, market, quote, core.settings, quantity=changed.left)
        return self._settle(changed, market, matches, "taker")

    def end(self, order: Order, finish_as: str) -> Order:
        """Cancel what is left of an open order."""
        return self._finish(order, "cancelled", finish_as)

    def _new(self, account: str, request: OrderRequest, source: str) -> Order:
        market, now_ms = self._core.market(request.pair), self._core.now_ms
        return Order(
            order_id=f"#{self._core.ledger.next_number}",
            account=account,
            pair=request.pair,
            side=request.side,
            type=request.type,
            tif=request.tif,
            amount=request.amount,
            price=request.price,
            text=request.text,
            created_ms=now_ms,
            updated_ms=now_ms,
            fee_currency=market.base if request.side is Side.BUY else market.quote,
            source=source,
        )

    def _matches(self, request: OrderRequest, name: str, market: Market, quote: Quote) -> list[Match]:
        settings = self._core.settings
        if request.type == "market":
            return market_matches(request, name, market, quote, settings)
        return limit_matches(request, market, quote, settings, quantity=request.amount)

    def _settle(
        self, order: Order, market: Market, matches: list[Match], role: Literal["taker", "maker"]
    ) -> Order:
        """Book the executions and end the order if it is done."""
        for match in matches:
            order = self._fill(order, market, match, role)
        conditions = market.conditions
        complete = _complete(order, market, matches)
        if order.type == "market" and conditions.finish_as:
            return self._finish(order, "cancelled", conditions.finish_as)
        if complete:
            dust = order.in_quote and order.left > 0
            return self._finish(order, self._core.settings.dust_status if dust else "closed", "filled")
        if order.tif in {"ioc", "fok"}:
            return self._finish(order, "cancelled", "ioc")
        if matches:
            self._resting_until[order.order_id] = self._core.now_ms + conditions.limit_rest_ms
        return order

    def _fill(self, order: Order, market: Market, match: Match, role: Literal["taker", "maker"]) -> Order:
        core = self._core
        after = attrs.evolve(
            order,
            filled=order.filled + match.quantity,
            value=order.value + match.value,
            updated_ms=core.now_ms,
        )
        trade = self._trade(after, match, role)
        after = attrs.evolve(
            after,
            fee=order.fee + trade.fee,
            gt_fee=order.gt_fee + trade.gt_fee,
            point_fee=order.point_fee + trade.point_fee,
        )
        released = _held(order) - _held(after)
        core.accounts.unlock(order.account, _held_currency(order, market), released, core.now_ms)
        core.accounts.trade(order.account, _deltas(trade, market), core.now_ms)
        currency, fee = _taken(trade)
        core.note("fill", account=order.account, pair=order.pair, order_id=order.order_id, text=order.text,
                  side=order.side.value, quantity=match.quantity, price=match.price, value=match.value,
                  fee=fee, fee_currency=currency, trade_id=trade.trade_id,
                  source=order.source)  # fmt: skip
        self.orders.add(trade)
        self.orders.put(after)
        return after

    def _trade(self, order: Order, match: Match, role: Literal["taker", "maker"]) -> Trade:
        core = self._core
        settings = core.settings
        in_quote = match.fee * match.price if order.side is Side.BUY else match.fee
        other = in_quote / settings.gt_price
        currency = {"gt": "GT", "point": "POINT"}.get(settings.fee_mode, "")
        paid = bool(currency) and core.accounts.of(order.account, currency).available >= other
        return Trade(
            trade_id=core.next_trade_id(),
            sequence=self.orders.next_sequence(),
            order_id=order.order_id,
            account=order.account,
            pair=order.pair,
            side=order.side,
            role=role,
            quantity=match.quantity,
            price=match.price,
            fee=ZERO if paid else match.fee,
            fee_currency=match.fee_currency,
            gt_fee=other if paid and currency == "GT" else ZERO,
            point_fee=other if paid and currency == "POINT" else ZERO,
            text=order.text,
            ts_ms=core.now_ms,
        )

    def _finish(self, order: Order, status: Literal["closed", "cancelled"], finish_as: str) -> Order:
        core = self._core
        market = core.market(order.pair)
        core.accounts.unlock(order.account, _held_currency(order, market), _held(order), core.now_ms)
        ended = attrs.evolve(order, status=status, finish_as=finish_as, updated_ms=core.now_ms)
        self._resting_until.pop(order.order_id, None)
        core.note("end", account=order.account, pair=order.pair, order_id=order.order_id, text=order.text,
                  quantity=ended.filled, value=ended.value, reason=finish_as)  # fmt: skip
        self.orders.put(ended)
        return ended


def _check_tif(request: OrderRequest, order: Order, matches: list[Match], market: Market) -> None:
    if request.tif == "poc" and matches:
        raise Refused("POC_FILL_IMMEDIATELY", "Order would match and take immediately so its cancelled")
    if request.tif == "fok":
        done = sum((match.value if order.in_quote else match.quantity for match in matches), ZERO)
        short = order.amount - done
        step = market.instrument.amount_step
        if short > 0 and not (order.in_quote and matches and short < matches[-1].price * step):
            raise Refused("FOK_NOT_FILL", "Order cannot be filled completely")


def _held(order: Order) -> Decimal:
    """Return what an order still holds of its account."""
    if order.type == "limit" and order.side is Side.BUY and order.price is not None:
        return order.left * order.price
    return order.left


def _held_currency(order: Order, market: Market) -> str:
    return market.quote if order.side is Side.BUY else market.base


def _complete(order: Order, market: Market, matches: list[Match]) -> bool:
    """Say whether nothing is left that could be executed."""
    if not order.in_quote:
        return order.left == 0
    return bool(matches) and order.left < matches[-1].price * market.instrument.amount_step


def _deltas(trade: Trade, market: Market) -> dict[str, Decimal]:
    sign = 1 if trade.side is Side.BUY else -1
    deltas = {market.base: sign * trade.quantity, market.quote: -sign * trade.quantity * trade.price}
    currency, fee = _taken(trade)
    deltas[currency] = deltas.get(currency, ZERO) - fee
    return deltas


def _taken(trade: Trade) -> tuple[str, Decimal]:
    """Return the fee of a trade by its currency: GT and points pay the whole of it or nothing."""
    fees = ((trade.fee_currency, trade.fee), ("GT", trade.gt_fee), ("POINT", trade.point_fee))
    return next((each for each in fees if each[1]), fees[0])


def _as_request(order: Order) -> OrderRequest:
    return OrderRequest(
        pair=order.pair,
        side=order.side,
        type=order.type,
        amount=order.amount,
        price=order.price,
        tif=order.tif,
        text=order.text,
    )
