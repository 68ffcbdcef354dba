from __future__ import annotations

import html
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cab_notifier_telegram.html import WIDTH, code, escape, split, table, units
from cab_notifier_telegram.mute import seconds_of
from cab_notifier_telegram.replies import MAX_DATA, parse, row, view
from cab_notifier_telegram.words import clock, span

LETTERS = st.characters(exclude_characters="\n\r", exclude_categories=["Cs"])
TAG = re.compile(r"</?(b|code)>")


def shown(text: str) -> str:
    """Return what a reader sees of a message."""
    return html.unescape(TAG.sub("", text))


@given(st.text())
@example("<b>&lt;</b> & <code>")
def test_any_text_is_shown_as_it_is_and_opens_no_tag(text):
    assert html.unescape(escape(text)) == text
    assert "<" not in escape(text)
    assert shown(code(text)) == TAG.sub("", html.unescape(f"<code>{escape(text)}</code>")) or "<" in text


@settings(max_examples=60)
@given(
    st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"])), max_size=30),
    st.data(),
)
def test_a_message_in_parts_keeps_its_lines_and_the_limit(lines, data):
    limit = data.draw(st.integers(30, 200))
    text = "\n".join(code(line) if k % 3 else escape(line) for k, line in enumerate(lines))
    parts = split(text, limit)
    assert all(units(part) <= limit for part in parts)
    for part in parts:
        assert part.count("<code>") == part.count("</code>")
    without_breaks = "".join(html.unescape(re.sub("</?code>", "", part)) for part in parts).replace("\n", "")
    assert without_breaks == "".join(html.unescape(escape(line)) for line in lines)


@given(st.lists(st.lists(st.text(max_size=60), min_size=1, max_size=4), max_size=6))
def test_a_table_fits_a_phone(rows):
    texts = [[cell.replace("\n", " ") for cell in each] for each in rows]
    for line in table(texts).split("\n") if rows else []:
        assert len(html.unescape(line.removeprefix("<code>").removesuffix("</code>"))) <= WIDTH


def test_a_table_aligns_its_columns():
    assert table([("equity", "1,000.00"), ("free", "9.50")]) == (
        "<code>equity 1,000.00</code>\n<code>free       9.50</code>"
    )


def test_times_are_those_people_read():
    assert [span(x) for x in (0, 59.9, 3725, 90_061)] == ["0 s", "59 s", "1 h 2 min", "1 d 1 h"]
    assert clock(0, 1000) == "00:00"
    assert clock(0, 86_400_000) == "1970-01-01 00:00"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("30m", 1800), ("1d", 86_400), ("9d", 86_400), ("2", 7200), ("off", 0), ("soon", None)],
)
def test_how_long_a_silence_is(text, seconds):
    assert seconds_of(text) == seconds


@given(st.text(max_size=80))
def test_a_button_carries_what_telegram_takes_and_comes_back_whole(argument):
    for button in row(view("x", "chart", argument)):
        assert len(button.data.encode()) <= MAX_DATA
        assert parse(button.data) == ("v", "chart", argument)
