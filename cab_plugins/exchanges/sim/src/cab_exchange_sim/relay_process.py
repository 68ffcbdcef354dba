"""The relay in a process of its own, told what to do by lines of JSON on its standard input.

    python -m cab_exchange_sim.relay_process --to 8787

Prints ``{"port": 40123}``, then answers each line with the counts so far. The lines:

    {"do": "next", "faults": [{"action": "cut", "amount": 20, "match": "^POST"}]}
    {"do": "always", "fault": {"action": "throttle", "amount": 100}}    or null
    {"do": "schedule", "seed": 7, "shares": [[{"action": "late", "amount": 2}, 0.01]]}
    {"do": "refuse"}   {"do": "open"}   {"do": "clear"}   {"do": "counts"}

It ends with its input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

from cab_exchange_sim.relay import NetFault, Relay


async def obey(relay: Relay, order: Mapping[str, Any]) -> Mapping[str, Any]:
    """Carry out one order and return its answer; an order that makes no sense is answered with ``error``."""
    try:
        match order.get("do"):
            case "next":
                relay.next(*(NetFault(**fault) for fault in order["faults"]))
            case "always":
                relay.always(None if order["fault"] is None else NetFault(**order["fault"]))
            case "schedule":
                shares = {NetFault(**fault): float(share) for fault, share in order["shares"]}
                relay.schedule(order["seed"], shares)
            case "refuse":
                await relay.refuse()
            case "open":
                await relay.open()
            case "clear":
                relay.clear()
            case "counts":
                pass
            case other:
                return {"error": f"unknown order {other!r}"}
    except (KeyError, TypeError, ValueError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"counts": relay.counts()}


async def main(argv: list[str]) -> None:
    """Run until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--to", type=int, required=True, help="port of the server on this machine")
    parser.add_argument("--listen", type=int, default=0, help="port to listen on; 0: any free one")
    options = parser.parse_args(argv)
    async with Relay(options.to, listen=options.listen) as relay:
        _say({"port": relay.port})
        while line := await asyncio.to_thread(sys.stdin.readline):
            _say(await obey(relay, json.loads(line)))


def _say(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
