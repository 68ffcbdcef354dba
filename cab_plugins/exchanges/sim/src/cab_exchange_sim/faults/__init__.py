"""Faults on purpose: rules that answer, delay, garble or lose a request before or after it is accepted."""

from cab_exchange_sim.faults.asgi import FaultMiddleware
from cab_exchange_sim.faults.plan import Faults, Injected
from cab_exchange_sim.faults.rules import AFTER_ACCEPT, BEFORE_ACCEPT, KINDS, Request, Rule

__all__ = [
    "AFTER_ACCEPT",
    "BEFORE_ACCEPT",
    "KINDS",
    "FaultMiddleware",
    "Faults",
    "Injected",
    "Request",
    "Rule",
]
