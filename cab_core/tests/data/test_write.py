from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.data.files import read_candles, write_candles
from cab_core.data.rows import format_rows, parse_rows
from cab_core.domain.bars import Bars
from cab_core.domain.candles import prepare
from cab_core.errors import DataError


def candles(prices: list[float]) -> Bars:
    n = len(prices)
    return Bars.of(np.arange(n) * 900_000, prices, prices, prices, prices, prices)


def test_writing_what_was_read_gives_the_same_content(recorded: Path, tmp_path: Path) -> None:
    for name in (
        "binance_ETH-USDT_15m_2023.csv.gz",
        "fleet_2024/binance_DOGE-USDT_15m_2024-01_2024-09.csv.gz",
    ):
        file = read_candles(recorded / name)
        write_candles(tmp_path / "deep" / "copy.csv.gz", file.bars)
        assert read_candles(tmp_path / "deep" / "copy.csv.gz").sha256 == file.sha256


@given(st.lists(st.floats(1e-12, 1e20), min_size=2, max_size=20))
def test_every_price_survives_as_a_plain_decimal(prices: list[float]) -> None:
    content = format_rows(candles(prices))
    body = content.partition(b"\n")[2]
    assert not body.translate(None, b"0123456789.,\n")
    table = parse_rows(body)
    assert table is not None
    assert table[:, 4].tolist() == prices


def test_prices_have_their_shortest_form() -> None:
    content = format_rows(candles([16520.0, 0.1, 1.5e-07, 1e22]))
    assert [row.split(",")[1] for row in content.decode().splitlines()[1:]] == [
        "16520",
        "0.1",
        "0.00000015",
        "10000000000000000000000",
    ]


def test_equal_candles_give_equal_bytes_under_any_name(tmp_path: Path) -> None:
    bars = candles([1.0, 2.0, 3.0])
    write_candles(tmp_path / "a.csv.gz", bars)
    write_candles(tmp_path / "b.csv.gz", bars)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    write_candles(tmp_path / "a.csv", bars)
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()) == (tmp_path / "a.csv").read_bytes()


def test_filled_candles_are_not_written(tmp_path: Path) -> None:
    bars = candles([1.0, 2.0, 3.0, 4.0, 5.0]).take(np.array([0, 1, 4]))
    series = prepare(bars)
    assert len(series) == 5
    write_candles(tmp_path / "a.csv", series.bars)
    assert read_candles(tmp_path / "a.csv").bars.ts_ms.tolist() == bars.ts_ms.tolist()


def test_a_place_that_cannot_hold_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as caught:
        write_candles(tmp_path / "file" / "a.csv", candles([1.0]))
    assert caught.value.where == str(tmp_path / "file" / "a.csv")
    assert "permissions" in caught.value.fix
    with pytest.raises(DataError, match="unknown kind"):
        write_candles(tmp_path / "a.txt", candles([1.0]))


_FULL_DISK = """
import resource, signal, sys
from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.errors import DataError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_candles(sys.argv[1], generate("BTC/USDT", 30, 1))
except DataError as error:
    print(error.what)
"""


def test_a_disk_that_fills_up_keeps_the_old_file_and_nothing_half_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    write_candles(path, candles([1.0, 2.0]))
    before = path.read_bytes()
    found = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(path)], capture_output=True, text=True, check=True
    )
    assert "cannot write the file" in found.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv.gz"]
    assert path.read_bytes() == before
