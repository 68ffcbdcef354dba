"""Keys are nowhere to be seen, and ccxt is nowhere loaded until a broker opens."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from ccxt_world import SYMBOL, World

from cab_broker_ccxt import Gateio
from cab_core.sdk import CabError, Secret

KEY, SECRET = "canary-key-4711", "canary-secret-0815"


async def test_a_canary_never_sings(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    account = world.account(api_key=Secret(KEY), api_secret=Secret(SECRET))
    said: list[str] = []
    async with world.opened(account) as broker:
        said += [repr(broker), str(broker), repr(broker._api.client), repr(broker._api), repr(broker._config)]
        said.append(repr(await broker.submit(world.buy())))  # refused: there is no such key
        said.append(repr(await broker.resolve(world.buy())))
        for kind in ("hang", "cut", "truncated", "html_200", "page_502"):
            world.fault(kind, "after_accept")
            said.append(repr(await broker.submit(world.buy())))
        for question in (broker.balances(), broker.fills_since(SYMBOL, 0), broker.check()):
            with pytest.raises(CabError) as caught:
                await question
            error: BaseException | None = caught.value
            while error is not None:
                said += [repr(error), str(error), str(vars(error))]
                error = error.__cause__ or error.__context__
    text = "\n".join([*said, caplog.text, repr(Gateio())])
    assert KEY not in text
    assert SECRET not in text


def test_importing_the_plugin_does_not_load_ccxt() -> None:
    code = (
        "import sys; from cab_broker_ccxt import Ccxt, Gateio; Gateio(); Ccxt(); "
        "loaded = [m for m in sys.modules if m.split('.')[0] in ('ccxt', 'aiohttp')]; "
        "sys.exit(repr(loaded) if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
