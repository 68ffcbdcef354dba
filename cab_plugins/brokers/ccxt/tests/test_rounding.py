"""ccxt rounds its own way; the bot that uses it does not."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, getcontext

from cab_broker_ccxt.wire import watched


async def rounding_half_up() -> str:
    getcontext().rounding = ROUND_HALF_UP
    return "rounded"


async def test_a_call_of_ccxt_leaves_the_rounding_of_its_caller_alone() -> None:
    before = repr(getcontext())
    reply = await watched(rounding_half_up())
    assert (reply.data, repr(getcontext())) == ("rounded", before)
