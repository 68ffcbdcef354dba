"""What is known of currencies by their name: which are dollars, and how many decimals an amount has."""

from __future__ import annotations

#: The dollar and the coins that stand for one: a default amount in quote is meant in these.
DOLLARS = frozenset(
    {
        *("USD", "USDT", "USDC", "BUSD", "DAI", "FDUSD", "FRAX", "GUSD", "LUSD", "PYUSD", "RLUSD", "TUSD"),
        *("USD1", "USDD", "USDE", "USDG", "USDP", "USDS"),
    }
)

#: Other money with two decimals, and money without.
_CENTS = frozenset(
    {
        *("AED", "AUD", "BRL", "CAD", "CHF", "CZK", "EUR", "EURC", "EURI", "EURS", "EURT", "GBP", "HKD"),
        *("MXN", "NZD", "PLN", "SEK", "SGD", "TRY", "ZAR"),
    }
)
_WHOLE = frozenset({"CLP", "IDR", "JPY", "KRW", "VND"})

#: Decimals of a coin: those of a satoshi.
COIN_DECIMALS = 8


def is_dollar(currency: str) -> bool:
    """Say whether an amount of this currency is one of dollars."""
    return currency.upper() in DOLLARS


def decimals_of(currency: str) -> int:
    """Return the decimals with which an amount of this currency is written."""
    name = currency.upper()
    if name in _WHOLE:
        return 0
    return 2 if name in DOLLARS or name in _CENTS else COIN_DECIMALS


def quote_of(symbol: str) -> str:
    """Return the quote currency of a symbol: ``USDT`` of ``BTC/USDT``."""
    return symbol.partition("/")[2]
