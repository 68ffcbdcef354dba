"""Runs a rehearsal: the exchange, the relay before it, the bot, the faults and the kills."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import attrs

from cab_core.app.histories import read_histories
from cab_core.app.rehearsal.brief import LEDGER, Brief
from cab_core.app.rehearsal.injector import Injector
from cab_core.app.rehearsal.kills import kills
from cab_core.app.rehearsal.menu import episodes
from cab_core.app.rehearsal.plan import Plan, Progress, Watch
from cab_core.app.rehearsal.plane import Plane
from cab_core.app.rehearsal.processes import Bots, Helper, exchange_command
from cab_core.app.rehearsal.report import Report, Score, judged
from cab_core.app.rehearsal.run import MARGIN_MS, QUIET_MS, Stage
from cab_core.app.rehearsal.setting import KEY, SECRET, check_brief, overrides
from cab_core.atomic import make_folder
from cab_core.domain.timeframes import DAY_MS
from cab_core.errors import UsageError
from cab_core.storage.location import parse
from cab_core.storage.transfer import require_empty

#: Days of made-up candles before the first day, and after the last.
HISTORY_DAYS, SPARE_DAYS = 60, 2

#: A made-up market starts on 2024-01-01, so this is its 61st day.
_OPENS = "2024-03-01"

#: Stands for the symbols of a made-up market while only the settings are looked at.
_USUAL = "BTC/USDT"

#: Real seconds the checks may take.
CHECK_S = 300.0


async def rehearse(plan: Plan, watch: Watch) -> Report:
    """Run a rehearsal to its end and judge it.

    Args:
        plan: what shall be rehearsed.
        watch: told how far it is.

    Raises:
        CabError: it could not be set up, or one of its own processes died.
    """
    began = time.monotonic()
    # What is wrong with files, settings and plugins is told here, before any process is started.
    known = list(read_histories(plan.files).series) if plan.files else list(plan.symbols)
    check_brief(_brief(plan, Path(os.devnull), known or [_USUAL], "http://127.0.0.1:1/api/v4"), os.environ)
    if plan.database:
        await asyncio.to_thread(require_empty, parse(plan.database))
    folder = _folder(plan)
    async with AsyncExitStack() as stack:
        exchange = await Helper.start("exchange", exchange_command(_offer(plan, secret := _token())), folder)
        stack.push_async_callback(exchange.end)
        facts = await exchange.first()
        plane = Plane(facts["control_url"], secret)
        stack.push_async_callback(plane.close)
        pairs = _pairs(plan, facts)
        relay = await _relay(stack, facts["base_url"], folder)
        base_url = f"http://127.0.0.1:{(await relay.first())['port']}/api/v4"
        symbols = [pair.replace("_", "/") for pair in pairs]
        brief = _brief(plan, folder, symbols, base_url)
        check_brief(brief, os.environ)  # with the exchange's own symbols now
        attrs.evolve(brief, control_url=facts["control_url"], token=secret).write()
        zygote = await Helper.start("zygote", ["-m", "cab_core.app.rehearsal.zygote", str(folder)], folder)
        stack.push_async_callback(zygote.end)
        bots = Bots(zygote)
        stack.push_async_callback(bots.close)
        await bots.open()
        stage = _stage(plan, plane, relay, bots, pairs, facts, watch)
        await stage.play()
        faults = await stage.injector.counts()
        ledger = await plane.ask("GET", "/ledger")
        (folder / LEDGER).write_text(json.dumps(ledger), encoding="utf-8")
        stage.say("checking", "")
        await bots.start("check")
        await bots.wait(CHECK_S)
        stage.say("done", "")
    checked, wrong = judged(folder)
    return _report(
        plan, folder, stage, faults, checked, [*stage.violations, *wrong], time.monotonic() - began
    )


def _brief(plan: Plan, folder: Path, symbols: Sequence[str], base_url: str) -> Brief:
    given = overrides(plan, folder=folder, symbols=symbols, base_url=base_url, token=_token())
    return Brief(folder=folder, home=plan.home, overrides=given, control_url="", token="")


def _report(
    plan: Plan,
    folder: Path,
    stage: Stage,
    faults: dict[str, int],
    checked: list[str],
    violations: list[str],
    elapsed_s: float,
) -> Report:
    counts = stage.score.counts
    return Report(
        verdict="violated" if violations else "clean",
        orders=counts["orders"],
        fills=counts["fills"],
        exits_refused=counts["exits_refused"],
        faults=faults,
        restarts=stage.progress.restarts,
        kills=stage.progress.kills,
        invariants_checked=checked,
        violations=violations,
        seed=plan.seed,
        days=plan.days,
        elapsed_s=round(elapsed_s, 1),
        folder=folder,
    )


def _folder(plan: Plan) -> Path:
    if plan.folder is None:
        return Path(tempfile.mkdtemp(prefix="cab-rehearsal-"))
    make_folder(plan.folder)
    if any(plan.folder.iterdir()):
        raise UsageError(f"{plan.folder} is not empty", where="--folder", fix="choose a new folder")
    return plan.folder.resolve()


def _token() -> str:
    return secrets.token_hex(16)


def _offer(plan: Plan, token: str) -> list[str]:
    """Return the options of the exchange."""
    options = ["--key", KEY, "--secret", SECRET, "--control-token", token, "--seed", str(plan.seed)]
    if plan.files:
        options += ["--data", *(str(attrs.evolve(file, path=file.path.resolve())) for file in plan.files)]
    else:
        days = HISTORY_DAYS + plan.days + SPARE_DAYS
        options += ["--symbol", ",".join(plan.symbols or ("BTC/USDT", "ETH/USDT")), "--days", str(days)]
    opens = plan.opens or ("" if plan.files else _OPENS)
    return [*options, "--dates", "recorded", *(["--open", opens] if opens else [])]


def _pairs(plan: Plan, facts: dict[str, Any]) -> list[str]:
    """Return what is traded, and refuse candles that do not last."""
    wanted = [symbol.replace("/", "_") for symbol in plan.symbols]
    if unknown := sorted(set(wanted) - set(facts["pairs"])):
        raise UsageError(f"no candles of {', '.join(unknown)}", where="--symbol", fix="add a --data file")
    room = (facts["end_ms"] - facts["now_ms"] - QUIET_MS) / DAY_MS
    if room < plan.days:
        raise UsageError(
            f"the candles last {room:.1f} days after the start",
            where="--days",
            fix=f"at most --days {max(0, int(room))}, or an earlier --from",
        )
    return wanted or list(facts["pairs"])


async def _relay(stack: AsyncExitStack, base_url: str, folder: Path) -> Helper:
    port = base_url.partition("//")[2].partition("/")[0].rpartition(":")[2]
    relay = await Helper.start("relay", ["-m", "cab_exchange_sim.relay_process", "--to", port], folder)
    stack.push_async_callback(relay.end)
    return relay


def _stage(
    plan: Plan,
    plane: Plane,
    relay: Helper,
    bots: Bots,
    pairs: list[str],
    facts: dict[str, Any],
    watch: Watch,
) -> Stage:
    start_ms = facts["now_ms"]
    end_ms = start_ms + plan.days * DAY_MS
    first_ms, last_ms = start_ms + MARGIN_MS, end_ms - MARGIN_MS
    progress = Progress(now_ms=start_ms, start_ms=start_ms, end_ms=end_ms + QUIET_MS)

    def tell(event: str) -> None:
        progress.event = event
        watch(progress)

    planned = episodes(plan.faults, plan.seed, first_ms, last_ms, pairs)
    injector = Injector(plane, relay, planned, pairs, plan.seed, tell)
    return Stage(
        plane=plane,
        bots=bots,
        injector=injector,
        kills=kills(plan.kills, plan.seed, first_ms, last_ms),
        end_ms=end_ms,
        progress=progress,
        watch=watch,
        score=Score(),
    )
