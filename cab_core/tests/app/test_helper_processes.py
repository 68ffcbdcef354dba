"""A helper process of a rehearsal that ends hands on its own error."""

from __future__ import annotations

from pathlib import Path

import pytest

from cab_core.app.rehearsal.processes import Helper, exchange_command, own_error
from cab_core.errors import CabError


@pytest.mark.parametrize(
    ("options", "what", "where", "fix"),
    [
        (["--data", "nowhere/BTC-USDT_15m.csv"], "there is no such file", "nowhere", "check the path"),
        (["--nonsense"], "no such option '--nonsense'", "cab exchange serve", "did you mean"),
    ],
)
async def test_the_error_of_a_helper_is_told_with_its_place_and_fix(
    tmp_path: Path, options: list[str], what: str, where: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    helper = await Helper.start("exchange", exchange_command(options), tmp_path)
    with pytest.raises(CabError) as caught:
        await helper.first()
    await helper.end()
    assert f"the process of the exchange has ended: {what}" in caught.value.what
    assert where in caught.value.where
    assert fix in caught.value.fix


def test_an_end_without_an_error_of_ours_is_told_by_its_last_line(tmp_path: Path) -> None:
    log = tmp_path / "zygote.log"
    log.write_text("Traceback (most recent call last):\nKeyError: 'x'\n")
    told = own_error("zygote", log)
    assert (told.what, told.where) == ("the process of the zygote has ended: KeyError: 'x'", str(log))
