"""Error labels of Gate and the kernel's reasons (pure).

Only labels are stable; texts merely refine them.
"""

from __future__ import annotations

import re

_FUNDS = ("BALANCE_NOT_ENOUGH", "MARGIN_BALANCE_NOT_ENOUGH", "INSUFFICIENT_AVAILABLE")
_PAIR = ("INVALID_CURRENCY_PAIR", "INVALID_CURRENCY", "TRADE_RESTRICTED", "ORDER_BOOK_NOT_FOUND")
_KEYS = (
    "INVALID_KEY",
    "INVALID_CREDENTIALS",
    "AUTHENTICATION_FAILED",
    "INVALID_SIGNATURE",
    "IP_FORBIDDEN",
    "MISSING_REQUIRED_HEADER",
    "READ_ONLY",
    "FORBIDDEN",
    "ACCOUNT_LOCKED",
    "SUB_ACCOUNT_LOCKED",
)
#: Labels that say no more than that the request is wrong.
_GENERAL = (
    "INVALID_PARAM_VALUE",
    "INVALID_ARGUMENT",
    "BAD_REQUEST",
    "INVALID_REQUEST_BODY",
    "MISSING_REQUIRED_PARAM",
    "INVALID_PROTOCOL",
    "INVALID_CONTENT_TYPE",
    "NOT_ACCEPTABLE",
    "METHOD_NOT_ALLOWED",
    "AUTO_INVALID_PARAM_TRIGGER_EXPIRATION",
)

GONE = frozenset({"ORDER_CLOSED", "ORDER_CANCELLED", "AUTO_ORDER_CLOSED"})
#: ccxt's own names of a limited rate stand for the labels of venues other than Gate.
RATE_LIMITED = frozenset({"TOO_MANY_REQUESTS", "TOO_FAST", "RateLimitExceeded", "DDoSProtection"})
NOT_FOUND = frozenset({"ORDER_NOT_FOUND", "CLIENT_ID_NOT_FOUND", "AUTO_ORDER_NOT_FOUND"})

#: The labels that prove that an order was not taken, with the kernel's reason. What is not among them proves
#: nothing: a repeated client id may be that of an order which was taken, a closed order one that has traded.
REFUSALS: dict[str, str] = {
    **dict.fromkeys(_FUNDS, "insufficient_funds"),
    **dict.fromkeys(_PAIR, "not_tradable"),
    **dict.fromkeys(_KEYS, "credentials"),
    **{label: label.lower() for label in _GENERAL},
    **dict.fromkeys(sorted(RATE_LIMITED), "rate_limited"),
    "REQUEST_EXPIRED": "clock_skew",
    "AMOUNT_TOO_LITTLE": "below_min_notional",
    "QUANTITY_NOT_ENOUGH": "below_min_notional",
    "AMOUNT_TOO_MUCH": "amount_too_much",
    "TOO_MANY_ORDERS": "too_many_orders",
    "INVALID_PRECISION": "bad_precision",
    "AUTO_TRIGGER_PRICE_LESS_LAST": "trigger_reached",
    "AUTO_TRIGGER_PRICE_GREATE_LAST": "trigger_reached",
}
_TRANSIENT = frozenset({"rate_limited", "clock_skew"})

#: What the text of a general label may say. A sentence is known as a whole: a price band has a minimum, too,
#: and an exit that was called too small by mistake is lost time.
_SENTENCES = (
    (re.compile(r"trigger\.price must", re.IGNORECASE), "trigger_reached"),
    (re.compile(r"your order size\b.*\bis too small\b", re.IGNORECASE), "below_min_notional"),
    (re.compile(r"precision", re.IGNORECASE), "bad_precision"),
)


def refusal_of(label: str, message: str = "") -> tuple[str, bool] | None:
    """Return why an order was not taken and whether a retry may help; None if the label proves nothing."""
    reason = REFUSALS.get(label)
    if label in _GENERAL:
        reason = next((meaning for known, meaning in _SENTENCES if known.search(message)), reason)
    return None if reason is None else (reason, reason in _TRANSIENT)
