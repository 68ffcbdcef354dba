"""Every order is on disk before its first byte leaves: seen in the system calls of a live bot."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from live_desk import LiveDesk

from cab_core.domain.orders import Side

pytestmark = [
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.timeout(200),
    pytest.mark.slow,
    pytest.mark.idempotency,
]

CALLS = "pwrite64,fdatasync,fsync,sendto,sendmsg,write"
STRACE = ("strace", "-f", "-y", "-s", "20000", "-e", f"trace={CALLS}", "-o")

#: A bot that sends first and writes afterwards; everything else is as it is.
PLANTED = """
import asyncio
from cab_core.ports import Committed
from cab_core.storage.records import Records

commit = Records.commit


async def late(self, changes):
    if not (changes.moved or changes.planned):
        return await commit(self, changes)

    async def write():
        await asyncio.sleep(5)  # longer than any send takes on a busy machine
        await commit(self, changes)

    self.__class__.writing = asyncio.create_task(write())
    return Committed()


Records.commit = late
from cab_core.cli import main

main()
"""

_LINE = re.compile(r"^(?P<pid>\d+) +(?P<rest>.*)$")
_RESUMED = re.compile(r"^<\.\.\. (?P<call>\w+) resumed>")
_ID = re.compile(r"t-c[a-z2-7]{16}-\d+")


@attrs.frozen
class Call:
    """One system call at the instant it was made, or that at which it came back."""

    name: str
    text: str
    back: bool


def calls_of(trace: Path) -> Iterator[Call]:
    """Yield calls and returns in the order in which they happened."""
    pending: dict[str, str] = {}
    for line in trace.read_text(errors="replace").splitlines():
        matched = _LINE.match(line)
        if matched is None:
            continue
        pid, rest = matched["pid"], matched["rest"]
        resumed = _RESUMED.match(rest)
        if resumed is not None:
            yield Call(resumed["call"], pending.pop(pid, ""), back=True)
            continue
        name = rest.partition("(")[0]
        yield Call(name, rest, back=False)
        if rest.endswith("<unfinished ...>"):
            pending[pid] = rest
        else:
            yield Call(name, rest, back=True)


def sent_orders(trace: Path) -> dict[str, int]:
    """Return, for each order that was sent, how many synced commits of the log named it before."""
    written: dict[str, int] = {}
    dirty: set[str] = set()
    sent: dict[str, int] = {}
    for call in calls_of(trace):
        if call.name == "pwrite64" and "-wal>" in call.text and not call.back:
            dirty.update(_ID.findall(call.text))
        elif call.name in ("fdatasync", "fsync") and "-wal>" in call.text and call.back:
            for client_id in dirty:
                written[client_id] = written.get(client_id, 0) + 1
            dirty.clear()
        elif call.name in ("sendto", "sendmsg", "write") and not call.back and "<socket:" in call.text:
            for client_id in _ID.findall(call.text) if '\\"text\\"' in call.text else ():
                sent.setdefault(client_id, 0 if client_id in dirty else written.get(client_id, 0))
    return sent


def traced(live: LiveDesk, program: str | None = None) -> dict[str, int]:
    """Let a bot buy and sell under strace, and return what went before each order."""
    trace = live.folder / "trace"
    more = {} if program is None else {"program": program}
    bot = live.start(*STRACE, str(trace), **more)
    live.until(lambda: live.filled(Side.BUY), seconds=120)
    if program is None:
        live.until(live.stops)
        live.price("94")
        live.until(lambda: live.filled(Side.SELL))
    live.kill(bot)
    return sent_orders(trace)


@pytest.mark.catalogue(83)
def test_an_order_is_on_disk_before_it_is_sent(desk: Callable[..., LiveDesk]) -> None:
    live = desk(DMS_ENABLED="false")
    sent = traced(live)
    taken = {entry.text for entry in live.ledger("order") if entry.source == "api"}
    assert sent.keys() == taken
    assert len(taken) >= 2
    # Its plan and its send are two commits, each of them synced.
    assert all(commits >= 2 for commits in sent.values()), sent


def test_a_bot_that_sends_first_is_caught(desk: Callable[..., LiveDesk]) -> None:
    live = desk(DMS_ENABLED="false", EXITS_EXCHANGE_STOP="false")
    sent = traced(live, PLANTED)
    assert sent
    assert all(commits < 2 for commits in sent.values()), sent
