"""The exchange itself: pure and synchronous, a function of its seed, the calls and their times."""

from cab_exchange_sim.engine.exchange import Exchange
from cab_exchange_sim.engine.ledger import Entry, Ledger
from cab_exchange_sim.engine.values import (
    Book,
    Order,
    OrderRequest,
    Refused,
    Stop,
    StopRequest,
    Trade,
    pair_of,
    symbol_of,
)
from cab_exchange_sim.engine.venue import CandleConditions, Conditions, PairConditions, VenueSettings

__all__ = [
    "Book",
    "CandleConditions",
    "Conditions",
    "Entry",
    "Exchange",
    "Ledger",
    "Order",
    "OrderRequest",
    "PairConditions",
    "Refused",
    "Stop",
    "StopRequest",
    "Trade",
    "VenueSettings",
    "pair_of",
    "symbol_of",
]
