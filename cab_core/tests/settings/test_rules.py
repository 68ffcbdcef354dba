from itertools import pairwise

import pytest

from cab_core.errors import ConfigError
from cab_core.settings import load_settings

RUN = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT"}
LIVE = {
    **RUN,
    "MODE": "live",
    "API_KEY": "f3a9c1d2e4b5a697",
    "API_SECRET": "9b7d5f3e1c2a4860b7d5f3e1c2a48609",
    "API_TOKEN": "0123456789abcdef",
}


def names(env, tmp_path, **kwargs):
    try:
        load_settings(env, tmp_path, **kwargs)
    except ConfigError as error:
        return {problem.name for problem in error.problems}
    return set()


def test_live_with_all_it_needs(tmp_path):
    loaded = load_settings(LIVE, tmp_path)
    assert loaded.settings.mode == "live"
    assert not loaded.settings.starts_automatically
    assert load_settings({**LIVE, "AUTOSTART": "true"}, tmp_path).settings.starts_automatically


@pytest.mark.parametrize("name", ["API_KEY", "API_SECRET", "API_TOKEN"])
def test_live_needs_credentials(name, tmp_path):
    assert names({key: value for key, value in LIVE.items() if key != name}, tmp_path) == {name}


@pytest.mark.parametrize(
    "text",
    ["your_api_key", "YOUR-KEY", "changeme", "change_me", "xxx", "<api key>", "...", "***", "api_secret"],
)
def test_live_refuses_placeholders(text, tmp_path):
    assert names({**LIVE, "API_KEY": text}, tmp_path) == {"API_KEY"}


def test_live_needs_a_long_token(tmp_path):
    assert names({**LIVE, "API_TOKEN": "123456789012345"}, tmp_path) == {"API_TOKEN"}
    assert names({**LIVE, "API_TOKEN": "1234567890123456"}, tmp_path) == set()


def test_a_backtest_needs_no_credentials_whatever_the_mode(tmp_path):
    assert names({"MODE": "live"}, tmp_path, require_run=False) == set()


def test_live_needs_consent_to_switched_off_rules(tmp_path):
    off = {**LIVE, "RISK_DISABLED_RULES": "cooldown"}
    assert names(off, tmp_path) == {"RISK_DISABLED_RULES"}
    loaded = load_settings({**off, "RISK_ALLOW_DISABLED": "yes"}, tmp_path)
    assert any("cooldown" in warning for warning in loaded.warnings)


def test_live_refuses_single_files(tmp_path):
    assert names({**LIVE, "STRATEGY_SET": "./idea.py"}, tmp_path) == {"STRATEGY_SET"}
    assert names({**RUN, "STRATEGY_SET": "./idea.py"}, tmp_path) == set()


def test_live_refuses_secrets_in_a_file_others_can_read(tmp_path):
    secret = LIVE["API_SECRET"]
    env = {key: value for key, value in LIVE.items() if key != "API_SECRET"}
    (tmp_path / ".env").write_text(f"API_SECRET={secret}\n")
    (tmp_path / ".env").chmod(0o644)
    assert names(env, tmp_path) == {".env"}
    (tmp_path / ".env").chmod(0o600)
    assert names(env, tmp_path) == set()


@pytest.mark.parametrize(("first", "second"), [("5", "5"), ("6", "5.0")])
def test_take_profit_1_lies_below_take_profit_2(first, second, tmp_path):
    found = names({**RUN, "TAKE_PROFIT_1_PCT": first, "TAKE_PROFIT_2_PCT": second}, tmp_path)
    assert found == {"TAKE_PROFIT_2_PCT"}
    assert names({**RUN, "TAKE_PROFIT_1_PCT": "6"}, tmp_path) == {"TAKE_PROFIT_1_PCT"}


@pytest.mark.parametrize("name", ["STOP_LOSS_PCT", "TRAILING_STOP_PCT"])
@pytest.mark.parametrize("text", ["0", "100", "-1"])
def test_stops_lie_between_0_and_100(name, text, tmp_path):
    assert names({**RUN, name: text}, tmp_path) == {name}


def test_a_broken_value_is_reported_once(tmp_path):
    assert names({**RUN, "TAKE_PROFIT_2_PCT": "x", "TAKE_PROFIT_1_PCT": "9"}, tmp_path) == {
        "TAKE_PROFIT_2_PCT"
    }


@pytest.mark.parametrize(
    "name",
    [
        "RISK_MAX_DRAWDOWN_PCT",
        "RISK_DAILY_LOSS_LIMIT_QUOTE",
        "RISK_LOSS_STREAK_COUNT",
        "RISK_COOLDOWN_SEC",
        "RISK_MAX_SPREAD_PCT",
        "RISK_MAX_SLIPPAGE_PCT",
        "RISK_MAX_ORDERS_5M",
        "RISK_MAX_TURNOVER_5M_QUOTE",
    ],
)
def test_limits_are_positive(name, tmp_path):
    assert names({**RUN, name: "0"}, tmp_path) == {name}
    assert names({**RUN, name: "-1"}, tmp_path) == {name}


@pytest.mark.parametrize(
    ("name", "most"),
    [("RISK_MAX_DRAWDOWN_PCT", "100"), ("RISK_MAX_SPREAD_PCT", "5"), ("RISK_MAX_SLIPPAGE_PCT", "5")],
)
def test_limits_have_an_end(name, most, tmp_path):
    assert names({**RUN, name: most}, tmp_path) == set()
    assert names({**RUN, name: f"{most}.01"}, tmp_path) == {name}


def test_take_profit_that_hardly_covers_the_fees_is_warned_of(tmp_path):
    def warned(text):
        loaded = load_settings({**RUN, "TAKE_PROFIT_1_PCT": text}, tmp_path)
        return any("TAKE_PROFIT_1_PCT" in warning for warning in loaded.warnings)

    assert [warned(text) for text in ("0.4", "0.5", "0.51")] == [True, True, False]


def test_fusion_weights(tmp_path):
    both = {**RUN, "FUSION_W_TECHNICAL": "0.6", "FUSION_W_AI": "0.5"}
    assert names(both, tmp_path) == {"FUSION_W_AI"}
    assert names({**both, "FUSION_W_AI": "0.4000005"}, tmp_path) == set()
    for given, other in pairwise(("fusion_w_ai", "fusion_w_technical", "fusion_w_ai")):
        settings = load_settings({**RUN, given.upper(): "0.2"}, tmp_path).settings
        assert getattr(settings, other) == pytest.approx(0.8)


def test_a_model_is_not_promised(tmp_path):
    for usual in ({"AI_ENABLED": "auto", "AI_MODEL_PATH": "./models/model.onnx"}, {"AI_ENABLED": "off"}):
        assert names({**RUN, **usual}, tmp_path) == set()
    for name, value in (("AI_ENABLED", "on"), ("AI_MODEL_PATH", "mine.onnx")):
        assert names({**RUN, name: value}, tmp_path) == {name}
        assert names({name: value}, tmp_path, require_run=False) == {name}
        with pytest.raises(ConfigError, match="models are not part of this version"):
            load_settings({**RUN, name: value}, tmp_path)


def test_telegram(tmp_path):
    assert names({**RUN, "TELEGRAM_BOT_TOKEN": "1:a"}, tmp_path) == {"TELEGRAM_CHAT_ID"}
    assert names({**RUN, "TELEGRAM_ALLOWED_USERS": "1,two"}, tmp_path) == {"TELEGRAM_ALLOWED_USERS"}
    users = {**RUN, "TELEGRAM_ALLOWED_USERS": "1, 2"}
    assert names({**users, "TELEGRAM_ADMINS": "2,3"}, tmp_path) == {"TELEGRAM_ADMINS"}
    assert any("TELEGRAM_ADMINS is empty" in warning for warning in load_settings(users, tmp_path).warnings)
    assert load_settings({**users, "TELEGRAM_ADMINS": "2"}, tmp_path).warnings == ()


@pytest.mark.parametrize("name", ["EVENT_BUS_URL", "INSTANCE_KEY_URL"])
def test_redis_needs_its_package_and_a_readable_address(name, tmp_path, monkeypatch):
    address = {name: "redis://:pass-word@localhost:6379/0"}
    assert load_settings({**RUN, **address}, tmp_path).warnings == ()
    assert names({**RUN, name: "redis://:pa/ss-word@localhost:6379/0"}, tmp_path) == {name}

    monkeypatch.setattr("cab_core.settings.check.find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        load_settings({**RUN, **address}, tmp_path)
    (problem,) = caught.value.problems
    assert problem.fix == "pip install 'cab-core[redis]'"
    assert "pass-word" not in str(caught.value)


def test_a_weight_for_a_strategy_that_is_not_asked_is_warned_of(tmp_path):
    loaded = load_settings({**RUN, "STRATEGY_WEIGHTS": "supertrend:2"}, tmp_path)
    assert loaded.warnings == ("STRATEGY_WEIGHTS names supertrend, which is not in STRATEGY_SET",)


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({}, set()),
        ({"EXITS_INTERVAL_SEC": "1"}, {"EXITS_INTERVAL_SEC"}),
        ({"EXITS_INTERVAL_SEC": "1", "MAX_POSITIONS": "8"}, set()),
        ({"MAX_POSITIONS": "50"}, {"EXITS_INTERVAL_SEC"}),
        ({"MAX_POSITIONS": "50", "BROKER_RATE_RPS": "10"}, set()),
        ({"MAX_POSITIONS": "50", "SYMBOLS": "BTC/USDT,ETH/USDT"}, set()),
    ],
)
def test_stops_that_cannot_be_looked_at_in_time_are_refused(given, refused, tmp_path):
    symbols = ",".join(f"C{number}/USDT" for number in range(50))
    assert names({**RUN, "SYMBOLS": symbols, **given}, tmp_path) == refused


def test_an_account_has_a_name_that_may_stand_in_a_key(tmp_path):
    assert load_settings(RUN, tmp_path).settings.account_name == "paper:gateio"
    assert load_settings({**RUN, "ACCOUNT": "gateio:sub-1"}, tmp_path).settings.account_name == "gateio:sub-1"
    assert names({**RUN, "ACCOUNT": "two words"}, tmp_path) == {"ACCOUNT"}
