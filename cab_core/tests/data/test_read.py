from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.data.checks import Hole
from cab_core.data.files import read_candles, read_market
from cab_core.data.rows import HEADER, parse_rows
from cab_core.data.symbols import guessed
from cab_core.domain.timeframes import TIMEFRAMES
from cab_core.errors import DataError, ExitCode, NotFoundError

T0 = 1_704_067_200_000
STEP = 900_000


def line(k: int, rest: str = "10.5,11,10.25,10.75,3.5") -> str:
    return f"{T0 + k * STEP},{rest}"


def write(folder: Path, *lines: str, header: str = HEADER, name: str = "btc.csv") -> Path:
    path = folder / name
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


def refusal(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read_candles(path)
    assert caught.value.fix
    return caught.value


def test_every_value_of_a_recorded_year_is_exact(recorded: Path) -> None:
    path = recorded / "binance_BTC-USDT_15m_2023.csv.gz"
    file = read_candles(path)
    content = gzip.decompress(path.read_bytes())
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert (file.symbol, file.timeframe, len(file.bars)) == ("BTC/USDT", "15m", 34994)
    assert file.holes == (Hole(1_679_661_000_000, 5),)
    rows = [text.split(",") for text in content.decode().splitlines()[1:]]
    assert file.bars.ts_ms.tolist() == [int(row[0]) for row in rows]
    for column, name in enumerate(("open", "high", "low", "close", "volume"), start=1):
        assert getattr(file.bars, name).tolist() == [float(row[column]) for row in rows]


def test_all_recorded_files_are_legal(recorded: Path) -> None:
    paths = sorted(recorded.glob("**/*.csv.gz"))
    assert len(paths) > 10
    for path in paths:
        file = read_candles(path)
        assert f"_{file.timeframe}_" in path.name
        assert file.symbol
        assert file.symbol.replace("/", "-") in path.name


numbers = st.one_of(
    st.floats(0, 1e12).map(repr),
    st.decimals(0, 10**9, places=8).map(lambda value: f"{value:f}"),
    st.integers(0, 10**30).map(str),
    st.sampled_from(["0", "007", ".5", "5.", "1e3", "2.5E-7", "+4", "-0.0", "0.1" + "0" * 30, "9" * 17]),
)


@given(st.lists(st.tuples(*[numbers] * 6), min_size=1, max_size=20))
def test_numbers_are_read_as_float_reads_them(rows: list[tuple[str, ...]]) -> None:
    table = parse_rows("\n".join(map(",".join, rows)).encode())
    assert table is not None
    assert table.tolist() == [[float(cell) for cell in row] for row in rows]


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n"])
def test_line_ends_do_not_matter(tmp_path: Path, end: str) -> None:
    path = tmp_path / "a.csv"
    sep = "\r\n" if end == "\r\n" else "\n"
    path.write_bytes((sep.join((HEADER, line(0), line(1))) + end).encode())
    bars = read_candles(path).bars
    assert bars.close.tolist() == [10.75, 10.75]
    assert bars.ts_ms.tolist() == [T0, T0 + STEP]


BAD_ROWS = {
    "10.5,11,10.25,10.75": "5 columns instead of 6",
    "10.5,11,10.25,10.75,3.5,9": "7 columns instead of 6",
    "": "columns instead of 6",
    "10.5,11,,10.75,3.5": "low is not a number: ''",
    "abc,11,10.25,10.75,3.5": "open is not a number: 'abc'",
    "10.5,11,10.25,1.2.3,3.5": "close is not a number: '1.2.3'",
    "10.5,11,10.25,.,3.5": "close is not a number: '.'",
    "10.5,nan,10.25,10.75,3.5": "high is not a number: 'nan'",
    "10.5,11,10.25,10.75,inf": "volume is not a number: 'inf'",
    "10.5,11,10.25,10.75,1_000": "volume is not a number: '1_000'",
    "10.5,11,10.25,10.75,1e999": "not finite: inf",
    "10.5,11,0,10.75,3.5": "a price is not above 0: 0.0",
    "10.5,11,-1,10.75,3.5": "a price is not above 0: -1.0",
    "10.5,11,10.25,10.75,-3.5": "volume is below 0: -3.5",
    "10.5,10.6,10.25,10.75,3.5": "high 10.6 lies below open 10.5 or close 10.75",
    "10.5,11,10.6,10.75,3.5": "low 10.6 lies above open 10.5 or close 10.75",
}


@pytest.mark.parametrize(("rest", "what"), BAD_ROWS.items())
def test_a_bad_row_is_named_with_its_value(tmp_path: Path, rest: str, what: str) -> None:
    error = refusal(write(tmp_path, line(0), line(1), line(2, rest).removesuffix(","), line(3)))
    assert what in error.what
    assert error.where == f"{tmp_path / 'btc.csv'}:4"


@pytest.mark.parametrize(
    ("stamps", "row", "what"),
    [
        ([0, STEP, STEP], 4, f"ts_ms {T0 + STEP} appears twice"),
        ([0, 2 * STEP, STEP], 4, f"ts_ms {T0 + STEP} lies before {T0 + 2 * STEP}"),
        ([0, STEP, 2 * STEP + 1, 3 * STEP], 4, "off the 15m grid"),
        ([7, STEP + 7, 2 * STEP + 7], 2, "off the 15m grid"),
        ([0, STEP, 2 * STEP, 2 * STEP + 300_000, 3 * STEP], 5, "is 5m among 15m candles"),
        ([k * STEP for k in (0, 1, 2, 3, 4, 8, 12, 16)], 7, "is 1h among 15m candles"),
        ([0, 420_000, 840_000], 3, "of no known timeframe"),
        ([0], 2, "one candle does not tell its timeframe"),
    ],
)
def test_times_out_of_order_or_off_the_grid_are_named(
    tmp_path: Path, stamps: list[int], row: int, what: str
) -> None:
    error = refusal(write(tmp_path, *(f"{T0 + t},10.5,11,10.25,10.75,3.5" for t in stamps)))
    assert what in error.what
    assert error.where.endswith(f":{row}")


@pytest.mark.parametrize("stamp", ["-900000", "1704067200000.5", "1704067200000000"])
def test_a_stamp_must_be_a_time_in_milliseconds(tmp_path: Path, stamp: str) -> None:
    error = refusal(write(tmp_path, f"{stamp},10.5,11,10.25,10.75,3.5", line(1)))
    assert stamp in error.what


@pytest.mark.parametrize("traded", [0.05, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("tf", ["1m", "15m", "1h"])
def test_a_thin_market_keeps_its_timeframe(tmp_path: Path, traded: float, tf: str) -> None:
    rows = np.flatnonzero(np.random.default_rng(11).random(6_000) < traded)
    lines = [f"{T0 + int(k) * TIMEFRAMES[tf]},10.5,11,10.25,10.75,3.5" for k in rows]
    file = read_candles(write(tmp_path, *lines))
    assert (file.timeframe, len(file.bars)) == (tf, len(rows))
    assert sum(hole.missing for hole in file.holes) == int(rows[-1] - rows[0]) + 1 - len(rows)


def test_a_market_that_is_thin_at_night_keeps_its_timeframe(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    chance = np.where(np.arange(30_000) % 96 < 40, 0.2, 0.97)
    rows = np.flatnonzero(rng.random(30_000) < chance)
    file = read_candles(write(tmp_path, *(f"{T0 + int(k) * STEP},1,1,1,1,1" for k in rows)))
    assert file.timeframe == "15m"


def test_hours_after_quarters_are_another_timeframe_however_thin(tmp_path: Path) -> None:
    thin = np.flatnonzero(np.random.default_rng(3).random(4_000) < 0.5)
    hours = 4_004 + 4 * np.arange(200)
    stamps = np.concatenate((thin, hours)) * STEP + T0
    error = refusal(write(tmp_path, *(f"{int(t)},1,1,1,1,1" for t in stamps)))
    assert "is 1h among 15m candles" in error.what


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, encoding: str) -> None:
    plain = write(tmp_path, line(0), line(1))
    marked = tmp_path / "marked.csv"
    marked.write_bytes(plain.read_text().encode(encoding))
    assert np.array_equal(read_candles(marked).bars.close, read_candles(plain).bars.close)


def test_a_mark_that_lies_is_named(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(b"\xff\xfe" + b"odd")
    assert "byte-order mark" in refusal(path).what


def test_holes_are_legal_and_reported(tmp_path: Path) -> None:
    file = read_candles(write(tmp_path, *(line(k) for k in (0, 1, 2, 5, 6, 20, 21))))
    assert file.holes == (Hole(T0 + 2 * STEP, 2), Hole(T0 + 6 * STEP, 13))


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("ts,open,high,low,close,volume", "wrong header 'ts,open,high,low,close,volume'"),
        ("ts_ms;open;high;low;close;volume", "wrong header"),
        (line(0), "wrong header"),
    ],
)
def test_another_header_is_refused(tmp_path: Path, header: str, what: str) -> None:
    error = refusal(write(tmp_path, line(1), header=header))
    assert what in error.what
    assert HEADER in error.fix


def test_whole_files_that_are_no_candles_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"\n")
    assert refusal(empty).what == "the file is empty"
    assert "no candle" in refusal(write(tmp_path)).what
    latin = tmp_path / "latin.csv"
    latin.write_bytes(HEADER.encode() + b"\n" + line(0).encode() + b"\n\xe4,1,1,1,1,1\n")
    assert refusal(latin).where.endswith(":3")
    assert "UTF-8" in refusal(latin).what
    picture = tmp_path / "picture.csv"
    picture.write_bytes(bytes(range(128, 256)))
    assert "UTF-8" in refusal(picture).what
    assert "folder" in refusal(tmp_path).what
    parquet = tmp_path / "a.parquet"
    parquet.write_bytes(b"PAR1")
    assert ".csv.gz" in refusal(parquet).fix


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        read_candles(tmp_path / "nope.csv")
    assert caught.value.exit_code == ExitCode.NOT_FOUND


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b[:-4], lambda b: b"no gzip at all"]
)
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def] # lambda
    plain = write(tmp_path, *(line(k) for k in range(500))).read_bytes()
    path = tmp_path / "a.csv.gz"
    path.write_bytes(damage(gzip.compress(plain)))
    assert "damaged or cut short" in refusal(path).what


def test_a_small_file_that_unfolds_to_more_than_the_memory_is_refused_early(tmp_path: Path) -> None:
    row = (line(0) + "\n").encode()
    member = gzip.compress(row * (16 * 1024 * 1024 // len(row)))
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(f"{HEADER}\n".encode()) + member * 100)
    assert path.stat().st_size < 5_000_000
    reading = f"""
import resource
from cab_core.data.files import read_candles
from cab_core.errors import DataError
resource.setrlimit(resource.RLIMIT_AS, (1_000_000_000, 1_000_000_000))
try:
    read_candles({str(path)!r})
except DataError as error:
    print(error.what, "/", error.fix)
"""
    done = subprocess.run([sys.executable, "-c", reading], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("the file holds more than 8,000,000 candles or 400 MiB of text / split it")


def test_trading_takes_15m_only_and_names_the_import(tmp_path: Path) -> None:
    fast = write(tmp_path, *(f"{T0 + k * 300_000},1,1,1,1,1" for k in range(9)), name="five.csv")
    assert read_candles(fast).timeframe == "5m"
    with pytest.raises(DataError) as caught:
        read_market(fast)
    assert caught.value.fix == f"run: cab data import {fast} --to 15m"
    slow = write(tmp_path, *(f"{T0 + k * 3_600_000},1,1,1,1,1" for k in range(9)), name="hour.csv")
    with pytest.raises(DataError, match="these are 1h"):
        read_market(slow)
    assert read_market(write(tmp_path, line(0), line(1))).timeframe == "15m"


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("binance_BTC-USDT_15m_2023.csv.gz", "BTC/USDT"),
        ("ETH_USDT-15m.csv", "ETH/USDT"),
        ("1INCH-USDT_15m.csv", "1INCH/USDT"),
        ("btc-usdt_15m.csv", "BTC/USDT"),
        ("BINANCE_BTC-USDT_15m.csv", "BTC/USDT"),
        ("2025_BTC-USDT.csv", "BTC/USDT"),
        ("BINANCE_ETH-BTC_15m.csv", "ETH/BTC"),
        ("KRAKEN_BTC_EUR_15m.csv", "BTC/EUR"),
        ("BTCUSDT-15m-2024-01.csv", "BTC/USDT"),
        ("ETHBTC-15m.csv", "ETH/BTC"),
        ("btc.csv", None),
        ("candles_2024-01.csv", None),
        ("BTC-USDT_and_ETH-USDT.csv", None),
        ("MY-IDEA_v2.csv", None),
        ("BINANCE_USDT.csv", None),
    ],
)
def test_the_file_name_suggests_the_symbol(name: str, symbol: str | None) -> None:
    assert guessed(Path(name)) == symbol


def test_reading_imports_no_data_frame_library(tmp_path: Path) -> None:
    path = write(tmp_path, line(0), line(1))
    code = (
        "import sys; from cab_core.data.files import read_candles; "
        "read_candles(sys.argv[1]); print(*sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert not {"pandas", "polars", "pyarrow", "talib"} & set(found.stdout.split())


def test_columns_are_read_only(tmp_path: Path) -> None:
    bars = read_candles(write(tmp_path, line(0), line(1))).bars
    with pytest.raises(ValueError, match="read-only"):
        bars.close[0] = np.float64(1)
