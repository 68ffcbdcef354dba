from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.errors import ConfigError, ExitCode, NotFoundError
from cab_core.settings import SETTINGS, Settings, load_settings

RUN = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT"}


def problems(*args, **kwargs):
    with pytest.raises(ConfigError) as caught:
        load_settings(*args, **kwargs)
    assert caught.value.exit_code == ExitCode.CONFIG == 78
    return {problem.name: problem for problem in caught.value.problems}


def test_three_values_are_enough_for_paper(tmp_path):
    loaded = load_settings(RUN, tmp_path)
    assert loaded.settings.symbols == ("BTC/USDT",)
    assert loaded.settings.stop_loss_pct == Decimal("5.0")
    assert loaded.settings.starts_automatically
    assert loaded.warnings == ()


def test_every_default_is_the_codes_default(tmp_path):
    assert load_settings({}, tmp_path, require_run=False).settings.texts() == Settings().texts()


def test_later_sources_win(tmp_path):
    (tmp_path / "cab.toml").write_text("fixed_amount = 1\nport = 1\nhost = 'a'\nlog_level = 'error'\n")
    (tmp_path / ".env").write_text("FIXED_AMOUNT=2\nPORT=2\nHOST=b\n")
    loaded = load_settings(
        {"FIXED_AMOUNT": "3", "PORT": "3"},
        tmp_path,
        ["FIXED_AMOUNT=4"],
        defaults={"FIXED_AMOUNT": "9", "LOG_LEVEL": "DEBUG", "STRATEGY_MODE": "vote"},
        require_run=False,
    )
    settings, sources = loaded.settings, loaded.sources
    assert (settings.fixed_amount, sources["FIXED_AMOUNT"]) == (4, "--set")
    assert (settings.port, sources["PORT"]) == (3, "environment")
    assert (settings.host, sources["HOST"]) == ("b", ".env")
    assert (settings.log_level, sources["LOG_LEVEL"]) == ("ERROR", "cab.toml")
    assert (settings.strategy_mode, sources["STRATEGY_MODE"]) == ("vote", "default of the command")
    assert sources["DB_PATH"] == "code default"


def test_all_problems_are_reported_together(tmp_path):
    found = problems(
        {
            "MODE": "love",
            "FIXED_AMOUNT": "-5",
            "STOP_LOSS_PCT": "nan",
            "RISK_COOLDOWN_SEC": "1e5",
            "PORT": "x",
        },
        tmp_path,
        ["NO_SUCH=1"],
    )
    assert set(found) == {
        *("MODE", "EXCHANGE", "SYMBOLS", "FIXED_AMOUNT", "STOP_LOSS_PCT", "RISK_COOLDOWN_SEC", "PORT"),
        "NO_SUCH",
    }
    assert found["FIXED_AMOUNT"].what == "FIXED_AMOUNT = '-5': must be a number > 0"
    assert found["FIXED_AMOUNT"].where == "environment"
    assert all(problem.fix for problem in found.values())


def test_what_is_missing_for_a_run_is_said_with_an_example(tmp_path):
    found = problems({}, tmp_path)
    assert set(found) == {"MODE", "EXCHANGE", "SYMBOLS"}
    assert "MODE=paper" in found["MODE"].fix


@pytest.mark.parametrize("row", [row for row in SETTINGS if row.name not in RUN], ids=lambda row: row.name)
def test_every_default_passes_its_own_rule(row, tmp_path):
    if row.default:
        text = load_settings({**RUN, row.name: row.default}, tmp_path).settings.texts()[row.name]
        assert text == Settings(mode="paper").texts()[row.name]


def test_an_empty_value_counts_as_not_set(tmp_path):
    assert load_settings({**RUN, "FIXED_AMOUNT": "", "PORT": "  "}, tmp_path).settings.fixed_amount == 50


def test_an_empty_address_switches_a_source_off(tmp_path):
    (tmp_path / "cab.toml").write_text("regime_dxy_url = 'https://example.org/dxy'\n")
    assert load_settings({**RUN, "REGIME_DXY_URL": ""}, tmp_path).settings.regime_dxy_url == ""


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("RISK_COOLDOWN_SECS", "RISK_COOLDOWN_SEC"),
        ("STRATEGY_MODES", "STRATEGY_MODE"),
        ("REGIME_DXY_URLS", "REGIME_DXY_URL"),
        ("EXITS_INTERVAL", "EXITS_INTERVAL_SEC"),
        ("STOP_LOSS_PC", "STOP_LOSS_PCT"),
        ("SYMBOL", "SYMBOLS"),
    ],
)
def test_mistyped_names_of_the_environment_are_warned_of(name, likely, tmp_path):
    (warning,) = load_settings({**RUN, name: "1"}, tmp_path).warnings
    assert name in warning
    assert f"did you mean {likely}?" in warning


def test_foreign_names_of_the_environment_are_left_alone(tmp_path):
    foreign = {
        "PATH": "/bin",
        "HOME": "/root",
        "AWS_SECRET": "x",
        "LANG": "C",
        "PYTHONPATH": "",
        "HOSTNAME": "h",
    }
    loaded = load_settings({**RUN, **foreign}, tmp_path)
    assert loaded.warnings == ()
    assert "/root" not in repr(loaded)


@pytest.mark.parametrize("source", ["toml", "set"])
def test_mistyped_names_of_our_own_sources_are_errors(source, tmp_path):
    if source == "toml":
        (tmp_path / "cab.toml").write_text("fixed_amout = 5\n")
        found = problems(RUN, tmp_path)["FIXED_AMOUT"]
    else:
        found = problems(RUN, tmp_path, ["fixed_amout=5"])["fixed_amout"]
    assert found.fix == "did you mean FIXED_AMOUNT?"


def test_warnings_come_with_the_problems(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_settings({"RISK_COOLDWN_SEC": "5"}, tmp_path)
    assert any("RISK_COOLDWN_SEC" in warning for warning in caught.value.warnings)


def test_both_names_of_the_slippage(tmp_path):
    assert load_settings(
        {**RUN, "BACKTEST_SLIPPAGE_PCT": "0.1"}, tmp_path
    ).settings.paper_slippage_pct == Decimal("0.1")
    same = {**RUN, "BACKTEST_SLIPPAGE_PCT": "0.10", "PAPER_SLIPPAGE_PCT": "0.1"}
    assert load_settings(same, tmp_path).settings.paper_slippage_pct == Decimal("0.1")
    (tmp_path / "cab.toml").write_text("paper_slippage_pct = 0.2\n")
    found = problems({**RUN, "BACKTEST_SLIPPAGE_PCT": "0.1"}, tmp_path)
    assert "contradicts PAPER_SLIPPAGE_PCT = '0.2' (cab.toml)" in found["BACKTEST_SLIPPAGE_PCT"].what


def test_another_file_than_cab_toml(tmp_path):
    (tmp_path / "cab.toml").write_text("port = 1\n")
    (tmp_path / "other.toml").write_text("host = 'h'\n")
    settings = load_settings(RUN, tmp_path, config=tmp_path / "other.toml").settings
    assert (settings.host, settings.port) == ("h", 8000)
    with pytest.raises(NotFoundError):
        load_settings(RUN, tmp_path, config=tmp_path / "missing.toml")


@pytest.mark.parametrize("content", ["mode = paper\n", "= 3", "[strategies\n", "\x00"])
def test_a_broken_file_is_a_problem_with_its_name(content, tmp_path):
    (tmp_path / "cab.toml").write_text(content)
    assert "cab.toml" in problems(RUN, tmp_path)


def test_override_without_value(tmp_path):
    assert "KEY=VALUE" in problems(RUN, tmp_path, ["PORT"])["--set"].what


@given(st.text(alphabet="abcdefABCDEF0123456789@{}$#='\"\\%;|", min_size=12, max_size=40).filter(str.strip))
def test_a_secret_is_kept_as_written_and_never_shown(tmp_path_factory, secret):
    loaded = load_settings({**RUN, "API_SECRET": secret}, tmp_path_factory.getbasetemp())
    assert loaded.settings.api_secret.reveal() == secret
    assert secret not in repr(loaded)
    assert secret not in str(loaded.settings.texts())
    with pytest.raises(ConfigError) as caught:
        load_settings({**RUN, "MODE": "live", "API_SECRET": secret}, tmp_path_factory.getbasetemp())
    assert secret not in str(caught.value)
