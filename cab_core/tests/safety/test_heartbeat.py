from __future__ import annotations

import os
from collections.abc import Iterator

import attrs
import pytest

from cab_core.safety.heartbeat import LEAST_GAP_S, Beat, Goodbye, Heartbeat, Listener, make_pipe


@attrs.define
class Line:
    """Both ends of a pipe, and the clock of the writer."""

    heartbeat: Heartbeat
    listener: Listener
    now: float = 100.0


@pytest.fixture
def line() -> Iterator[Line]:
    reader, writer = make_pipe()
    made = Line(Heartbeat(writer, lambda: made.now), Listener(reader))
    yield made
    made.heartbeat.close()
    if made.listener.fd >= 0:
        os.close(made.listener.fd)


def test_a_beat_arrives_as_it_was_said(line: Line) -> None:
    line.heartbeat.beat(7, 2, 3)
    assert line.listener.read() == [Beat(100.0, 7, 2, 3)]
    assert line.listener.read() == []
    assert not line.listener.ended


def test_beats_that_say_nothing_new_keep_their_distance(line: Line) -> None:
    for _ in range(1000):
        line.heartbeat.beat(1, 0, 1)
        line.now += LEAST_GAP_S / 100
    assert len(line.listener.read()) == 10
    line.heartbeat.beat(1, 0, 2)
    line.heartbeat.beat(1, 1, 2)
    assert [beat.positions for beat in line.listener.read() if isinstance(beat, Beat)] == [2, 2]


def test_a_reader_that_does_not_read_holds_nobody_up_and_is_noticed(line: Line) -> None:
    for _ in range(1000):
        line.heartbeat.beat(1, 0, 1)
        line.now += 3
    assert line.heartbeat.broken
    beats = line.listener.read()
    assert 50 < len(beats) < 200
    assert beats[0] == Beat(100.0, 1, 0, 1)


def test_a_reader_that_is_gone_is_noticed(line: Line) -> None:
    os.close(line.listener.fd)
    line.listener.fd = -1
    line.heartbeat.beat(1, 0, 1)
    assert line.heartbeat.broken
    line.heartbeat.goodbye()


def test_a_goodbye_comes_before_the_end(line: Line) -> None:
    line.heartbeat.beat(1, 0, 1)
    line.heartbeat.goodbye()
    line.heartbeat.close()
    line.heartbeat.close()
    line.heartbeat.goodbye()
    line.heartbeat.beat(1, 0, 1)
    said = line.listener.read()
    assert isinstance(said[-1], Goodbye)
    assert len(said) == 2
    assert line.listener.ended


@pytest.mark.parametrize("junk", [b"", b"beat", b"beat x 1 1 1", b"beat 1 1 1", b"sell 1 1 1 1", b"\xff\xfe"])
def test_what_makes_no_sense_is_no_beat(junk: bytes) -> None:
    reader, writer = make_pipe()
    listener = Listener(reader)
    os.write(writer, junk + b"\nbeat 1 2 3 4\nbeat 5 6")
    assert listener.read() == [Beat(1.0, 2, 3, 4)]
    os.write(writer, b" 7 8\n")
    os.close(writer)
    assert listener.read() == [Beat(5.0, 6, 7, 8)]
    assert listener.ended
    os.close(reader)


@pytest.mark.parametrize(("intents", "positions", "exposed"), [(0, 0, False), (1, 0, True), (0, 1, True)])
def test_what_may_have_to_be_sold(intents: int, positions: int, exposed: bool) -> None:
    assert Beat(0, 1, intents, positions).exposed is exposed
