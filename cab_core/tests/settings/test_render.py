import re
from pathlib import Path

import pytest

from cab_core.settings import SETTINGS, Settings, load_settings
from cab_core.settings.render import dotenv_example, secrets_example, settings_markdown, toml_example

ROOT = next(parent for parent in Path(__file__).resolve().parents if (parent / "CHANGELOG.md").exists())


@pytest.mark.parametrize(
    ("path", "generated"),
    [("docs/reference/settings.md", settings_markdown), (".env.example", dotenv_example)],
)
def test_committed_pages_are_the_generated_ones(path, generated):
    assert (ROOT / path).read_text(encoding="utf-8") == generated(), f"write {generated.__name__}() to {path}"


def test_every_setting_is_documented():
    page = settings_markdown()
    assert all(f"| `{row.name}` |" in page for row in SETTINGS)
    assert all(row.help.endswith(".") for row in SETTINGS)


def test_the_example_env_starts_a_paper_account(tmp_path):
    (tmp_path / ".env").write_text(dotenv_example())
    loaded = load_settings({}, tmp_path)
    assert (loaded.settings.mode, loaded.settings.symbols) == ("paper", ("BTC/USDT",))
    assert loaded.warnings == ()


def test_the_example_toml_starts_a_paper_account(tmp_path):
    (tmp_path / "cab.toml").write_text(toml_example())
    (tmp_path / ".env").write_text(secrets_example())
    assert load_settings({}, tmp_path).settings.exchange == "gateio"


@pytest.mark.parametrize(("name", "render"), [(".env", dotenv_example), ("cab.toml", toml_example)])
def test_the_shown_defaults_are_the_defaults(name, render, tmp_path):
    uncommented = re.sub(r"(?m)^# (?=[A-Za-z0-9_]+ ?=|\[)", "", render())
    (tmp_path / name).write_text(uncommented)
    loaded = load_settings({}, tmp_path)
    expected = Settings(mode="paper", exchange="gateio", symbols=("BTC/USDT",)).texts()
    assert loaded.settings.texts() == expected


def test_secrets_are_not_in_the_toml():
    assert not [row.name for row in SETTINGS if row.secret and f"{row.attribute} =" in toml_example()]


def test_no_secret_can_be_read_off_an_address(tmp_path):
    settings = load_settings(
        {
            "REGIME_DXY_URL": "https://user:hunter22@example.org/x?apikey=topsecret",
            "DATABASE_URL": "postgresql+asyncpg://cab:pa55word@host/db",
        },
        tmp_path,
        require_run=False,
    ).settings
    for text in (repr(settings), str(settings.texts())):
        assert not [word for word in ("hunter22", "topsecret", "pa55word") if word in text]
    assert {"pa55word", "postgresql+asyncpg://cab:pa55word@host/db"} <= set(settings.secret_texts())
