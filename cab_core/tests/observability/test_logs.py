import asyncio
import io
import json
import logging
import re
import subprocess
import sys

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from cab_core.observability.context import log_scope
from cab_core.observability.logs import MAX_LINE, configure_logging
from cab_core.observability.masking import masker

KEYS = ["timestamp", "level", "trace_id", "module", "symbol", "message", "context"]
log = logging.getLogger("cab_core.sample")


@pytest.fixture
def configure():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def make(level="INFO", fmt="json", secrets=(), stream=None):
        stream = stream or io.StringIO()
        configure_logging(level, fmt, stream, secrets)
        return stream

    yield make
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_exactly_seven_keys(configure):
    stream = configure()
    log.info("hello %s", "world", extra={"context": {"bars": 3}})
    (line,) = lines(stream)
    assert list(line) == KEYS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("timestamp"))
    assert line == {
        "level": "info",
        "trace_id": "-",
        "module": "cab_core.sample",
        "symbol": "",
        "message": "hello world",
        "context": {"bars": 3},
    }


def test_structlog_and_logging_come_out_the_same(configure):
    stream = configure()
    log.warning("same", extra={"a": 1})
    structlog.get_logger("cab_core.sample").warning("same", a=1)
    first, second = lines(stream)
    assert {**first, "timestamp": 0} == {**second, "timestamp": 0}


def test_the_trace_id_follows_the_tasks_of_a_cycle(configure):
    stream = configure()

    async def cycle(symbol, trace_id):
        with log_scope(trace_id=trace_id, symbol=symbol):
            await asyncio.sleep(0)
            await asyncio.create_task(step())

    async def step():
        log.info("step")

    async def both():
        await asyncio.gather(cycle("BTC/USDT", "a1"), cycle("ETH/USDT", "b2"))

    asyncio.run(both())
    log.info("after")
    assert [(line["symbol"], line["trace_id"]) for line in lines(stream)] == [
        ("BTC/USDT", "a1"),
        ("ETH/USDT", "b2"),
        ("", "-"),
    ]


def test_inner_scopes_keep_what_they_do_not_name(configure):
    stream = configure()
    with log_scope(trace_id="a1", symbol="BTC/USDT"), log_scope(symbol="ETH/USDT"):
        log.info("x")
    (line,) = lines(stream)
    assert (line["trace_id"], line["symbol"]) == ("a1", "ETH/USDT")


SECRETS = ('pa55"word\\with\nall', "пароль-дня", "plain-secret-text")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("fmt", ["json", "console"])
def test_secrets_are_masked_wherever_they_turn_up(secret, fmt, configure):
    stream = configure(secrets=SECRETS, fmt=fmt)
    logger = structlog.get_logger("x")
    log.info("in the message %s", secret)
    log.info("as an object %s", [secret])
    logger.info("as a value", value=secret, nested={"list": [secret]}, key={secret: 1})
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("as an exception")
    text = stream.getvalue()
    as_json = (json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    assert not [form for form in (secret, repr(secret)[1:-1], *as_json) if form in text]
    assert text.count("***") >= 5


def test_a_bot_token_is_masked_even_if_nobody_registered_it():
    url = "https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1/getMe"
    assert masker(())(url) == "https://api.telegram.org/bot***/getMe"


@given(st.text(alphabet='ab"\\\n*é', min_size=4), st.text(alphabet='ab"\\xyz', max_size=8))
def test_no_text_carries_a_secret_through_the_mask(secret, around):
    masked = masker([secret])(around + secret + around)
    assert secret not in masked.replace("***", "")


def test_long_lines_are_cut_and_stay_json(configure):
    stream = configure()
    log.info("short", extra={"context": {"big": "x" * 20_000}})
    log.info("é" * 20_000)
    first, second = lines(stream)
    assert first["message"] == "short"
    assert first["context"]["truncated_from_bytes"] > 20_000
    assert second["message"].startswith("ééé")
    assert all(len(line.encode()) <= MAX_LINE for line in stream.getvalue().splitlines())


def test_what_json_does_not_know_is_text(configure):
    stream = configure()
    log.info("odd", extra={"context": {"nan": float("nan"), "set": {1}, "surrogate": "\udc80"}})
    assert lines(stream)[0]["context"] == {"nan": "nan", "set": "{1}", "surrogate": "?"}


def test_levels(configure):
    stream = configure("WARNING")
    log.info("no")
    log.warning("yes")
    assert [line["message"] for line in lines(stream)] == ["yes"]


def test_http_libraries_do_not_report_each_request(configure):
    stream = configure("DEBUG")
    for name in ("httpx", "httpcore", "httpcore.connection"):
        logging.getLogger(name).info("GET https://host/?apikey=1")
        logging.getLogger(name).warning("trouble")
    assert [line["message"] for line in lines(stream)] == ["trouble"] * 3


def test_configuring_again_replaces(configure):
    first, second = configure(), configure()
    log.info("x")
    assert (len(lines(first)), len(lines(second))) == (0, 1)


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_auto_is_for_people_on_a_terminal_and_json_elsewhere(configure):
    screen = configure(fmt="auto", stream=Screen())
    with log_scope(trace_id="a1", symbol="BTC/USDT"):
        log.info("hello", extra={"context": {"bars": 3}})
    text = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())
    assert "hello" in text
    assert "trace_id=a1" in text
    assert "bars=3" in text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    plain = configure(fmt="auto")
    log.info("hello")
    assert lines(plain)[0]["message"] == "hello"


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_stops_nothing(configure, capsys):
    configure(stream=Full())
    log.info("x")
    assert capsys.readouterr().err == ""


def test_importing_configures_nothing():
    code = (
        "import logging, cab_core.observability.logs, structlog;"
        "assert not logging.getLogger().handlers and not structlog.is_configured()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
