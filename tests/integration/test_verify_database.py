"""Each invariant a database shows: whole after real runs, and named when a record is bent to break it."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from cab_core.app.verify import INVARIANTS, Status, check_database, violated
from cab_core.domain.orders import Fill, Intent, OrderState, Purpose, Side
from cab_core.storage import (
    Connection,
    JournalRow,
    TraceRow,
    journal_rows,
    load_counters,
    load_positions,
    open_sync,
    plan_intent,
    save_fill,
    save_position,
    save_trace,
    set_counter,
    set_intent_state,
)

Write = Callable[[Connection], None]

#: After every stamp of the run.
LATER_MS = 1_704_200_000_000
BTC, ETH = "BTC/USDT", "ETH/USDT"
SYMBOLS = (BTC, ETH)
LIVELY = ("PAPER_PARTIAL_FILL_PROB=0.4", "TAKE_PROFIT_1_PCT=0.3", "TAKE_PROFIT_2_PCT=0.9")


def broken(path: Path) -> set[str]:
    with open_sync(path) as conn:
        return {result.name for result in violated(check_database(conn))}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, new_bench: Any) -> Path:
    """The database of a run of two symbols that ends with a position of BTC open."""
    recorded = new_bench(tmp_path_factory.mktemp("finished"), symbols=SYMBOLS, bars=60)
    asyncio.run(recorded.run())
    return recorded.database


@pytest.fixture
def database(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to be bent."""
    return shutil.copy(finished, tmp_path / finished.name)


def write(path: Path, change: Write) -> None:
    with open_sync(path, read_only=False) as conn:
        change(conn)


def execute(path: Path, *statements: str) -> None:
    """Bend a table behind the back of the storage."""
    with sqlite3.connect(path) as raw:
        for statement in statements:
            assert raw.execute(statement).rowcount, statement
    raw.close()


Rows = list[JournalRow]


def reseal(path: Path, change: Callable[[Rows], Rows]) -> None:
    """Rewrite the journal with a chain that is whole again, as one who knows how it is made could."""
    with open_sync(path) as conn:
        before = list(journal_rows(conn))
    after: Rows = []
    for seq, row in enumerate(change(before), 1):
        bent = attrs.evolve(row, seq=seq, prev_hash=after[-1].hash if after else before[0].prev_hash)
        after.append(attrs.evolve(bent, hash=bent.seal()))
    assert before != after
    with sqlite3.connect(path) as raw:
        for name in ("update", "delete", "replace"):
            raw.execute(f"DROP TRIGGER journal_no_{name}")
        raw.executemany(
            "UPDATE journal SET ts_ms=:ts_ms, epoch=:epoch, trace_id=:trace_id, kind=:kind, ref=:ref,"
            " payload=:payload, prev_hash=:prev_hash, hash=:hash WHERE seq=:seq",
            [attrs.asdict(row) for row in after],
        )
        head = f"{len(after)}:{after[-1].hash}"
        assert raw.execute("UPDATE meta SET value=? WHERE key='journal_head'", (head,)).rowcount == 1
    raw.close()


def test_a_run_holds_every_invariant_a_database_shows(database: Path) -> None:
    with open_sync(database) as conn:
        results = {result.name: result for result in check_database(conn)}
        positions = load_positions(conn)
    assert list(results) == [f"I{n}" for n in range(1, 27)]
    shown = {i.name for i in INVARIANTS if i.shown_by == "database"}
    assert {name for name, result in results.items() if result.status is Status.OK} == shown
    assert positions.keys() == {BTC}  # or the tests below would bend nothing


def test_what_no_database_shows_names_tests_that_exist() -> None:
    root = next(up for up in Path(__file__).resolve().parents if (up / "constraints.txt").is_file())
    for invariant in INVARIANTS:
        assert bool(invariant.check) == (invariant.shown_by == "database")
        assert invariant.check or (root / invariant.proof).is_file(), invariant.proof


@pytest.mark.parametrize("commit_no", [3, 9, 24, 31])
@pytest.mark.parametrize("after", [False, True])
def test_a_killed_run_holds_them_before_and_after_it_goes_on(dying: Any, commit_no: int, after: bool) -> None:
    bench, crashed = dying(commit_no, after=after, symbols=SYMBOLS, bars=40, overrides=LIVELY)
    with pytest.raises(crashed):
        asyncio.run(bench.run())
    assert not broken(bench.database)
    asyncio.run(attrs.evolve(bench, crash=None).run())
    assert not broken(bench.database)


def order(purpose: Purpose, side: Side, ref: str, *, attempt: int = 1, symbol: str = BTC) -> Intent:
    key = f"{symbol}|{side}|{purpose}|{ref}"
    size = {"cost": Decimal(50)} if side is Side.BUY else {"quantity": Decimal("0.0001")}
    return Intent(key, symbol, side, purpose, "test", "0" * 16, LATER_MS, attempt, **size)


def went(conn: Connection, intent: Intent, *states: OrderState, at_ms: int = LATER_MS) -> None:
    for state in states:
        taken = f"id-{intent.client_id}" if state is OrderState.ACKED else None
        set_intent_state(conn, intent.key, intent.attempt, state, ts_ms=at_ms, order_id=taken)


def planned(conn: Connection, intent: Intent, *states: OrderState, at_ms: int = LATER_MS) -> Intent:
    assert plan_intent(conn, intent)
    went(conn, intent, *states, at_ms=at_ms)
    return intent


def held(conn: Connection) -> dict[str, Any]:
    return json.loads(json.dumps(load_positions(conn)[BTC]))


SENT, ACKED, UNKNOWN, DONE, REJECTED = (
    OrderState.SENT,
    OrderState.ACKED,
    OrderState.UNKNOWN,
    OrderState.DONE,
    OrderState.REJECTED,
)


def a_second_entry_of_a_candle(conn: Connection) -> None:
    for ref in ("1704199500000", "again|1704199500000"):
        planned(conn, order(Purpose.ENTRY, Side.BUY, ref, symbol=ETH), OrderState.ABANDONED)


def an_entry_while_open(conn: Connection) -> None:
    planned(conn, order(Purpose.ENTRY, Side.BUY, "1704199500000"), SENT, REJECTED)


def an_entry_beside_another(conn: Connection) -> None:
    planned(conn, order(Purpose.ENTRY, Side.BUY, "1704198600000", symbol=ETH), SENT, UNKNOWN)
    planned(conn, order(Purpose.ENTRY, Side.BUY, "1704199500000", symbol=ETH), SENT, REJECTED)


def a_sell_of_more_than_is_held(conn: Connection) -> None:
    planned(conn, attrs.evolve(order(Purpose.MANUAL, Side.SELL, "x"), quantity=Decimal(1)), SENT)


def two_sells_of_everything(conn: Connection) -> None:
    for ref in "xy":
        whole = Decimal(held(conn)["quantity"])
        planned(conn, attrs.evolve(order(Purpose.MANUAL, Side.SELL, ref), quantity=whole), SENT, ACKED)


def a_trade_of_no_order(conn: Connection) -> None:
    numbers = (Decimal("0.000001"), Decimal(40_000), Decimal(0))
    save_fill(conn, "paper", Fill("t1", "t-caaaaaaaaaaaaaaaa-1", ETH, Side.BUY, *numbers, "ETH", LATER_MS))


def an_unknown_outcome_for_long(conn: Connection) -> None:
    planned(conn, order(Purpose.MANUAL, Side.BUY, "lost"), SENT, UNKNOWN)
    for minutes in (1, 12):
        at_ms = LATER_MS + minutes * 60_000
        planned(conn, order(Purpose.MANUAL, Side.BUY, f"{minutes}"), SENT, ACKED, DONE, at_ms=at_ms)


def a_lower_stop(conn: Connection) -> None:
    state = held(conn)
    state["protection"]["stop"] = str(Decimal(state["protection"]["stop"]) - 1)
    save_position(conn, BTC, state, LATER_MS)


def a_stop_below_breakeven(conn: Connection) -> None:
    state = held(conn)
    guard = state["protection"]
    guard |= {"stage": 1, "stop": str(Decimal(guard["levels"]["breakeven"]) - 1)}
    save_position(conn, BTC, state, LATER_MS)


def no_protection(conn: Connection) -> None:
    save_position(conn, BTC, held(conn) | {"protection": None}, LATER_MS)


def half_protection(conn: Connection) -> None:
    state = held(conn)
    state["protection"]["quantity"] = "0.0001"
    save_position(conn, BTC, state, LATER_MS)


def an_old_candle(conn: Connection) -> None:
    row = TraceRow(
        trace_id="f" * 16,
        symbol=BTC,
        candle_ts_ms=1_704_067_200_000 - 900_000,
        close=None,
        action="hold",
        reason="none",
        payload={},
    )
    assert save_trace(conn, row, LATER_MS)


def an_open_candle(conn: Connection) -> None:
    row = TraceRow(
        trace_id="f" * 16,
        symbol=BTC,
        candle_ts_ms=LATER_MS // 900_000 * 900_000,
        close=None,
        action="hold",
        reason="none",
        payload={},
    )
    assert save_trace(conn, row, LATER_MS)


def a_wrong_streak(conn: Connection) -> None:
    counter = next(c for c in load_counters(conn) if c.rule == "loss_streak")
    set_counter(conn, attrs.evolve(counter, value=counter.value + 7))


def a_small_daily_loss(conn: Connection) -> None:
    counter = next(c for c in load_counters(conn) if c.rule == "daily_loss")
    set_counter(conn, attrs.evolve(counter, value=Decimal("0.01")))


def two_emergency_exits(conn: Connection) -> None:
    for ref in (f"{BTC}@1704121203000#0", f"{BTC}@1704121203000#1"):
        planned(conn, order(Purpose.DEAD_MAN, Side.SELL, ref))


#: What is written through the storage, so that the chain of the journal stays whole: exactly this is named.
ILLEGAL: dict[Write, set[str]] = {
    a_trade_of_no_order: {"I2", "I13"},
    a_sell_of_more_than_is_held: {"I5"},
    two_sells_of_everything: {"I5"},
    a_second_entry_of_a_candle: {"I6"},
    an_entry_while_open: {"I6"},
    an_entry_beside_another: {"I6"},
    an_unknown_outcome_for_long: {"I8"},
    a_lower_stop: {"I10"},
    a_stop_below_breakeven: {"I10"},
    no_protection: {"I11"},
    half_protection: {"I11"},
    an_old_candle: {"I21"},
    an_open_candle: {"I21"},
    a_wrong_streak: {"I25"},
    a_small_daily_loss: {"I25"},
    two_emergency_exits: {"I26"},
}


@pytest.mark.parametrize("change", ILLEGAL, ids=lambda change: change.__name__)
def test_an_illegal_sequence_is_named(database: Path, change: Write) -> None:
    write(database, change)
    assert broken(database) == ILLEGAL[change]


_ENTRY = (
    "(SELECT client_id FROM order_intents WHERE purpose = 'entry' ORDER BY created_ms, client_id LIMIT 1)"
)
_STATE = "UPDATE positions SET state = json_set(state, '$.quantity', '9', '$.protection.quantity', '9')"

#: What is changed in a table behind the storage's back.
BENT = {
    f"UPDATE order_intents SET order_id = 'x' WHERE client_id = {_ENTRY} OR purpose = 'signal_sell'": {"I1"},
    f"DELETE FROM order_intents WHERE client_id = {_ENTRY}": {"I2"},
    "UPDATE fills SET client_id = 't-caaaaaaaaaaaaaaaa-9' WHERE side = 'sell'": {"I2", "I15"},
    _STATE: {"I3"},
    "DELETE FROM positions": {"I3"},
    "UPDATE order_intents SET state = 'rejected' WHERE side = 'sell'": {"I7"},
    "UPDATE order_intents SET state = 'unknown', order_id = NULL WHERE purpose = 'entry'": {"I7"},
    "UPDATE account SET book = json_set(book, '$.realized', '3')": {"I13"},
    "UPDATE account SET quote_free = '3'": {"I13"},
    "UPDATE account SET book = json_remove(book, '$.lots.BTC/USDT')": {"I13"},
    "UPDATE fills SET exchange = 'elsewhere' WHERE side = 'sell'": {"I15"},
    "DELETE FROM fills WHERE side = 'sell' AND symbol = 'ETH/USDT'": {"I3", "I13", "I15"},
    """UPDATE fills SET further_fees = '[["GT","0.1"]]' WHERE side = 'sell'""": {"I15"},
    """UPDATE fills SET further_fees = '[["GT",0.1]]' WHERE side = 'sell'""": {"I15", "I22"},
    "UPDATE order_intents SET reference = 'NaN' WHERE side = 'sell'": {"I22"},
    "UPDATE order_intents SET cost = '-50' WHERE side = 'buy'": {"I22"},
    "UPDATE account SET book = json_set(book, '$.marks.BTC/USDT', 0.1)": {"I22"},
    "UPDATE risk_counters SET value = '44'": {"I25"},
    "UPDATE risk_counters SET updated_at_ms = updated_at_ms + 86400000": {"I24"},
}


@pytest.mark.parametrize("statement", BENT)
def test_a_bent_table_is_named(database: Path, statement: str) -> None:
    execute(database, statement)
    assert broken(database) == BENT[statement]


def in_row(of: str, nth: int, **values: Any) -> Callable[[Rows], Rows]:
    """Return a change of the ``nth`` row of a kind; ``facts`` are merged into its payload."""

    def change(rows: Rows) -> Rows:
        row = [row for row in rows if row.kind == of][nth]
        payload = json.dumps(json.loads(row.payload) | values.get("facts", {}))
        bent = attrs.evolve(row, payload=payload, **{k: v for k, v in values.items() if k != "facts"})
        return [bent if one is row else one for one in rows]

    return change


def sent_before_planned(rows: Rows) -> Rows:
    first = next(k for k, row in enumerate(rows) if row.kind == "order.planned")
    ref = rows[first].ref
    second = next(k for k, row in enumerate(rows) if row.kind == "order.sent" and row.ref == ref)
    swapped = list(rows)
    swapped[first], swapped[second] = rows[second], rows[first]
    return swapped


def sent_twice(rows: Rows) -> Rows:
    """An order that is sent again in place of the account's first figures."""
    sent = next(row for row in rows if row.kind == "order.sent")
    again = [k for k, row in enumerate(rows) if row.kind == "account"][-1]
    return [attrs.evolve(sent, ts_ms=row.ts_ms) if k == again else row for k, row in enumerate(rows)]


FORGED: dict[str, tuple[Callable[[Rows], Rows], set[str]]] = {
    "sent before it was planned": (sent_before_planned, {"I2", "I7"}),
    "sent twice": (sent_twice, {"I1", "I6", "I7"}),
    "an older start goes on": (in_row("account", 3, epoch=4), {"I17"}),
    "a stamp in seconds": (in_row("account", 3, ts_ms=1_704_068_103), {"I24"}),
    "a candle twice": (in_row("cycle", 5, facts={"candle_ts_ms": 1_704_067_200_000}), {"I21"}),
    "another price": (in_row("fill", 0, facts={"price": "1"}), {"I15"}),
}


@pytest.mark.catalogue(82)
@pytest.mark.parametrize("what", FORGED)
def test_a_forged_journal_is_named_although_its_chain_is_whole(database: Path, what: str) -> None:
    change, named = FORGED[what]
    reseal(database, change)
    assert broken(database) == named


@pytest.mark.catalogue(82)
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE journal SET payload = '{}' WHERE kind = 'account'",
        "DELETE FROM journal WHERE kind = 'account'",
    ],
)
def test_a_changed_or_missing_row_breaks_the_chain(database: Path, damage: str) -> None:
    execute_unguarded(database, damage)
    assert broken(database) == {"I16"}


def execute_unguarded(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as raw:
        for name in ("update", "delete", "replace"):
            raw.execute(f"DROP TRIGGER journal_no_{name}")
    raw.close()
    execute(path, statement)


@pytest.mark.catalogue(158)
def test_risk_counters_reset_behind_the_bots_back_are_named(database: Path) -> None:
    execute(database, "UPDATE risk_counters SET value = '0' WHERE value != '0'")
    assert broken(database) == {"I25"}


def test_an_earlier_copy_of_the_tables_does_not_pass_for_the_present(database: Path, tmp_path: Path) -> None:
    """Tables of yesterday beside the journal of today."""
    shutil.copy(database, tmp_path / "old.sqlite3")
    with open_sync(database, read_only=False) as conn:
        planned(conn, order(Purpose.MANUAL, Side.BUY, "new"), SENT, REJECTED)
    with sqlite3.connect(database) as raw:
        raw.execute("ATTACH ? AS old", (str(tmp_path / "old.sqlite3"),))
        raw.execute("DELETE FROM order_intents")
        raw.execute("INSERT INTO order_intents SELECT * FROM old.order_intents")
    raw.close()
    assert broken(database) == {"I2"}
