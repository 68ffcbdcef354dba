"""What the control plane can read and do, as JSON; the routes are elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import attrs
import cattrs

from cab_core.domain.codec import money_converter
from cab_core.errors import NotFoundError, UsageError
from cab_exchange_sim.engine import Exchange, OrderRequest
from cab_exchange_sim.faults import Faults, Rule
from cab_exchange_sim.market_clock import MarketClock

Json = dict[str, Any]
T = TypeVar("T")


@attrs.define(slots=True)
class Control:
    """One exchange and what is done to it.

    Args:
        exchange: the exchange. ``clock``: its time. ``faults``: the plan of its faults.
        counters: what the HTTP side counts: requests refused for a limit, an expiry, a trailing slash.
        leave: ends the server.
    """

    exchange: Exchange
    clock: MarketClock
    faults: Faults
    counters: Callable[[], Mapping[str, int]] = dict
    leave: Callable[[], None] = lambda: None

    def play(self) -> None:
        """Let the exchange catch up with its clock."""
        self.exchange.advance(max(self.exchange.now_ms, self.clock.now_ms()))

    def time(self) -> Json:
        """Return the true time, the time the exchange tells, the rate, and the end of the recording."""
        self.play()
        return {
            "now_ms": self.exchange.now_ms,
            "server_ms": self.exchange.server_ms,
            "rate": self.clock.rate,
            "end_ms": self.exchange.end_ms,
        }

    def set_time(self, wanted: Json) -> Json:
        """Change the rate, then jump to ``to_ms`` or ahead by ``by_ms``."""
        known(wanted, {"rate", "to_ms", "by_ms"})
        try:
            if "rate" in wanted:
                self.clock.run(float(wanted["rate"]))
            if "to_ms" in wanted:
                self.clock.advance(int(wanted["to_ms"]))
            if "by_ms" in wanted:
                self.clock.advance(self.clock.now_ms() + int(wanted["by_ms"]))
        except (TypeError, ValueError) as error:
            raise UsageError(str(error), where="clock") from error
        return self.time()

    def conditions(self) -> Json:
        """Return what is wrong with the exchange as a whole."""
        return record(self.exchange.conditions)

    def set_conditions(self, wanted: Json) -> Json:
        """Change some of it."""
        self.play()
        change(self.exchange.conditions, wanted)
        return self.conditions()

    def pair(self, pair: str) -> Json:
        """Return the rules of a pair and what is wrong with it."""
        market = self.exchange.market(pair)
        return {"rules": plain(market.instrument), "conditions": plain(market.conditions)}

    def set_pair(self, pair: str, wanted: Json) -> Json:
        """Change rules and conditions of a pair."""
        known(wanted, {"rules", "conditions"})
        self.play()
        market = self.exchange.market(pair)
        rules = market.instrument
        changed = structured(type(rules), plain(rules) | dict(wanted.get("rules", {})))
        change(market.conditions, wanted.get("conditions", {}))
        market.instrument = changed
        return self.pair(pair)

    def balances(self) -> Json:
        """Return all true balances by account and currency, and what the house has."""
        self.play()
        accounts = self.exchange.accounts
        held = {name: accounts.seen(name, self.exchange.now_ms)[0] for name in accounts.names}
        return {
            "accounts": {
                name: {currency: plain(holding) for currency, holding in sorted(holdings.items())}
                for name, holdings in held.items()
            },
            "house": plain(accounts.house),
        }

    def adjust(self, wanted: Json) -> Json:
        """Deposit ``delta`` of a currency, or withdraw it if negative."""
        known(wanted, {"account", "currency", "delta"})
        self.play()
        self.exchange.adjust(self.account(wanted), str(wanted["currency"]), decimal(wanted["delta"]))
        return self.balances()

    def orders(self) -> Json:
        """Return the true newest version of every order, oldest first, and the waiting stops."""
        self.play()
        stops = [stop for name in self.exchange.accounts.names for stop in self.exchange.waiting_stops(name)]
        return {"orders": plain(self.exchange.every_order()), "stops": plain(stops)}

    def phantom(self, wanted: Json) -> Json:
        """Place an order that no client asked for: by hand, by a second bot, or with our text."""
        self.play()
        account = self.account(wanted)
        request = structured(OrderRequest, {key: wanted[key] for key in wanted if key != "account"})
        return record(self.exchange.phantom(account, request))

    def cancel_order(self, order_id: str) -> Json:
        """Cancel an order by hand."""
        self.play()
        for order in self.exchange.every_order():
            if order.order_id == order_id:
                return record(self.exchange.cancel(order.account, order_id, order.pair))
        raise NotFoundError(f"no order {order_id}")

    def cancel_stop(self, stop_id: str) -> Json:
        """Cancel a waiting stop by hand."""
        self.play()
        for account in self.exchange.accounts.names:
            for stop in self.exchange.waiting_stops(account):
                if stop.stop_id == stop_id:
                    return record(self.exchange.cancel_stop(account, stop_id))
        raise NotFoundError(f"no waiting stop {stop_id}")

    def ledger(self, since: int = 0) -> Json:
        """Return what really happened after the ``since``-th event, and the hash of all of it."""
        self.play()
        ledger = self.exchange.ledger
        return {
            "entries": [entry.as_json() for entry in ledger.since(since)],
            "count": len(ledger),
            "digest": ledger.digest(),
        }

    def add_fault(self, wanted: Json) -> Json:
        """Put a rule in force and return its number."""
        return {"rule": self.faults.add(Rule.parse(wanted))}

    def remove_fault(self, number: int) -> None:
        """Take a rule out of force."""
        if not self.faults.remove(number):
            raise NotFoundError(f"no fault rule {number}")

    def account(self, wanted: Json) -> str:
        """Return the account that is named, the first one if none is."""
        names = self.exchange.accounts.names
        name = str(wanted.get("account", names[0]))
        if name not in names:
            raise NotFoundError(f"no account {name}")
        return name


def plain(value: object) -> Any:
    """Return a value as JSON-safe data; money is text."""
    return money_converter().unstructure(value)


def record(value: object) -> Json:
    """Return an attrs value as a JSON object."""
    fields: Json = plain(value)
    return fields


def structured(kind: type[T], data: Any) -> T:
    """Build a value from JSON.

    Raises:
        UsageError: a key is missing or unknown, or a value is wrong.
    """
    try:
        return money_converter().structure(data, kind)
    except (cattrs.BaseValidationError, TypeError, ValueError, InvalidOperation) as error:
        raise UsageError("; ".join(cattrs.transform_error(error)), where="control") from error


def change(target: Any, wanted: Json) -> None:
    """Overwrite attributes of a value by name, nested ones too; nothing changes if one of them is wrong."""
    current = plain(target)
    known(wanted, set(current))
    merged = {name: _merged(current[name], wanted.get(name, current[name])) for name in current}
    built = structured(type(target), merged)
    for name in wanted:
        setattr(target, name, getattr(built, name))


def _merged(current: Any, wanted: Any) -> Any:
    return current | wanted if isinstance(current, dict) and isinstance(wanted, dict) else wanted


def known(wanted: Json, names: set[str]) -> None:
    """Refuse names that mean nothing here."""
    if strange := sorted(set(wanted) - names):
        raise UsageError(f"unknown: {', '.join(strange)}", where="control", fix=f"known: {sorted(names)}")


def decimal(text: object) -> Decimal:
    """Read an amount of money."""
    try:
        return Decimal(str(text))
    except InvalidOperation as error:
        raise UsageError(f"{text!r} is no number", where="control") from error
