import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cab_core.cli import invoke
from cab_core.settings import SETTINGS

pytestmark = pytest.mark.usefixtures("folder")


def test_init_writes_what_check_accepts(folder, capsys):
    assert invoke(["config", "init"]) == 0
    assert invoke(["config", "check"]) == 0
    assert "settings are valid: paper on gateio, BTC/USDT" in capsys.readouterr().out
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600


def test_init_never_overwrites_unasked(folder, capsys):
    (folder / ".env").write_text("API_KEY=mine\n")
    assert invoke(["config", "init"]) == 8
    assert ".env exists" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == [".env"]
    assert invoke(["config", "init", "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"written": ["cab.toml", ".env"]}
    assert "mine" not in (folder / ".env").read_text()


def test_check_reports_all_problems(monkeypatch, capsys):
    monkeypatch.setenv("MODE", "paper|live")
    monkeypatch.setenv("API_SECRET", "canary-secret-1")
    assert invoke(["config", "check", "--set", "FIXED_AMOUNT=-1"]) == 78
    text = capsys.readouterr().err
    assert text.startswith("error[CAB-E300]: 4 settings are wrong\n")
    for name in ("MODE = 'paper|live'", "EXCHANGE", "SYMBOLS", "FIXED_AMOUNT = '-1'"):
        assert f"\n  {name}: " in text
    assert "canary" not in text


def test_check_lists_warnings(monkeypatch, capsys):
    invoke(["config", "init"])
    monkeypatch.setenv("RISK_COOLDWN_SEC", "5")
    assert invoke(["config", "check"]) == 0
    assert "warning: RISK_COOLDWN_SEC (environment)" in capsys.readouterr().err
    invoke(["config", "check", "--json"])
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert "RISK_COOLDOWN_SEC" in warning


@pytest.mark.parametrize("args", [(), ("--json",), ("--sources",), ("--sources", "--json")])
def test_show_masks_every_secret(args, folder, monkeypatch, capsys):
    secrets = [row.name for row in SETTINGS if row.secret]
    for name in secrets:
        schemes = {
            "DATABASE_URL": "postgresql+asyncpg://",
            "EVENT_BUS_URL": "redis://",
            "INSTANCE_KEY_URL": "redis://",
            "WEBHOOK_URL": "https://",
        }
        scheme = schemes.get(name, "")
        monkeypatch.setenv(name, f"{scheme}canary-{name}")
    monkeypatch.setenv("TELEGRAM_CHAT_ID", "1")
    (folder / "cab.toml").write_text(
        "[notifiers.webhook]\nhmac_key = 'canary-key'\nurl = 'https://a:canary@h/x?k=canary'\n"
    )
    assert invoke(["config", "show", *args]) == 0
    text = capsys.readouterr().out
    assert "canary" not in text
    assert text.count("***") >= len(secrets)


def test_show_says_where_values_come_from(folder, capsys):
    (folder / "cab.toml").write_text("fixed_amount = 25\n[strategies.ema_atr]\nema_short = 9\n")
    assert invoke(["config", "show", "--sources", "--json", "--set", "PORT=9000"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["settings"]["FIXED_AMOUNT"] == "25"
    assert set(document["settings"]) == {row.name for row in SETTINGS}
    assert document["sources"]["FIXED_AMOUNT"] == "cab.toml"
    assert document["sources"]["PORT"] == "--set"
    assert document["plugin_options"] == {"strategies": {"ema_atr": {"ema_short": "9"}}}


def test_show_is_a_plain_table_when_piped(monkeypatch, capsys):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    invoke(["config", "show"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["setting", "value"]
    assert [line.split()[0] for line in lines[1:]] == [row.name for row in SETTINGS]


@pytest.mark.parametrize("name", ["STOP_LOSS_PCT", "stop_loss_pct", "Stop_Loss_Pct"])
def test_explain(name, monkeypatch, capsys):
    monkeypatch.setenv("STOP_LOSS_PCT", "7")
    assert invoke(["config", "explain", name, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    expected = {"name": "STOP_LOSS_PCT", "default": "5.0", "value": "7", "source": "environment"}
    assert expected.items() <= document.items()
    assert document["rule"] == "a number > 0 and < 100"


@pytest.mark.parametrize("name", [row.name for row in SETTINGS] + ["BACKTEST_SLIPPAGE_PCT", "API_KEY_FILE"])
def test_every_setting_can_be_explained(name, capsys):
    assert invoke(["config", "explain", name]) == 0
    assert "rule:" in capsys.readouterr().out


def test_explain_works_while_other_settings_are_wrong(monkeypatch, capsys):
    monkeypatch.setenv("PORT", "x")
    assert invoke(["config", "explain", "MODE"]) == 0
    assert "cab config check" in capsys.readouterr().out


def test_an_unknown_name_is_not_found(capsys):
    assert invoke(["config", "explain", "RISK_COOLDOWN"]) == 4
    assert "did you mean RISK_COOLDOWN_SEC?" in capsys.readouterr().err


def test_a_missing_config_file_is_not_found(capsys):
    assert invoke(["config", "show", "--config", "none.toml"]) == 4
    assert "none.toml" in capsys.readouterr().err


_OWN = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT"}


@pytest.mark.parametrize("where", ["environment", ".env"])
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("STOPLOSS", "STOP_LOSS_PCT"),
        ("TAKEPROFIT1PCT", "TAKE_PROFIT_1_PCT"),
        ("FIXED_AMMOUNT", "FIXED_AMOUNT"),
        ("SYMBOL", "SYMBOLS"),
        ("COMPOSE_PROJECT_NAME", ""),
        ("POSTGRES_PASSWORD", ""),
        ("LOGNAME", ""),
        ("LANGUAGE", ""),
    ],
)
def test_a_mistyped_name_is_told_with_the_right_one_and_a_foreign_one_is_left_alone(
    folder: Path, where: str, name: str, meant: str
) -> None:
    given = {**_OWN, name: "5"}
    if where == ".env":
        (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in given.items()))
        given = {}
    done = subprocess.run(
        [sys.executable, "-c", "from cab_core.cli import main; main()", "config", "check"],
        env={**{k: v for k, v in os.environ.items() if k in ("PATH", "HOME")}, **given},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert (f"{name} ({where}) is no setting: did you mean {meant}?" in said) == bool(meant), said
    assert (name in said) == bool(meant)


def test_strategies_separated_by_a_space_are_told_how_to_write_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**_OWN, "STRATEGY_SET": "ema_cross  supertrend"}.items():
        monkeypatch.setenv(name, value)
    assert invoke(["config", "check"]) == 78
    assert "separate names by commas: ema_cross,supertrend" in capsys.readouterr().err


def test_settings_that_contradict_each_other_hide_no_other_mistake(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**_OWN, "TAKE_PROFIT_1_PCT": "9", "STRATEGY_SET": "nope"}.items():
        monkeypatch.setenv(name, value)
    assert invoke(["config", "check"]) == 78
    said = capsys.readouterr().err
    assert "TAKE_PROFIT_1_PCT (9) must be below TAKE_PROFIT_2_PCT (5.0)" in said
    assert "'nope' is not installed" in said
