"""Settings of the simulated venue, of operation and of messages."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Literal

from cab_core.secret import Secret
from cab_core.settings import lists, parse
from cab_core.settings.setting import section, setting


@section
class PaperSettings:
    """The simulated venue of paper, backtest and demo."""

    paper_initial_quote: Decimal = setting(
        "10000", parse.money(ge=0), "Quote currency of a new account.", in_quote=True
    )
    paper_fee_pct: Decimal = setting("0.2", parse.money(ge=0, lt=100), "Taker fee in percent.")
    paper_slippage_pct: Decimal = setting(
        "0.05",
        parse.money(ge=0, lt=100),
        "Slippage of every market fill, in percent.",
        aliases=("BACKTEST_SLIPPAGE_PCT",),
    )
    paper_spread_pct: Decimal = setting(
        "0.02", parse.money(ge=0, lt=100), "Bid-ask spread around a recorded price, in percent."
    )
    paper_amount_step: Decimal = setting(
        "0.000001", parse.money(gt=0), "Amounts are multiples of it, in base currency."
    )
    paper_price_tick: Decimal = setting(
        "0.00000001", parse.money(gt=0), "Prices of resting orders are multiples of it."
    )
    paper_cost_step: Decimal = setting(
        "0.01",
        parse.money(gt=0),
        "Costs of market buys are multiples of it, in quote currency.",
        in_quote=True,
    )
    paper_min_notional: Decimal = setting(
        "3", parse.money(ge=0), "Least value of an order, in quote currency.", in_quote=True
    )
    paper_partial_fill_prob: float = setting(
        "0",
        parse.real(ge=0, le=1),
        "Probability that an order fills only in part.",
        options=(("brokers", "paper", "partial_fill_prob"),),
    )
    paper_latency_ms: int = setting(
        "0",
        parse.whole(0, 60000),
        "Milliseconds an order takes to reach the venue.",
        options=(("brokers", "paper", "latency_ms"),),
    )


_DB_PATH = (
    "The SQLite file; its folder is created. Beside it lie the record of starts, the room kept for exits and "
    "the latch of the dead man's switch; with a database server they lie in the same folder under its name."
)


@section
class OperationSettings:
    """Where things are kept, how often they are checked, how the process is reached."""

    db_path: Path = setting("./data/trader.sqlite3", parse.path(), _DB_PATH)
    database_url: Secret = setting(
        "",
        parse.secret_url("postgresql+asyncpg", "sqlite+aiosqlite"),
        "Another database, such as postgresql+asyncpg://user:password@host/name, in place of a file.",
    )
    trace_keep_days: int = setting(
        "90",
        parse.whole(1, 36_500),
        "Days for which every detail of a decision to hold is kept; then only its row stays, with the "
        "reason. What led to an order is kept for ever.",
    )
    event_bus_url: Secret = setting(
        "",
        parse.secret_url("redis", "rediss"),
        "redis://... where other programs may read the events along; nothing waits for it. Empty: in memory.",
    )
    instance_key_url: Secret = setting(
        "",
        parse.secret_url("redis", "rediss"),
        "redis://... of the key that keeps a second host from trading this account; empty: one host only.",
    )
    account: str = setting(
        "",
        parse.account(),
        "Name of the account, in keys of Redis; empty: MODE:EXCHANGE. If set, alerts and metrics name it.",
    )
    instance_lock_path: Path | None = setting(
        "",
        parse.optional_path("empty: the lock beside the database, or a file path"),
        "Lock file that keeps a second instance from starting on this host, beside that of the database.",
    )
    plugins_allowed: tuple[str, ...] = setting(
        "",
        lists.names("a comma list of plugin ids such as strategy:my_idea"),
        "Third parties' plugins that may run in live; ours always may.",
    )
    equity_baseline_quote: Decimal | None = setting(
        "", parse.optional_money(gt=0), "Starting equity in quote currency; empty: found at the first start."
    )
    adopt_external: bool = setting(
        "false", parse.boolean(), "Whether balances bought by hand may be taken over on request."
    )
    reconcile_interval_sec: int = setting("60", parse.whole(1, 3600), "Seconds between reconciliations.")
    watchdog_interval_sec: int = setting("3", parse.whole(1, 3600), "Seconds between watchdog checks.")
    health_check_interval_sec: int = setting("10", parse.whole(1, 3600), "Seconds between health checks.")
    dms_enabled: bool | None = setting(
        "",
        parse.optional_boolean("true, false, or empty: true in live, false in paper"),
        "Whether a process of its own watches the bot and closes all positions when it is dead.",
    )
    dms_restart_sec: int = setting(
        "30",
        parse.whole(1, 3600),
        "Seconds without a completed supervision cycle after which the bot is killed, to be restarted.",
    )
    dms_timeout_sec: int = setting(
        "120",
        parse.whole(10, 3600),
        "Seconds after the last beat at which the dead man's switch closes all positions, unless another bot "
        "has taken over.",
    )
    dms_recheck_sec: float = setting(
        "3", parse.real(gt=0, le=60), "Seconds between the two confirmations before the bot is killed."
    )
    dms_restart: bool = setting(
        "false",
        parse.boolean(),
        "Whether the watching process starts the bot again, once; otherwise a service manager does.",
    )
    broker_rate_rps: float = setting(
        "8",
        parse.real(gt=0, le=15),
        "Requests per second to the exchange.",
        options=(("brokers", "gateio", "rate_rps"), ("brokers", "ccxt", "rate_rps")),
    )
    broker_rate_burst: int = setting(
        "16",
        parse.whole(1, 50),
        "Requests that may go out at once.",
        options=(("brokers", "gateio", "rate_burst"), ("brokers", "ccxt", "rate_burst")),
    )
    host: str = setting("127.0.0.1", parse.text("a host name or address"), "Address the HTTP server binds.")
    port: int = setting("8000", parse.whole(0, 65535), "Port of the HTTP server; 0 takes any free one.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = setting(
        "INFO",
        parse.choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        "Least level that is logged.",
    )
    log_dir: Path | None = setting(
        "",
        parse.optional_path("empty: the folder logs beside the database, or a folder"),
        "Folder of the log file cab.jsonl; it is set aside at 10 MB, and gone 90 days after that.",
    )
    log_format: Literal["auto", "json", "console"] = setting(
        "auto", parse.choice("auto", "json", "console"), "auto: console on a terminal, JSON lines elsewhere."
    )


#: The notifiers whose options the settings of these names are other names of.
_TELEGRAM = ("notifiers", "telegram")
_WEBHOOK = ("notifiers", "webhook")


@section
class MessageSettings:
    """Who is told, and who may command."""

    notifier_set: tuple[str, ...] = setting(
        "log", lists.names("a comma list of installed notifiers"), "The notifiers that get alerts."
    )
    telegram_bot_token: Secret = setting(
        "",
        parse.secret(),
        "Token of the Telegram bot; needs a chat id. It switches the notifier telegram on, whether or not "
        "NOTIFIER_SET names it.",
        options=((*_TELEGRAM, "token"),),
    )
    telegram_chat_id: str = setting(
        "",
        parse.text("empty, a numeric id or @channel"),
        "Chat that alerts go to, and where commands are taken beside the users' private chats.",
        options=((*_TELEGRAM, "chat_id"),),
    )
    telegram_allowed_users: tuple[int, ...] = setting(
        "",
        lists.integers("a comma list of numeric user ids"),
        "Users the bot answers; empty: it sends alerts and takes no commands.",
        options=((*_TELEGRAM, "allowed_users"),),
    )
    telegram_admins: tuple[int, ...] = setting(
        "",
        lists.integers("a comma list, all of them in TELEGRAM_ALLOWED_USERS"),
        "Users who may pause, resume and stop; empty: all allowed users.",
        options=((*_TELEGRAM, "admins"),),
    )
    telegram_api_url: str = setting(
        "https://api.telegram.org",
        parse.url("https", "http"),
        "Address of the Bot API: another one for a Bot API server of your own.",
        options=((*_TELEGRAM, "base_url"),),
    )
    webhook_url: Secret = setting(
        "",
        parse.secret_url("https", "http"),
        "Where the notifier webhook posts alerts; it switches the notifier on, whether or not NOTIFIER_SET "
        "names it.",
        options=((*_WEBHOOK, "url"),),
    )
    webhook_secret: Secret = setting(
        "",
        parse.secret(),
        "Key that signs what the webhook posts, 16 characters or more.",
        options=((*_WEBHOOK, "secret"),),
    )
    notify_allow_hosts: tuple[str, ...] = setting(
        "", lists.hosts(), "Hosts on private or loopback addresses that notifiers may post to all the same."
    )
