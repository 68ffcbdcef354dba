"""The log file: private, masked, put aside when full, read from its end while it grows."""

from __future__ import annotations

import logging
import os
import stat
import time
from pathlib import Path

from cab_core.observability.logfile import LogFile, logged_to
from cab_core.observability.logread import Sought, read_back

log = logging.getLogger("cab.test")


def lines(folder: Path, **sought: object) -> list[str]:
    """Turn all pages and return the messages, newest first."""
    before, found = None, []
    while True:
        page, before = read_back(folder, Sought(**{"limit": 7, "before": before, **sought}))  # type: ignore[arg-type]  # the test names them
        found += [str(line["message"]) for line in page]
        if before is None:
            return found


def test_lines_are_private_masked_and_come_back_newest_first(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    with logged_to(folder, "INFO", ["a-secret-word"]):
        for number in range(20):
            log.info(
                "line %d of a-secret-word", number, extra={"symbol": "BTC/USDT", "trace_id": f"t{number % 3}"}
            )
        log.debug("too quiet")
        log.error("broken")
    file = folder / "cab.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"a-secret-word" not in file.read_bytes()
    assert lines(folder) == ["broken", *(f"line {n} of ***" for n in reversed(range(20)))]
    assert lines(folder, level="warning") == ["broken"]
    assert len(lines(folder, trace_id="t0")) == 7
    assert lines(folder, text="LINE 7 ", symbol="BTC/USDT") == ["line 7 of ***"]
    assert lines(folder, since="2999") == lines(folder, until="1999") == []


def test_pages_are_not_disturbed_by_new_lines_nor_by_a_file_put_aside(tmp_path: Path) -> None:
    handler = LogFile(tmp_path, max_bytes=4000)
    try:
        write(handler, range(60))
        seen, before = read_back(tmp_path, Sought(limit=25))
        assert len(list(tmp_path.glob("cab-*.jsonl"))) >= 2
        write(handler, range(60, 100))
        while before is not None:
            page, before = read_back(tmp_path, Sought(limit=25, before=before))
            seen += page
    finally:
        handler.close()
    assert [line["message"] for line in seen] == [f"line {n}" for n in reversed(range(60))]
    assert handler.dropped == 0


def write(handler: LogFile, numbers: range) -> None:
    """Write lines, and wait until they are on disk."""
    for number in numbers:
        handler.emit(logging.LogRecord("cab", logging.INFO, __file__, 1, f"line {number}", None, None))
    last = f"line {numbers[-1]}"
    while not any(line["message"] == last for line in read_back(handler._folder, Sought(limit=1))[0]):
        time.sleep(0.005)


def test_half_a_line_and_junk_are_left_out_and_a_search_has_its_bound(tmp_path: Path) -> None:
    good = [b'{"message": "%d", "timestamp": "2024"}\n' % n for n in range(300)]
    (tmp_path / "cab.jsonl").write_bytes(b"junk\n" + b"".join(good) + b'{"message": "half')
    assert lines(tmp_path) == [str(n) for n in reversed(range(300))]
    page, before = read_back(tmp_path, Sought(limit=5, text="no such"), budget=1000)
    assert (page, before is None) == ([], False)
    assert lines(tmp_path, text='"17"') == ["17"]


def test_what_is_old_is_deleted(tmp_path: Path) -> None:
    old, young = tmp_path / "cab-20200101T000000000000.jsonl", tmp_path / "cab-20990101T000000000000.jsonl"
    old.write_text("")
    young.write_text("")
    os.utime(old, (1, 1))
    with logged_to(tmp_path, "INFO"):
        log.info("begin")
    assert not old.exists()
    assert young.exists()


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file in the way")
    with logged_to(tmp_path / "logs", "INFO") as handler:
        log.info("lost")
    assert handler.dropped == 1
