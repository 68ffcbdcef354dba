from __future__ import annotations

import pytest

from cab_core.app.config import plugins_for
from cab_core.plugins.kinds import Kind
from cab_core.settings import load_settings

TOKEN = "7001234567:AAFakeFakeFakeFakeFakeFakeFakeFake12"
RUN = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT"}
CHAT = {
    "TELEGRAM_BOT_TOKEN": TOKEN,
    "TELEGRAM_CHAT_ID": "-100500",
    "TELEGRAM_ALLOWED_USERS": "11,22",
    "TELEGRAM_ADMINS": "11",
    "TELEGRAM_API_URL": "http://127.0.0.1:8081",
}


def test_a_token_switches_telegram_on_with_its_options(tmp_path):
    settings = load_settings({**RUN, **CHAT}, tmp_path).settings
    assert settings.notifiers == ("log", "telegram")
    notifier = plugins_for(settings, {Kind.NOTIFIER: settings.notifiers}).notifiers[1].plugin
    assert notifier.token.reveal() == TOKEN
    assert (notifier.chat_id, notifier.base_url) == ("-100500", "http://127.0.0.1:8081")
    assert (notifier.allowed_users, notifier.admins) == ((11, 22), (11,))


def test_named_and_switched_on_it_is_there_once_and_without_a_token_not_at_all(tmp_path):
    both = {**RUN, **CHAT, "NOTIFIER_SET": "telegram,log"}
    assert load_settings(both, tmp_path).settings.notifiers == ("telegram", "log")
    assert load_settings(RUN, tmp_path).settings.notifiers == ("log",)


@pytest.mark.parametrize("where", ["environment", "file", "toml"])
def test_wherever_the_token_comes_from_nothing_shows_it(tmp_path, where):
    environment = {**RUN, **CHAT}
    if where != "environment":
        del environment["TELEGRAM_BOT_TOKEN"]
    if where == "file":
        (tmp_path / "token").write_text(TOKEN)
        environment["TELEGRAM_BOT_TOKEN_FILE"] = str(tmp_path / "token")
    if where == "toml":
        (tmp_path / "cab.toml").write_text(f'[notifiers.telegram]\ntoken = "{TOKEN}"\n')
    settings = load_settings(environment, tmp_path).settings
    assert settings.notifiers == ("log", "telegram")
    assert settings.plugin_options["notifiers"]["telegram"]["token"].reveal() == TOKEN
    assert TOKEN in settings.secret_texts()
    assert TOKEN not in repr(settings) + repr(settings.plugin_options) + repr(settings.texts())


def test_a_bot_nobody_may_command_is_pointed_out(tmp_path):
    alone = {name: text for name, text in CHAT.items() if "USERS" not in name and "ADMINS" not in name}
    warnings = load_settings({**RUN, **alone}, tmp_path).warnings
    assert any("TELEGRAM_ALLOWED_USERS is empty" in warning for warning in warnings)
