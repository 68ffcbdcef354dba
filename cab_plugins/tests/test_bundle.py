from __future__ import annotations

import subprocess
import sys

from cab_core.plugins.inventory import Origin, take_inventory


def test_every_bundled_package_offers_a_plugin_and_is_known_as_bundled():
    # In a process of its own: pytest takes this folder's parent, also named cab_plugins, for the package.
    script = "from cab_plugins import bundled; print(*bundled())"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    offered = {record.dist for record in take_inventory() if record.origin is Origin.BUNDLED}
    # The local exchange is bundled too; it is no plugin.
    assert set(done.stdout.split()) - {"cab-exchange-sim"} == offered
    assert {"cab-strategy-ema-atr", "cab-risk-max-drawdown", "cab-broker-paper"} <= offered
