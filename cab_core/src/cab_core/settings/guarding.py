"""Settings of the macro regime and of the risk rules."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from cab_core.settings import lists, parse
from cab_core.settings.setting import section, setting

_SOURCE_URL = parse.url("https", "http", "file")
_POINTER = parse.text("a JSON pointer such as /data/0/value (RFC 6901), or empty")
_KIND = parse.choice("change", "value")
_POINTER_HELP = "Where the number is in a document of another form."
_KIND_HELP = "What that number is: the change in percent over about 24 h, or the level."


@section
class RegimeSettings:
    """The macro filter. A source without an address is absent; with none the regime is risk_on."""

    regime_enabled: bool = setting("true", parse.boolean(), "false: the regime is always risk_on.")
    regime_dxy_url: str = setting("", _SOURCE_URL, "Address of the dollar index document.")
    regime_dxy_change_pct: float = setting(
        "0.35", parse.real(gt=0), "Daily rise of the dollar index, in percent, that costs 0.6 of the score."
    )
    regime_dxy_json_pointer: str = setting(
        "", _POINTER, _POINTER_HELP, options=(("macro_sources", "dxy", "json_pointer"),)
    )
    regime_dxy_kind: Literal["change", "value"] = setting(
        "value", _KIND, _KIND_HELP, options=(("macro_sources", "dxy", "kind"),)
    )
    regime_btc_dom_url: str = setting("", _SOURCE_URL, "Address of the Bitcoin dominance document.")
    regime_btc_dom_change_pct: float = setting(
        "0.60",
        parse.real(gt=0),
        "Daily rise of the dominance, in relative percent, that costs 0.6 of the score.",
    )
    regime_btc_dom_json_pointer: str = setting(
        "", _POINTER, _POINTER_HELP, options=(("macro_sources", "btc_dominance", "json_pointer"),)
    )
    regime_btc_dom_kind: Literal["change", "value"] = setting(
        "value", _KIND, _KIND_HELP, options=(("macro_sources", "btc_dominance", "kind"),)
    )
    regime_fomc_url: str = setting("", _SOURCE_URL, "Address of the FOMC calendar.")
    regime_fomc_block_hours: float = setting(
        "8", parse.real(gt=0), "Hours before and after an event, inclusive, during which entries are blocked."
    )
    regime_allow_hosts: tuple[str, ...] = setting(
        "", lists.hosts(), "Hosts on private or loopback addresses that sources may ask all the same."
    )
    regime_interval_sec: int = setting("300", parse.whole(10, 86400), "Seconds between readings.")
    regime_max_age_sec: int = setting(
        "21600",
        parse.whole(60, 604800),
        "Seconds after which a source without a successful reading is stale.",
    )
    regime_hysteresis: float = setting(
        "0.05", parse.real(ge=0, le=1), "How far the score must clear a limit before the regime relaxes."
    )


@section
class RiskSettings:
    """Limits on entries. Exits are never blocked by them."""

    max_positions: int = setting(
        "20",
        parse.whole(1, 1000),
        "Positions open at once; an entry beyond them is not made. Each is looked at every "
        "EXITS_INTERVAL_SEC, which the requests to the exchange must allow.",
    )
    risk_loss_streak_count: int = setting(
        "3",
        parse.whole(1, 50),
        "Losing round trips in a row that halt all entries until midnight UTC.",
        options=(("risk_rules", "loss_streak", "count"),),
    )
    risk_max_drawdown_pct: Decimal = setting(
        "10.0",
        parse.money(gt=0, le=100),
        "Fall of the equity from its peak, in percent, that halts all entries until reset by hand.",
        options=(("risk_rules", "max_drawdown", "max_pct"),),
    )
    risk_daily_loss_limit_quote: Decimal = setting(
        "100",
        parse.money(gt=0),
        "Loss of the UTC day, in quote currency, that halts all entries until midnight UTC.",
        options=(("risk_rules", "daily_loss", "limit_quote"),),
        in_quote=True,
    )
    risk_cooldown_sec: float = setting(
        "60",
        parse.real(gt=0, le=86400),
        "Seconds after a fill of a symbol during which its next entry waits.",
        options=(("risk_rules", "cooldown", "seconds"),),
    )
    risk_max_spread_pct: Decimal = setting(
        "0.5",
        parse.money(gt=0, le=5),
        "Widest bid-ask spread of an entry, in percent.",
        options=(("risk_rules", "spread_cap", "max_pct"),),
    )
    risk_corr_groups: str = setting(
        "",
        lists.corr_groups(),
        "Symbols that count as fully correlated.",
        options=(("risk_rules", "correlation", "groups"),),
    )
    risk_max_slippage_pct: Decimal = setting(
        "1.0", parse.money(gt=0, le=5), "Greatest expected slippage of an entry, in percent."
    )
    risk_max_orders_5m: int = setting("5", parse.whole(1), "Orders within five minutes that raise a note.")
    risk_max_turnover_5m_quote: Decimal = setting(
        "1000",
        parse.money(gt=0),
        "Turnover within five minutes, in quote currency, that raises a note.",
        in_quote=True,
    )
    risk_enforce_5m: bool = setting("false", parse.boolean(), "The two five-minute limits delay entries.")
    risk_emergency_flatten: bool = setting(
        "false",
        parse.boolean(),
        "While a critical rule's halt is in force, also one that ends at midnight, every position is sold.",
    )
    risk_disabled_rules: tuple[str, ...] = setting(
        "", lists.names("a comma list of risk rules"), "Installed rules that are switched off."
    )
    risk_allow_disabled: bool = setting(
        "false", parse.boolean(), "Needed in live before RISK_DISABLED_RULES is obeyed."
    )
    risk_rule_files: tuple[str, ...] = setting(
        "",
        lists.names("a comma list of paths of .py files"),
        "Single-file risk rules, in paper and backtest.",
    )
