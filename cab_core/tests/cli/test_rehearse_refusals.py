"""What of a rehearsal can be known is refused before any of its processes is started."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cab_core.app.rehearsal import processes

REFUSED = {
    "what is its own": (["--set", "MODE=paper"], 2, "a rehearsal sets MODE itself"),
    "a setting that there is not": (["--set", "STOPLOSS=5"], 78, "did you mean STOP_LOSS_PCT?"),
    "a strategy that is not installed": (["--strategies", "nope"], 78, "'nope' is not installed"),
    "a strategy of one file": (["--strategies", "mine.py"], 78, "live trading takes installed packages only"),
    "a wrong value": (["--strategies", "ema_atr", "--set", "STOP_LOSS_PCT=-1"], 78, "STOP_LOSS_PCT"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_before_anything_starts(
    what: str, refused: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def started(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(processes.Helper, "start", started)
    options, code, said = REFUSED[what]
    found, text = refused("rehearse", "--headless", *options)
    assert found == code
    assert said in text
