"""Rules, sources, brokers and notifiers with one planted fault each, and sound ones beside them."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from decimal import Decimal
from importlib.metadata import entry_points
from typing import Any

import attrs

from cab_core.sdk import (
    ALLOW,
    Absent,
    Account,
    Ack,
    Alert,
    BookView,
    Broker,
    BrokerCaps,
    BrokerPlugin,
    CabError,
    Entry,
    Intent,
    MacroHttp,
    MacroSource,
    Notifier,
    Outcome,
    Reading,
    ReadingKind,
    Rejected,
    Resolution,
    RiskRule,
    Undetermined,
    Verdict,
    VerdictKind,
    hookimpl,
    option,
    plugin,
)
from cab_core.testing import (
    BrokerConformance,
    MacroSourceConformance,
    NotifierConformance,
    RiskRuleConformance,
    book,
    entry,
)


def falling(badness: float) -> tuple[Entry, BookView]:
    return entry(), book(equity=Decimal(10_000) - Decimal(str(badness)) * 5_000)


@plugin
class EquityFloor(RiskRule):
    floor: float = option(8000.0, gt=0, le=1e9, help="Least equity in quote.")

    @hookimpl
    def check(self, entry: Entry, book: BookView) -> Verdict:
        if self.measured(entry, book) >= self.floor:
            return ALLOW
        return Verdict(VerdictKind.DELAY, 0.0, "below_floor", float(book.equity), self.floor)

    def measured(self, entry: Entry, book: BookView) -> float:
        return float(book.equity)


class Enlarges(EquityFloor):
    @hookimpl
    def check(self, entry: Entry, book: BookView) -> Verdict:
        return Verdict(VerdictKind.REDUCE, 1.5, "confident")


class Raises(EquityFloor):
    def measured(self, entry: Entry, book: BookView) -> float:
        return float(book.equity / book.peak)


class NeedsHistory(EquityFloor):
    def measured(self, entry: Entry, book: BookView) -> float:
        known = book.hourly_returns(entry.symbol)
        return float(book.equity) + float(known.values[-1])  # type: ignore[union-attr]  # the planted fault


class CountsEntries(EquityFloor):
    def measured(self, entry: Entry, book: BookView) -> float:
        vars(self)["seen"] = vars(self).get("seen", 0) + 1
        return float(book.equity) - 400.0 * int(vars(self)["seen"])


class WrongWayRound(EquityFloor):
    def measured(self, entry: Entry, book: BookView) -> float:
        return 18_000.0 - float(book.equity)


class TrustsWithoutAQuote(EquityFloor):
    def measured(self, entry: Entry, book: BookView) -> float:
        return 1e9 if entry.quote.bid is None else float(book.equity)


class AsksTheClock(EquityFloor):
    def measured(self, entry: Entry, book: BookView) -> float:
        return float(book.equity) + 0.0 * time.time()


class TossesACoin(EquityFloor):
    def measured(self, entry: Entry, book: BookView) -> float:
        return float(book.equity) * random.uniform(0.5, 1.5)


class EmptiesTheBook(EquityFloor):
    def measured(self, entry: Entry, book: BookView) -> float:
        if isinstance(book.round_trips, list):
            book.round_trips.clear()
        return float(book.equity)


class Mumbles(EquityFloor):
    @hookimpl
    def check(self, entry: Entry, book: BookView) -> Verdict:
        return Verdict(VerdictKind.DELAY, 0.0, "Below floor!")


class Dawdles(EquityFloor):
    def measured(self, entry: Entry, book: BookView) -> float:
        return float(book.equity) + 0 * sum(range(300_000))


RULES: dict[type, str] = {
    Enlarges: "test_never_enlarges_an_entry",
    Raises: "test_never_raises",
    NeedsHistory: "test_missing_data_is_no_permission",
    CountsEntries: "test_same_case_gives_the_same_verdict",
    WrongWayRound: "test_worse_is_never_freer",
    TrustsWithoutAQuote: "test_missing_data_is_no_permission",
    AsksTheClock: "test_needs_nothing_from_outside",
    TossesACoin: "test_needs_nothing_from_outside",
    EmptiesTheBook: "test_arguments_are_not_mutated",
    Mumbles: "test_verdicts_keep_the_output_contract",
    Dawdles: "test_is_fast_enough",
}


class TestEquityFloor(RiskRuleConformance):
    plugin = EquityFloor
    monotone = staticmethod(falling)


class Index(MacroSource):
    @hookimpl
    async def read(self, http: MacroHttp) -> Reading:
        return Reading(ReadingKind.CHANGE, self.figure(await http.get_json()))

    def figure(self, document: Any) -> float:
        change = document.get("change_pct") if isinstance(document, dict) else None
        if isinstance(change, bool) or not isinstance(change, int | float) or not abs(change) < 1e6:
            raise CabError(f"no change in {document!r:.80}", fix="look at the address")
        return float(change)


class TrustsThePayload(Index):
    def figure(self, document: Any) -> float:
        return float(document["change_pct"])


class PassesNaNOn(Index):
    def figure(self, document: Any) -> float:
        try:
            return float(document["change_pct"])
        except (KeyError, TypeError, ValueError, OverflowError, IndexError) as error:
            raise CabError("no change", fix="look at the address") from error


class HidesTheOutage(Index):
    @hookimpl
    async def read(self, http: MacroHttp) -> Reading:
        try:
            return await super().read(http)
        except CabError:
            return Reading(ReadingKind.CHANGE, 0.0)


class AsksTwice(Index):
    @hookimpl
    async def read(self, http: MacroHttp) -> Reading:
        await http.get_json()
        return await super().read(http)


class ReadsItsOwnClock(Index):
    @hookimpl
    async def read(self, http: MacroHttp) -> Reading:
        reading = await super().read(http)
        return Reading(reading.kind, reading.value, observed_ms=int(time.time() * 1000))


class RemembersTheLast(Index):
    def __init__(self) -> None:
        self.last = 0.0

    def figure(self, document: Any) -> float:
        change, self.last = super().figure(document) - self.last, super().figure(document)
        return change


class Chews(Index):
    def figure(self, document: Any) -> float:
        sum(range(10_000_000))
        return super().figure(document)


SOURCES: dict[type, str] = {
    TrustsThePayload: "test_junk_gives_a_cab_error",
    PassesNaNOn: "test_junk_gives_a_cab_error",
    HidesTheOutage: "test_a_dead_address_is_passed_on",
    AsksTwice: "test_asks_once",
    ReadsItsOwnClock: "test_needs_nothing_from_outside",
    RemembersTheLast: "test_same_document_gives_the_same_reading",
    Chews: "test_is_fast_enough",
}
PAYLOADS = ({"change_pct": 0.37}, {"change_pct": -1})


class TestIndex(MacroSourceConformance):
    plugin = Index
    payloads = PAYLOADS


@plugin
class Bell(Notifier):
    token: str = option("", help="Token of the bell.")

    @hookimpl
    async def notify(self, alert: Alert) -> None:
        await asyncio.sleep(0)


class Sleeps(Bell):
    @hookimpl
    async def notify(self, alert: Alert) -> None:
        time.sleep(0.4)


class NeverEnds(Bell):
    @hookimpl
    async def notify(self, alert: Alert) -> None:
        await asyncio.sleep(3600)


class LogsItsToken(Bell):
    @hookimpl
    async def notify(self, alert: Alert) -> None:
        logging.getLogger("bell").info("sent with %s", self.token)


class BreaksOnText(Bell):
    @hookimpl
    async def notify(self, alert: Alert) -> None:
        alert.text.format()


class Hoards(Bell):
    @hookimpl
    async def notify(self, alert: Alert) -> None:
        vars(self).setdefault("sent", []).append(alert)


NOTIFIERS: dict[type, str] = {
    Sleeps: "test_never_blocks_the_others",
    NeverEnds: "test_every_alert_is_taken",
    LogsItsToken: "test_secrets_are_not_in_the_output",
    BreaksOnText: "test_every_alert_is_taken",
    Hoards: "test_keeps_no_alerts",
}


class TestBell(NotifierConformance):
    plugin = Bell


#: The broker the faults are planted into, if its package is installed beside the core.
PAPER = tuple(entry_points(group="cab.brokers", name="paper"))


class Wrapped:
    """Passes every verb on to a sound broker, but for the one a fault replaces."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


class WithVenue(BrokerPlugin):
    venue: type = Wrapped

    @hookimpl
    def open(self, account: Account) -> Broker:
        opened: Broker = self.venue(PAPER[0].load()().open(account))
        return opened


def broker_with(name: str, venue: type) -> type:
    return type(name, (WithVenue,), {"venue": venue, "__module__": __name__})


class Forgets(Wrapped):
    async def submit(self, intent: Intent) -> Outcome:
        self.count = getattr(self, "count", 0) + 1
        return await self._broker.submit(attrs.evolve(intent, key=f"{intent.key}|{self.count}"))


class Throws(Wrapped):
    async def submit(self, intent: Intent) -> Outcome:
        outcome = await self._broker.submit(intent)
        if isinstance(outcome, Rejected):
            raise CabError("the venue said no")
        return outcome


class SpendsDouble(Wrapped):
    async def submit(self, intent: Intent) -> Outcome:
        return await self._broker.submit(attrs.evolve(intent, cost=intent.cost and intent.cost * 2))


class NeverFinds(Wrapped):
    async def resolve(self, intent: Intent) -> Any:
        return Absent()


class JumpsToConclusions(Wrapped):
    def caps(self) -> BrokerCaps:
        return attrs.evolve(self._broker.caps(), supports_request_expiry=True)


class PromisesWithoutExpiry(Wrapped):
    def caps(self) -> BrokerCaps:
        return attrs.evolve(self._broker.caps(), absence="expiry")


class ExecutesLateOnes(Wrapped):
    def caps(self) -> BrokerCaps:
        return attrs.evolve(self._broker.caps(), absence="expiry", supports_request_expiry=True)


class TakesSilenceForProof(Wrapped):
    def caps(self) -> BrokerCaps:
        return attrs.evolve(self._broker.caps(), client_id_lookup="none")


class NeverIsSure(Wrapped):
    async def resolve(self, intent: Intent) -> Resolution:
        resolution = await self._broker.resolve(intent)
        return Undetermined("who knows") if isinstance(resolution, Absent) else resolution


class CancelsAnything(Wrapped):
    async def cancel(self, intent: Intent) -> Outcome:
        return Ack("0")


class RepeatsItsFills(Wrapped):
    async def fills_since(self, symbol: str, since_ms: int) -> Any:
        return list(await self._broker.fills_since(symbol, since_ms)) * 2


class Whispers(Wrapped):
    def __repr__(self) -> str:
        return "Broker(key=kit-api-key-0001)"


class NamesItsAccountAnew(Wrapped):
    async def account_id(self) -> str:
        return str(random.random())


class NamesItsAccountByKey(Wrapped):
    async def account_id(self) -> str:
        return "kit-api-key-0001"


BROKERS: dict[type, str] = {
    broker_with("ForgetsIds", Forgets): "test_client_ids_are_idempotent",
    broker_with("ThrowsRefusals", Throws): "test_refusals_are_values",
    broker_with("SpendsTwice", SpendsDouble): "test_a_buy_is_sized_in_quote",
    broker_with("NeverFindsOrders", NeverFinds): "test_orders_are_resolved_by_observation",
    broker_with("ConcludesTooEarly", JumpsToConclusions): "test_orders_are_resolved_by_observation",
    broker_with("NeverProvesAbsence", NeverIsSure): "test_orders_are_resolved_by_observation",
    broker_with("PromisesAnExpiry", PromisesWithoutExpiry): "test_absence_is_proven_as_the_caps_say",
    broker_with("ExecutesLate", ExecutesLateOnes): "test_absence_is_proven_as_the_caps_say",
    broker_with("TakesSilenceForAbsence", TakesSilenceForProof): "test_absence_is_proven_as_the_caps_say",
    broker_with("CancelsWhatIsGone", CancelsAnything): "test_cancelling_what_is_gone_is_a_value",
    broker_with("RepeatsFills", RepeatsItsFills): "test_fills_tell_what_happened",
    broker_with("NamesAnAccountAnew", NamesItsAccountAnew): "test_an_account_is_named_alike",
    broker_with("NamesAnAccountByKey", NamesItsAccountByKey): "test_an_account_is_named_alike",
    broker_with("WhispersItsKey", Whispers): "test_credentials_are_not_in_the_output",
}


class TestWithVenue(BrokerConformance):
    plugin = WithVenue


for suite, faults, extra in (
    (RiskRuleConformance, RULES, {"monotone": staticmethod(falling), "needs": ("quote",)}),
    (MacroSourceConformance, SOURCES, {"payloads": PAYLOADS}),
    (NotifierConformance, NOTIFIERS, {"options": {"token": "abcd-1234-efgh"}, "budget_s": 0.6}),
    (BrokerConformance, BROKERS, {}),
):
    for fault in faults:
        name = f"Test{fault.__name__}"
        globals()[name] = type(name, (suite,), {"plugin": fault, "__module__": __name__, **extra})
