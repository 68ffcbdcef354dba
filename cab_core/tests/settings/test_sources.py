import pytest

from cab_core.errors import ConfigError
from cab_core.settings import load_settings
from cab_core.settings.dotenv import parse_dotenv
from cab_core.settings.toml_file import read_toml

RUN = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT"}


def test_dotenv_comments_and_quotes():
    values, unreadable = parse_dotenv(
        "# comment\n\nMODE=paper   # the seed writes comments here\nexport EXCHANGE = gateio\nA='x # y'\n"
        'B="  b "  # note\nC=a#b\nD=\nE=#nothing\nno equals sign\n9X=1\n'
    )
    assert values == {
        "MODE": "paper",
        "EXCHANGE": "gateio",
        "A": "x # y",
        "B": "  b ",
        "C": "a#b",
        "D": "",
        "E": "",
    }
    assert unreadable == (10, 11)


def test_nothing_in_dotenv_is_expanded_or_exported(tmp_path, monkeypatch):
    monkeypatch.delenv("API_KEY", raising=False)
    (tmp_path / ".env").write_text("API_KEY=$HOME ${HOME} `id` $(id)\n")
    assert load_settings(RUN, tmp_path).settings.api_key.reveal() == "$HOME ${HOME} `id` $(id)"
    import os

    assert "API_KEY" not in os.environ


def test_an_unreadable_line_is_a_problem(tmp_path):
    (tmp_path / ".env").write_text("MODE paper\n")
    with pytest.raises(ConfigError, match=r"\.env line 1"):
        load_settings(RUN, tmp_path)


TOKENS = (
    "1e5",
    "true",
    "00123",
    "@int 5",
    "@format {env[HOME]}",
    "@jinja {{ 7*7 }}",
    "@del",
    "@read_file /etc/hosts",
)


@pytest.mark.parametrize("text", [*TOKENS, "{'a': 1}", "[1]", "=x", "==", "None"])
@pytest.mark.parametrize("casting", ["true", "false", None])
def test_toml_texts_are_neither_cast_nor_executed(text, casting, tmp_path, monkeypatch):
    if casting is not None:
        monkeypatch.setenv("AUTO_CAST_FOR_DYNACONF", casting)
    path = tmp_path / "cab.toml"
    path.write_text(f'api_secret = "{text}"\n[strategies.ema_atr]\nnote = "{text}"\nlist = ["{text}"]\n')
    document = read_toml(path)
    assert document == {"API_SECRET": text, "STRATEGIES": {"ema_atr": {"note": text, "list": [text]}}}
    assert load_settings(RUN, tmp_path).settings.api_secret.reveal() == text


@pytest.mark.parametrize("text", TOKENS)
def test_environment_texts_are_neither_cast_nor_executed(text, tmp_path):
    assert load_settings({**RUN, "API_SECRET": text}, tmp_path).settings.api_secret.reveal() == text


def test_toml_numbers_keep_their_digits(tmp_path):
    (tmp_path / "cab.toml").write_text(
        "fixed_amount = 50.10\npaper_price_tick = 0.00000001\nport = 9000\nrisk_enforce_5m = true\n"
    )
    settings = load_settings(RUN, tmp_path).settings
    assert str(settings.fixed_amount) == "50.10"
    assert f"{settings.paper_price_tick:f}" == "0.00000001"
    assert settings.port == 9000
    assert settings.risk_enforce_5m is True


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e2"])
def test_toml_has_numbers_that_are_refused(text, tmp_path):
    (tmp_path / "cab.toml").write_text(f"fixed_amount = {text}\n")
    with pytest.raises(ConfigError, match="FIXED_AMOUNT"):
        load_settings(RUN, tmp_path)


def test_toml_lists_and_tables(tmp_path):
    (tmp_path / "cab.toml").write_text(
        "symbols = ['btc/usdt', 'eth/usdt']\nstrategy_set = ['ema_atr', 'supertrend']\n"
        "strategy_weights = {ema_atr = 1.5, supertrend = 0}\n"
        "risk_corr_groups = [['BTC/USDT', 'ETH/USDT'], ['SOL/USDT', 'AVAX/USDT']]\n"
    )
    settings = load_settings({"MODE": "paper", "EXCHANGE": "gate"}, tmp_path).settings
    assert settings.symbols == ("BTC/USDT", "ETH/USDT")
    assert settings.strategy_weights == {"ema_atr": 1.5, "supertrend": 0.0}
    assert settings.risk_corr_groups == "BTC/USDT|ETH/USDT;SOL/USDT|AVAX/USDT"


def test_an_unknown_table_is_a_problem(tmp_path):
    (tmp_path / "cab.toml").write_text("[strategie.ema_atr]\nema_short = 5\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(RUN, tmp_path)
    (problem,) = caught.value.problems
    assert problem.fix == "did you mean STRATEGIES?"


def test_a_secret_from_a_file(tmp_path):
    (tmp_path / "key").write_text("from-file\n")
    loaded = load_settings({**RUN, "API_KEY_FILE": str(tmp_path / "key")}, tmp_path)
    assert loaded.settings.api_key.reveal() == "from-file"
    assert "API_KEY_FILE" in loaded.sources["API_KEY"]


def test_a_missing_or_doubled_secret_file_is_a_problem(tmp_path):
    (tmp_path / "key").write_text("hidden-value")
    env = {
        **RUN,
        "API_KEY": "other-value",
        "API_KEY_FILE": str(tmp_path / "key"),
        "API_SECRET_FILE": "/no/such",
    }
    with pytest.raises(ConfigError) as caught:
        load_settings(env, tmp_path)
    text = str(caught.value)
    assert "API_KEY: is given twice" in text
    assert "API_SECRET_FILE = '/no/such': cannot be read" in text
    assert "hidden-value" not in text
    assert "other-value" not in text


def test_only_secrets_are_read_from_files(tmp_path):
    (tmp_path / "port").write_text("9000")
    assert load_settings({**RUN, "PORT_FILE": str(tmp_path / "port")}, tmp_path).settings.port == 8000


@pytest.mark.parametrize("name", ["DATABASE_URL", "EVENT_BUS_URL", "INSTANCE_KEY_URL"])
def test_an_address_of_another_kind_is_refused_without_showing_it(name, tmp_path):
    with pytest.raises(ConfigError, match=f"{name} = '\\*\\*\\*': must be empty or start with") as caught:
        load_settings({**RUN, name: "mysql://u:hunter22@host/db"}, tmp_path)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_of_an_editor_is_taken(encoding: str, tmp_path):
    (tmp_path / ".env").write_bytes("SYMBOLS=SOL/USDT\n".encode(encoding))
    (tmp_path / "cab.toml").write_bytes('STRATEGY_SET = "supertrend"\n'.encode(encoding))
    loaded = load_settings({}, tmp_path, require_run=False).settings
    assert loaded.symbols == ("SOL/USDT",)
    assert loaded.strategy_set == ("supertrend",)
