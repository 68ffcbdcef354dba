"""A person ends an order whose outcome the exchange does not tell: on a running bot, and on a database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from live_bench import LiveBench

from cab_core.app.desk.cold import ColdDesk
from cab_core.app.desk.commands import Action, Actor, Command, Done, KeyReusedError, Role, TransitionError
from cab_core.app.verify import check_database, violated
from cab_core.cli import invoke
from cab_core.domain.orders import Purpose
from cab_core.domain.verdict import Fate, Verdict
from cab_core.errors import CabError, ExitCode, NotFoundError
from cab_core.storage import AuditEntry, load_audit, verify_journal, visit

pytestmark = [pytest.mark.catalogue(194), pytest.mark.settlement]

Bench = Callable[..., LiveBench]
D = Decimal


class Person:
    """Anna, who tells the bot at a minute what has become of its newest order of a purpose."""

    def __init__(self, live: LiveBench, purpose: Purpose) -> None:
        self.live, self.purpose = live, purpose
        self.answers: list[Done | CabError] = []
        self._asked: list[asyncio.Task[None]] = []

    def says(
        self,
        minute: float,
        fate: Fate,
        *,
        order: str = "",
        key: str = "",
        quantity: str = "",
        price: str = "",
    ) -> None:
        amounts = {"quantity": D(quantity), "price": D(price)} if quantity else {}

        def begin() -> None:  # the clock goes on while the bot asks the exchange
            wanted = order or self.live.orders(self.purpose)[-1]["client_id"]
            verdict = Verdict(order=wanted, fate=fate, **amounts)
            self._asked.append(asyncio.create_task(self._say(verdict, key)))

        self.live.at(minute, begin, in_bot=True)

    async def _say(self, verdict: Verdict, key: str) -> None:
        assert self.live.running is not None
        assert self.live.running.desk is not None
        anna = Actor(name="anna", role=Role.ADMIN, surface="api")
        command = Command(action=Action.SETTLE, actor=anna, verdict=verdict, reason="looked", key=key)
        try:
            self.answers.append(await self.live.running.desk.do(command))
        except CabError as error:
            self.answers.append(error)


def untold(live: LiveBench, minute: float, *, after: bool, until: float, balances: bool = False) -> None:
    """Lose the answer to an order, and every list that could tell of it, until a minute."""
    until_ms = live.venue.exchange.now_ms + round(until * 60_000)
    live.hurried = True
    live.fault("cut", after=after, since=minute)
    for path in ("/spot/orders", "/spot/open_orders", "/spot/my_trades", *["/spot/accounts"] * balances):
        live.fault("server_error", method="GET", path=path, since=minute, times=None, until_ms=until_ms)


def audited(live: LiveBench) -> list[AuditEntry]:
    """Return what is written down of verdicts, oldest first."""
    rows = visit(live.database, lambda conn: load_audit(conn, action="desk.settle"))
    return [row.entry for row in rows]


def assert_whole(live: LiveBench) -> None:
    assert visit(live.database, verify_journal) == []
    broken = violated(visit(live.database, check_database))
    assert not broken, [(result.name, result.problems) for result in broken]


async def test_an_entry_that_never_arrived_is_given_up(bench: Bench) -> None:
    live = bench()
    untold(live, 14, after=False, until=60)
    anna = Person(live, Purpose.ENTRY)
    anna.says(20, Fate.ABSENT)
    anna.says(30, Fate.ABSENT, key="once")
    anna.says(31, Fate.ABSENT, key="once")
    anna.says(32, Fate.ABSENT)
    await live.run(70, buys=[0])
    young, done, again, late = anna.answers
    assert isinstance(young, TransitionError)
    assert "is still being found out" in young.what
    assert isinstance(done, Done)
    assert (done.order_state, done.booked, done.planned) == ("abandoned", (), None)
    assert again == done
    assert isinstance(late, TransitionError)
    assert "has ended: abandoned" in late.what
    (entry,) = live.orders(Purpose.ENTRY)
    assert (entry["state"], entry["message"]) == ("abandoned", "the exchange never took it, says anna")
    rows = audited(live)
    assert [row.outcome.partition(":")[0] for row in rows] == ["refused", "ok", "refused"]
    assert {row.target for row in rows} == {entry["client_id"]}
    assert rows[1].before == {"state": "unknown"}
    assert rows[1].after == {"state": "abandoned", "booked": [], "planned": None, "reason": "looked"}
    assert live.fills == []
    assert_whole(live)
    live.assert_sound()


async def test_an_entry_that_filled_is_booked_as_told_and_not_twice(bench: Bench) -> None:
    live = bench(EXITS_EXCHANGE_STOP="false")
    untold(live, 14, after=True, until=60)
    anna = Person(live, Purpose.ENTRY)
    anna.says(28, Fate.FILLED)
    anna.says(29, Fate.FILLED, quantity="50", price="100")
    anna.says(30, Fate.FILLED, quantity="0.5", price="100")
    await live.run(90, buys=[0])
    bare, much, done = anna.answers
    assert isinstance(bare, TransitionError)
    assert "nothing is booked that nobody has seen" in bare.what
    assert "give quantity and price" in bare.fix
    assert isinstance(much, TransitionError)
    assert "more than order" in much.what
    assert isinstance(done, Done)
    assert (done.order_state, len(done.booked)) == ("done", 1)
    assert any("is booked for it on the word of anna" in alert["text"] for alert in live.alerts)
    (entry,) = live.orders(Purpose.ENTRY)
    assert entry["state"] == "done"
    # Its own trade is listed later: it is the same purchase. What the fee took is an external sale.
    (told,) = [trade for trade in live.evidence.trades if trade.side == "buy"]
    assert (told.trade_id, told.quantity, told.price) == (done.booked[0], D("0.5"), D(100))
    assert audited(live)[-1].after["quantity"] == "0.5"
    assert live.held == live.bought()
    assert_whole(live)


async def test_the_trades_of_an_entry_are_booked_where_they_can_be_had(bench: Bench) -> None:
    """Its lists come back just before: nothing is taken from the person's word."""
    live = bench(EXITS_EXCHANGE_STOP="false")
    untold(live, 14, after=True, until=30)
    anna = Person(live, Purpose.ENTRY)
    anna.says(30.01, Fate.FILLED, quantity="0.4", price="90")
    await live.run(50, buys=[0])
    assert live.held == live.bought() > 0
    assert {trade.trade_id for trade in live.evidence.trades} == {str(fill.trade_id) for fill in live.fills}
    assert_whole(live)
    live.assert_sound(guarded=False)


async def test_an_exit_that_never_arrived_is_planned_anew(bench: Bench) -> None:
    live = bench(EXITS_EXCHANGE_STOP="false")
    untold(live, 14, after=False, until=40, balances=True)
    anna = Person(live, Purpose.SIGNAL_SELL)
    anna.says(28, Fate.ABSENT)
    await live.run(50, buys=[-1], sells=[0])
    (done,) = anna.answers
    assert isinstance(done, Done)
    first, second = live.orders(Purpose.SIGNAL_SELL)
    assert (first["state"], second["state"]) == ("abandoned", "done")
    assert done.planned == second["client_id"]
    assert live.held == 0
    assert_whole(live)
    live.assert_sound()


async def test_an_order_that_is_none_is_named(bench: Bench) -> None:
    live = bench()
    untold(live, 14, after=False, until=30)
    anna = Person(live, Purpose.ENTRY)
    live.at(15.5, lambda: anna.says(16, Fate.ABSENT, order=live.orders(Purpose.ENTRY)[0]["client_id"] + "0"))
    anna.says(17, Fate.ABSENT, order="nonsense")
    await live.run(40, buys=[0])
    near, far = anna.answers
    (entry,) = live.orders(Purpose.ENTRY)
    assert isinstance(near, NotFoundError)
    assert near.fix == f"did you mean {entry['client_id']}?"
    assert isinstance(far, NotFoundError)
    assert entry["client_id"] in far.fix


# On the database of a bot that does not run, by the command of a person.


class Shell:
    """The commands of a person in the folder of a bot."""

    def __init__(
        self, live: LiveBench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.capsys = capsys
        monkeypatch.chdir(live.folder)
        for name, value in live.environment().items():
            monkeypatch.setenv(name, value)

    def cab(self, *words: str) -> tuple[int, Any]:
        """Return the exit code and the document of a command."""
        self.capsys.readouterr()
        code = invoke([*words, "--json"])
        said = self.capsys.readouterr()
        return code, json.loads(said.out or said.err.splitlines()[-1])


@pytest.fixture
def left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[LiveBench, Shell]:
    """A bot that was stopped while the outcome of its entry was unknown."""
    live = bench(EXITS_EXCHANGE_STOP="false")
    untold(live, 14, after=True, until=20)
    asyncio.run(live.run(18, buys=[0]))
    return live, Shell(live, monkeypatch, capsys)


def test_a_stopped_bots_order_is_listed_and_given_up(left: tuple[LiveBench, Shell]) -> None:
    live, shell = left
    code, listed = shell.cab("orders", "list")
    (row,) = listed["items"]
    assert (code, row["state"], row["purpose"]) == (0, "unknown", "entry")
    settle = ("orders", "settle", row["client_id"], "--outcome", "absent")
    assert shell.cab(*settle)[0] == ExitCode.REFUSED  # nobody confirmed it
    code, done = shell.cab(*settle, "--yes", "--reason", "not in its lists")
    assert (code, done["order_state"], done["states"]) == (0, "abandoned", {"BTC/USDT": "stopped"})
    code, problem = shell.cab(*settle, "--yes")
    assert (code, problem["error"]["code"]) == (ExitCode.PROBLEMS, "CAB-E611")
    code, problem = shell.cab("orders", "settle", row["client_id"][:-1] + "2", "--outcome", "absent", "--yes")
    assert code == ExitCode.NOT_FOUND
    assert shell.cab("orders", "list") == (0, {"items": []})
    assert [entry.outcome.partition(":")[0] for entry in audited(live)] == ["ok", "refused", "refused"]
    assert audited(live)[0].surface == "cli"
    assert shell.cab("audit", "verify")[0] == 0
    assert shell.cab("verify")[0] == 0


def test_a_key_of_another_command_is_refused_on_record_without_a_bot(left: tuple[LiveBench, Shell]) -> None:
    live, _ = left
    desk, order = ColdDesk(live.load()), live.orders(Purpose.ENTRY)[-1]["client_id"]
    absent, filled = Verdict(order=order, fate=Fate.ABSENT), Verdict(order=order, fate=Fate.FILLED)
    anna = Actor(name="anna", role=Role.ADMIN, surface="cli")

    def say(verdict: Verdict) -> Done:
        command = Command(action=Action.SETTLE, actor=anna, verdict=verdict, key="once")
        return asyncio.run(desk.do(command))

    assert say(absent) == say(absent)
    with pytest.raises(KeyReusedError):
        say(filled)
    used = "refused: the idempotency key was used for another command"
    assert [entry.outcome for entry in audited(live)] == ["ok", used]


def test_a_stopped_bot_books_only_what_it_is_told(left: tuple[LiveBench, Shell]) -> None:
    """The next start guards it, finds the true trade and takes it for the same purchase."""
    live, shell = left
    (row,) = shell.cab("orders", "list")[1]["items"]
    settle = ("orders", "settle", row["client_id"], "--outcome", "filled", "--yes")
    code, problem = shell.cab(*settle)
    assert (code, problem["error"]["where"]) == (ExitCode.PROBLEMS, "quantity")
    assert shell.cab(*settle, "--quantity", "0.4")[0] == ExitCode.USAGE
    code, done = shell.cab(*settle, "--quantity", "0.499", "--price", "100")
    assert (code, done["order_state"]) == (0, "done")
    assert live.held == D("0.499")
    assert shell.cab("audit", "verify")[0] == 0
    assert shell.cab("verify")[0] == 0
    asyncio.run(live.run(60))
    assert [trade.side for trade in live.evidence.trades].count("buy") == 1
    # 0.4997 were bought and 0.0009994 of them went as the fee: 0.0002994 less than told, which is within
    # a thousandth of the position, where reconciliation corrects nothing. The word stays on record.
    (fill,) = live.fills
    assert (fill.quantity, fill.fee, fill.fee_currency) == (D("0.4997"), D("0.0009994"), "BTC")
    assert (live.held, live.bought()) == (D("0.499"), D("0.4987006"))
    assert_whole(live)
