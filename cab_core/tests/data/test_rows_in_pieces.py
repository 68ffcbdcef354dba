"""Long files are parsed in pieces: that must not show."""

from __future__ import annotations

import numpy as np
import pytest

from cab_core.data import rows

LINES = [f"{1_700_000_000_000 + i},{i}.25,{i}.5,{i},{i}.125,{i * 3}" for i in range(200)]


@pytest.fixture(params=[1, 40, 41, 1000, 1 << 20])
def piece(request, monkeypatch):
    monkeypatch.setattr(rows, "_PIECE", request.param)


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_pieces_are_put_together_without_loss(piece, end):
    table = rows.parse_rows(("\n".join(LINES) + end).encode())
    expected = [[float(cell) for cell in line.split(",")] for line in LINES]
    np.testing.assert_array_equal(table, expected)


@pytest.mark.parametrize("fault", ["", "1,2,3", "1,2,3,4,5,x"])
@pytest.mark.parametrize("at", [0, 1, 57, 198])
def test_a_bad_line_is_refused_in_whichever_piece_it_is(piece, fault, at):
    body = "\n".join([*LINES[:at], fault, *LINES[at:]]).encode()
    assert rows.parse_rows(body) is None
    assert rows.first_bad_line(body)[0] == at


def test_numbers_with_exponents_may_stand_in_one_piece_only(piece):
    table = rows.parse_rows("\n".join([*LINES, "1700000000300,1e2,1E2,99,100,0.5e1"]).encode())
    assert table is not None
    assert table[-1].tolist() == [1_700_000_000_300, 100, 100, 99, 100, 5]
