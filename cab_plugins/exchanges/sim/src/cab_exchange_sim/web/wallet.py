"""The private endpoints of balances, own trades and fees."""

from __future__ import annotations

from litestar import get
from litestar.handlers import HTTPRouteHandler

from cab_exchange_sim.web.gateway import Admitted
from cab_exchange_sim.web.rendering import Row, plain, trade_row, user_id


@get("/account/detail", sync_to_thread=False)
def account_detail(private: Admitted) -> Row:
    """Return whose account it is, and that it is a classic one."""
    return {
        "user_id": user_id(private.account),
        "ip_whitelist": [],
        "currency_pairs": [],
        "tier": 0,
        "key": {"mode": 1},
        "copy_trading_role": 0,
    }


@get("/spot/accounts", sync_to_thread=False)
def accounts(private: Admitted) -> list[Row]:
    """Return the balances."""
    holdings, number = private.exchange.balances(private.account)
    wanted = private.query.text("currency")
    return [
        {
            "currency": currency,
            "available": plain(holding.available),
            "locked": plain(holding.locked),
            "update_id": number,
            "refresh_time": private.exchange.server_ms // 1000,
        }
        for currency, holding in holdings.items()
        if wanted in ("", currency)
    ]


@get("/spot/account_book", sync_to_thread=False)
def account_book(private: Admitted) -> list[Row]:
    """Return the changes of balances, newest first."""
    query = private.query
    currency = query.text("currency")
    first, last = query.seconds("from") or 0, query.seconds("to")
    rows = [
        {
            "id": str(change.number),
            "time": change.ms,
            "currency": change.currency,
            "change": plain(change.change),
            "balance": plain(change.balance),
            "type": change.kind,
        }
        for change in reversed(private.exchange.accounts.changes)
        if change.account == private.account
        and currency in ("", change.currency)
        and first <= change.ms
        and (last is None or change.ms <= last)
    ]
    return rows[query.page(100, 1000)]


@get("/spot/my_trades", sync_to_thread=False)
def my_trades(private: Admitted) -> list[Row]:
    """Return own trades, newest first."""
    query, exchange = private.query, private.exchange
    query.choice("account", ("spot", "normal"), "spot")
    page = query.page(100, 1000)
    order_id = query.text("order_id") or None
    pair = query.text("currency_pair", None if order_id else "")
    last = query.seconds("to")
    found = [
        trade
        for name in ([pair] if pair else list(exchange.markets))
        for trade in exchange.trades(
            private.account,
            name,
            query.seconds("from"),
            None if last is None else last + 999,
            order_id,
        )
    ]
    if not pair:
        found.sort(key=lambda trade: trade.sequence, reverse=True)
    return [trade_row(trade) for trade in found[page]]


@get(["/wallet/fee", "/spot/fee"], sync_to_thread=False)
def fee(private: Admitted) -> Row:
    """Return the account's rates."""
    costs, mode = private.exchange.settings.costs, private.exchange.settings.fee_mode
    rate = plain(costs.fee)
    return {
        "user_id": user_id(private.account),
        "taker_fee": rate,
        "maker_fee": rate,
        "gt_discount": mode == "gt",
        "gt_taker_fee": rate if mode == "gt" else "0",
        "gt_maker_fee": rate if mode == "gt" else "0",
        "loan_fee": "0.18",
        "point_type": "1" if mode == "point" else "0",
        "currency_pair": private.query.text("currency_pair"),
        "futures_taker_fee": "0",
        "futures_maker_fee": "0",
        "delivery_taker_fee": "0",
        "delivery_maker_fee": "0",
        "debit_fee": 1 if mode == "gt" else 3,
        "rpi_mm": 0,
    }


HANDLERS: list[HTTPRouteHandler] = [account_detail, accounts, account_book, my_trades, fee]
