"""What somebody else does to the account meanwhile: by hand in the app, or another program."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from cab_core.app.rehearsal.plane import Plane, PlaneRefusedError
from cab_core.domain.money import floor_step

ACCOUNT = "main"


async def act(plane: Plane, name: str, pair: str, draw: Random) -> bool:
    """Do one thing by hand; False if there was nothing to do it to."""
    base, quote = pair.split("_")
    if name == "cancel_stop":
        return await _cancel_stop(plane, pair, draw)
    if name == "deposit":
        await plane.ask("POST", "/balances", {"currency": draw.choice((base, quote)), "delta": "0.5"})
        return True
    if name == "foreign_order":
        order = {"pair": pair, "side": "buy", "type": "market", "amount": "25", "tif": "ioc", "text": "web"}
        return await _taken(plane, "POST", "/orders", order)
    return await _sell(plane, pair, base)


async def _cancel_stop(plane: Plane, pair: str, draw: Random) -> bool:
    stops = [stop for stop in (await plane.ask("GET", "/orders"))["stops"] if stop["request"]["pair"] == pair]
    if not stops:
        return False
    return await _taken(plane, "DELETE", f"/stops/{draw.choice(stops)['stop_id']}")


async def _sell(plane: Plane, pair: str, base: str) -> bool:
    """Sell half of what the account holds."""
    held = (await plane.ask("GET", "/balances"))["accounts"][ACCOUNT].get(base, {})
    rules = (await plane.ask("GET", f"/pairs/{pair}"))["rules"]
    amount = floor_step(Decimal(held.get("available", "0")) / 2, Decimal(rules["amount_step"]))
    if not amount:
        return False
    order = {"pair": pair, "side": "sell", "type": "market", "amount": f"{amount:f}", "tif": "ioc"}
    return await _taken(plane, "POST", "/orders", order)


async def _taken(plane: Plane, method: str, path: str, body: object = None) -> bool:
    """Ask for something; False if it cannot be done: too small, no money, or a stop that has just ended."""
    try:
        await plane.ask(method, path, body)
    except PlaneRefusedError:
        return False
    return True
