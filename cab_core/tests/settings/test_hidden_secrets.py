from __future__ import annotations

from pathlib import Path

from cab_core.settings import load_settings
from cab_core.settings.schema import hide_secrets


def test_a_secret_given_as_a_file_outlives_the_file(tmp_path: Path) -> None:
    """A service manager removes its files with the service; what watches over a dead bot needs them still."""
    file = tmp_path / "api_key"
    file.write_text("the-key\n")
    run = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT"}
    environment = {"API_KEY_FILE": str(file), "API_SECRET": "the-secret", **run}
    taken = hide_secrets(environment)
    assert environment == run
    file.unlink()
    handed_on = load_settings({**environment, **taken}, tmp_path).settings
    assert handed_on.api_key.reveal() == "the-key"
    assert handed_on.api_secret.reveal() == "the-secret"


def test_a_file_that_cannot_be_read_stays_a_problem_of_the_settings(tmp_path: Path) -> None:
    environment = {"API_KEY_FILE": str(tmp_path / "gone")}
    assert hide_secrets(environment) == {}
    assert environment == {"API_KEY_FILE": str(tmp_path / "gone")}
