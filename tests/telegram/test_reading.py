"""Every reading command answers, and what it says fits a phone."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from people import ADMIN, READER, buttons

from cab_core.errors import NotFoundError

SAYS = {
    "/start": ["/status", "/why", "/mute"],
    "/help": ["/chart", "/trace"],
    "/status": ["PAPER", "BTC/USDT", "60,480.10", "Equity 10,000.30 USDT", "risk_on"],
    "/status btc": ["BTC/USDT"],
    "/pnl": ["today", "realized", "+1.20", "take_profit_1"],
    "/pnl week": ["Profit and loss"],
    "/today": ["+1.20 realized", "wide_spread ×2"],
    "/balance": ["equity", "9,950.10"],
    "/position": ["0.00083 @ 60,120.48", "stop_loss 57,114.46", "TP1 61,322.89"],
    "/limits": ["daily_loss", "12.5 %", "entries open"],
    "/health": ["healthy", "up 1 h 2 min", "db"],
    "/why": ["buy", "vote 5/9", "ema_cross", "every rule allows it", "0123456789abcdef"],
    "/why BTCUSDT": ["vote 5/9"],
    "/why 0123456789abcdef": ["vote 5/9"],
    "/trace 0123456789ABCDEF": ["trend up"],
    "/regime": ["risk_on", "dxy"],
    "/signals": ["ema_cross", "buy", "0.62"],
    "/status@cab_test_bot": ["PAPER"],
    "/chart": ["BTC/USDT"],
    "/mute": ["Mute is off"],
    "/pnl decade": ["Periods are today"],
    "/why doge": ["doge is not traded here"],
    "/trace xyz": ["16 characters"],
    "/dance": ["I do not know /dance"],
}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        assert tag in ("b", "code")
        assert not attrs
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def assert_fits_a_phone(call):
    text = call.get("text", call.get("caption"))
    tags = Tags()
    tags.feed(text)
    tags.close()
    assert tags.open == []
    assert call["parse_mode"] == "HTML"
    for line in re.findall(r"<code>(.*?)</code>", text):
        assert len(line) <= 40


async def test_each_command_says_what_it_should(people, bot, desk):
    await bot()
    for number, written in enumerate(SAYS):
        people.write(written, user=100 + number // 5)  # each may ask five times in ten seconds
    calls = await people.answers(len(SAYS))
    for call, (written, expected) in zip(calls, SAYS.items(), strict=True):
        text = call.get("text", call.get("caption"))
        assert [part for part in expected if part not in text] == [], f"{written}: {text}"
        assert_fits_a_phone(call)


@pytest.fixture
def bot(bot):
    async def many(**options):
        users = (ADMIN, READER, *range(100, 130))
        return await bot(**{"allowed_users": users, **options})

    return many


async def test_a_chart_is_a_small_picture_with_buttons(people, bot, desk):
    await bot()
    people.write("/chart btc")
    (call,) = await people.answers(1)
    assert call["method"] == "sendPhoto"
    assert call["photo"]["head"] == b"\x89PNG\r\n\x1a\n".hex()
    assert call["photo"]["size"] < 300_000
    assert buttons(call) == {"Again": "v:chart:BTC/USDT", "Why": "v:why:BTC/USDT"}
    assert ("candles", {"symbol": "BTC/USDT", "limit": 192}) in desk.asked


async def test_refresh_changes_the_message_and_other_buttons_answer_below(people, bot, desk):
    await bot()
    people.write("/status")
    (status,) = await people.answers(1)
    offered = buttons(status)
    assert set(offered) == {"Refresh", "Chart", "Why", "Pause"}
    desk.answers["status"]["account"]["equity"] = "12345.60"
    people.press(offered["Refresh"], number=1000)
    calls = await people.until(lambda calls: any(c["method"] == "editMessageText" for c in calls))
    assert "12,345.60" in calls[-1]["text"]
    assert calls[-1]["message_id"] == "1000"
    people.press(offered["Why"])
    calls = await people.until(lambda calls: "vote 5/9" in calls[-1].get("text", ""))
    assert calls[-1]["method"] == "sendMessage"


async def test_errors_are_told_with_their_fix_and_harmless_markup(people, bot, desk):
    desk.answers["latest_trace"] = NotFoundError(
        "no cycle <b>yet</b> & more", where="why", fix="wait a candle"
    )
    await bot()
    people.write("/why")
    (call,) = await people.answers(1)
    assert call["text"] == "❌ why: no cycle &lt;b&gt;yet&lt;/b&gt; &amp; more\nwait a candle"
    assert_fits_a_phone(call)


async def test_several_symbols_are_offered(people, bot, desk):
    first = desk.answers["status"]["symbols"][0]
    desk.answers["status"]["symbols"].append({**first, "symbol": "ETH/USDT", "position": None})
    await bot()
    people.write("/chart")
    (call,) = await people.answers(1)
    assert call["text"] == "Which symbol?"
    assert buttons(call) == {"BTC/USDT": "v:chart:BTC/USDT", "ETH/USDT": "v:chart:ETH/USDT"}


async def test_each_user_sees_the_commands_they_may_use(people, bot):
    await bot(allowed_users=(ADMIN, READER))
    people.write("/mute")
    await people.answers(1)
    menus = people.calls("setMyCommands")
    named = {menu["scope"]: set(re.findall(r'"command": ?"(\w+)"', menu["commands"])) for menu in menus}
    assert len(named) == 4
    for scope, commands in named.items():
        assert ("pause" in commands) == (re.search(r'"(chat|user)_id": ?11\b', scope) is not None), scope
        assert {"status", "why", "chart", "mute"} <= commands
