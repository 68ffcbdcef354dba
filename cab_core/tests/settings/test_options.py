import pytest

from cab_core.errors import ConfigError
from cab_core.settings import load_settings

RUN = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT"}


def options(env, tmp_path, overrides=()):
    return load_settings({**RUN, **env}, tmp_path, overrides).settings.plugin_options


def test_nothing_is_passed_on_that_was_not_set(tmp_path):
    assert options({}, tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "text", "table", "plugin", "param"),
    [
        ("EMA_SHORT", "9", "strategies", "ema_atr", "ema_short"),
        ("EMA_LONG", "30", "strategies", "ema_atr", "ema_long"),
        ("ATR_MAX_PCT", "3.5", "strategies", "ema_atr", "atr_max_pct"),
        ("EMA_MIN_SLOPE", "0.1", "strategies", "ema_atr", "ema_min_slope"),
        ("RISK_LOSS_STREAK_COUNT", "4", "risk_rules", "loss_streak", "count"),
        ("RISK_MAX_DRAWDOWN_PCT", "12.5", "risk_rules", "max_drawdown", "max_pct"),
        ("RISK_DAILY_LOSS_LIMIT_QUOTE", "70", "risk_rules", "daily_loss", "limit_quote"),
        ("RISK_COOLDOWN_SEC", "30", "risk_rules", "cooldown", "seconds"),
        ("RISK_MAX_SPREAD_PCT", "0.3", "risk_rules", "spread_cap", "max_pct"),
        ("RISK_CORR_GROUPS", "BTC/USDT|ETH/USDT", "risk_rules", "correlation", "groups"),
        ("REGIME_DXY_JSON_POINTER", "/a/0", "macro_sources", "dxy", "json_pointer"),
        ("REGIME_BTC_DOM_KIND", "change", "macro_sources", "btc_dominance", "kind"),
        ("STRATEGY_PARAMS__SUPERTREND__MULTIPLIER", "2.5", "strategies", "supertrend", "multiplier"),
    ],
)
def test_names_of_the_seed_reach_their_plugin(name, text, table, plugin, param, tmp_path):
    assert options({name: text}, tmp_path) == {table: {plugin: {param: text}}}


def test_the_atr_period_reaches_three_strategies(tmp_path):
    found = options({"ATR_PERIOD": "20"}, tmp_path)["strategies"]
    assert found == {name: {"atr_period": "20"} for name in ("ema_atr", "donchian_breakout", "ema_cross")}


def test_tables_of_cab_toml(tmp_path):
    (tmp_path / "cab.toml").write_text(
        "[strategies.Ema-Cross]\nfast_period = 5\n[strategy_params.ema_atr]\nema_short = 7\n"
        "[risk_rules.cooldown]\nseconds = 12\n[macro_sources.dxy]\nkind = 'value'\n"
        "[brokers.paper]\nflag = true\n[notifiers.log]\nlevels = ['info', 'critical']\n"
    )
    assert options({}, tmp_path) == {
        "strategies": {"ema_cross": {"fast_period": "5"}, "ema_atr": {"ema_short": "7"}},
        "risk_rules": {"cooldown": {"seconds": "12"}},
        "macro_sources": {"dxy": {"kind": "value"}},
        "brokers": {"paper": {"flag": "true"}},
        "notifiers": {"log": {"levels": ["info", "critical"]}},
    }


def test_the_higher_source_wins_whatever_the_spelling(tmp_path):
    (tmp_path / "cab.toml").write_text("ema_short = 5\n[strategies.ema_atr]\nema_long = 30\n")
    env = {"STRATEGY_PARAMS__EMA_ATR__EMA_SHORT": "6", "EMA_LONG": "31"}
    assert options(env, tmp_path) == {"strategies": {"ema_atr": {"ema_short": "6", "ema_long": "31"}}}
    assert (
        options(env, tmp_path, ["strategies.ema_atr.ema_short=8"])["strategies"]["ema_atr"]["ema_short"]
        == "8"
    )


def test_the_attribute_follows_the_option_of_the_plugin(tmp_path):
    (tmp_path / "cab.toml").write_text("[risk_rules.max_drawdown]\nmax_pct = 12.5\n")
    loaded = load_settings(RUN, tmp_path)
    assert str(loaded.settings.risk_max_drawdown_pct) == "12.5"
    assert loaded.sources["RISK_MAX_DRAWDOWN_PCT"] == "cab.toml [risk_rules.max_drawdown]"


def test_two_spellings_in_one_source_must_agree(tmp_path):
    env = {"EMA_SHORT": "5", "STRATEGY_PARAMS__EMA_ATR__EMA_SHORT": "6"}
    with pytest.raises(ConfigError, match=r"EMA_SHORT = '5': contradicts strategies\.ema_atr\.ema_short"):
        options(env, tmp_path)
    assert options({**env, "EMA_SHORT": "6"}, tmp_path)


def test_an_option_out_of_the_seeds_range_names_key_value_and_range(tmp_path):
    with pytest.raises(ConfigError, match=r"EMA_SHORT = '1': must be a whole number >= 2 and <= 200"):
        options({"EMA_SHORT": "1"}, tmp_path)


@pytest.mark.parametrize("content", ["strategies = 5\n", "[strategies]\nema_atr = 5\n"])
def test_options_outside_a_table_are_a_problem(content, tmp_path):
    (tmp_path / "cab.toml").write_text(content)
    with pytest.raises(ConfigError, match="must be a table of options"):
        options({}, tmp_path)
