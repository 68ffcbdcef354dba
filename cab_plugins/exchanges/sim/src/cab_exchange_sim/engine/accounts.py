"""Balances of all accounts and of the house, which takes the other side: nothing is ever lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal

import attrs

from cab_core.domain.money import ZERO
from cab_exchange_sim.engine.values import Refused

#: Versions of an account that are kept for delayed reads.
_VERSIONS = 4_096


@attrs.frozen(slots=True)
class Holding:
    """What an account has of one currency: free, and held by open orders."""

    available: Decimal = ZERO
    locked: Decimal = ZERO


@attrs.frozen(slots=True)
class Change:
    """One change of what an account owns and its balance then; ``kind`` is ``trade`` or ``adjust``."""

    number: int
    ms: int
    account: str
    currency: str
    change: Decimal
    balance: Decimal
    kind: str


@attrs.frozen(slots=True)
class _Version:
    at_ms: int
    number: int
    holdings: Mapping[str, Holding]


class Accounts:
    """All accounts.

    Args:
        balances: free amounts by account and currency.
        start_ms: when they are there.

    Attributes:
        house: what the exchange itself has won or lost by currency.
        adjusted: what came from outside by currency (deposits, drift).
        changes: what accounts gained and lost, oldest first.
    """

    def __init__(self, balances: Mapping[str, Mapping[str, Decimal]], start_ms: int) -> None:
        self.house: dict[str, Decimal] = {}
        self.adjusted: dict[str, Decimal] = {}
        self.changes: list[Change] = []
        self._numbers = 0
        self._holdings: dict[str, dict[str, Holding]] = {}
        self._versions: dict[str, deque[_Version]] = {}
        for account, amounts in balances.items():
            self._holdings[account] = {currency: Holding(amount) for currency, amount in amounts.items()}
            self._versions[account] = deque(maxlen=_VERSIONS)
            self._keep(account, start_ms)

    @property
    def names(self) -> tuple[str, ...]:
        """The accounts."""
        return tuple(self._holdings)

    def of(self, account: str, currency: str) -> Holding:
        """Return what an account has of a currency."""
        return self._holdings[account].get(currency, Holding())

    def seen(self, account: str, at_ms: int) -> tuple[Mapping[str, Holding], int]:
        """Return the account as it was at ``at_ms`` and the number of its last change then."""
        versions = self._versions[account]
        for version in reversed(versions):
            if version.at_ms <= at_ms:
                return version.holdings, version.number
        return versions[0].holdings, versions[0].number

    def lock(self, account: str, currency: str, amount: Decimal, at_ms: int) -> None:
        """Hold an amount for an order.

        Raises:
            Refused: the account has not that much.
        """
        held = self.of(account, currency)
        if amount > held.available:
            raise Refused(
                "BALANCE_NOT_ENOUGH", f"Not enough balance: {held.available:f} {currency} available"
            )
        self._set(account, currency, Holding(held.available - amount, held.locked + amount), at_ms)

    def unlock(self, account: str, currency: str, amount: Decimal, at_ms: int) -> None:
        """Give back what was held."""
        held = self.of(account, currency)
        self._set(account, currency, Holding(held.available + amount, held.locked - amount), at_ms)

    def trade(self, account: str, deltas: Mapping[str, Decimal], at_ms: int) -> None:
        """Book what an account gains and loses against the house."""
        for currency, delta in deltas.items():
            held = self.of(account, currency)
            self._set(account, currency, Holding(held.available + delta, held.locked), at_ms)
            self.house[currency] = self.house.get(currency, ZERO) - delta
            self._remember(account, currency, delta, at_ms, "trade")

    def adjust(self, account: str, currency: str, delta: Decimal, at_ms: int) -> None:
        """Change a balance from outside: a deposit, a withdrawal, a drift."""
        held = self.of(account, currency)
        if held.available + delta < 0:
            raise Refused("BALANCE_NOT_ENOUGH", f"only {held.available:f} {currency} available")
        self._set(account, currency, Holding(held.available + delta, held.locked), at_ms)
        self.adjusted[currency] = self.adjusted.get(currency, ZERO) + delta
        self._remember(account, currency, delta, at_ms, "adjust")

    def total(self, currency: str) -> Decimal:
        """Return all there is of a currency, the house's part included, less what came from outside."""
        held = sum((self.of(a, currency).available + self.of(a, currency).locked for a in self.names), ZERO)
        return held + self.house.get(currency, ZERO) - self.adjusted.get(currency, ZERO)

    def _remember(self, account: str, currency: str, delta: Decimal, at_ms: int, kind: str) -> None:
        held = self.of(account, currency)
        balance = held.available + held.locked
        self.changes.append(Change(self._numbers, at_ms, account, currency, delta, balance, kind))

    def _set(self, account: str, currency: str, holding: Holding, at_ms: int) -> None:
        self._holdings[account][currency] = holding
        self._keep(account, at_ms)

    def _keep(self, account: str, at_ms: int) -> None:
        self._numbers += 1
        self._versions[account].append(_Version(at_ms, self._numbers, dict(self._holdings[account])))
