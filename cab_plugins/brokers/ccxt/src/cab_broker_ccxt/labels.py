"""Error labels of Gate, classes of ccxt for the others, and the kernel's reasons (pure).

Only labels are stable; texts merely refine them.
"""

from __future__ import annotations

import re

_FUNDS = ("InsufficientFunds", "BALANCE_NOT_ENOUGH", "MARGIN_BALANCE_NOT_ENOUGH")
_PAIR = ("BadSymbol", "INVALID_CURRENCY_PAIR", "INVALID_CURRENCY", "TRADE_RESTRICTED", "ORDER_BOOK_NOT_FOUND")
_KEYS = (
    "AuthenticationError",
    "PermissionDenied",
    "AccountSuspended",
    "AccountNotEnabled",
    "INVALID_KEY",
    "INVALID_CREDENTIALS",
    "INVALID_SIGNATURE",
    "IP_FORBIDDEN",
    "MISSING_REQUIRED_HEADER",
    "READ_ONLY",
    "FORBIDDEN",
    "ACCOUNT_LOCKED",
)

GONE = frozenset({"ORDER_CLOSED", "ORDER_CANCELLED", "AUTO_ORDER_CLOSED"})
NOT_FOUND = frozenset({"OrderNotFound", "ORDER_NOT_FOUND", "CLIENT_ID_NOT_FOUND", "AUTO_ORDER_NOT_FOUND"})
RATE_LIMITED = frozenset({"TOO_MANY_REQUESTS", "TOO_FAST", "RateLimitExceeded", "DDoSProtection"})
REASONS: dict[str, str] = {
    **dict.fromkeys(_FUNDS, "insufficient_funds"),
    **dict.fromkeys(_PAIR, "not_tradable"),
    **dict.fromkeys(_KEYS, "credentials"),
    **dict.fromkeys(sorted(RATE_LIMITED), "rate_limited"),
    **dict.fromkeys(sorted(GONE | NOT_FOUND), "not_open"),
    "REQUEST_EXPIRED": "clock_skew",
    "InvalidNonce": "clock_skew",
    "AMOUNT_TOO_LITTLE": "below_min_notional",
    "QUANTITY_NOT_ENOUGH": "below_min_notional",
    "INVALID_PRECISION": "bad_precision",
    "AUTO_TRIGGER_PRICE_LESS_LAST": "trigger_reached",
    "AUTO_TRIGGER_PRICE_GREATE_LAST": "trigger_reached",
}
_TRANSIENT = frozenset({"rate_limited", "clock_skew"})

#: Labels that say no more than that something is wrong, and the sentences that say what. A sentence is known
#: as a whole: a price band has a minimum, too, and an exit that was called too small by mistake is lost time.
_GENERAL = frozenset({"INVALID_PARAM_VALUE", "INVALID_ARGUMENT", "BAD_REQUEST"})
_SENTENCES = (
    (re.compile(r"trigger\.price must", re.IGNORECASE), "trigger_reached"),
    (re.compile(r"your order size\b.*\bis too small\b", re.IGNORECASE), "below_min_notional"),
    (re.compile(r"precision", re.IGNORECASE), "bad_precision"),
)


def reason_of(label: str, message: str = "") -> tuple[str, bool]:
    """Return the reason of a refusal and whether a retry may help; unknown labels in lower case."""
    reason = REASONS.get(label)
    if reason is None and label in _GENERAL:
        reason = next((meaning for known, meaning in _SENTENCES if known.search(message)), None)
    reason = reason or label.lower()
    return reason, reason in _TRANSIENT
