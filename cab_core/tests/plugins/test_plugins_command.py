from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from cab_core.plugins.kinds import Kind


@pytest.fixture
def cab(site):
    """Run ``cab`` in a process of its own that sees the packages of the site."""

    def run(*args: str, prelude: str = "") -> subprocess.CompletedProcess[str]:
        script = f"{prelude}\nimport sys; from cab_core.cli import invoke; sys.exit(invoke(sys.argv[1:]))"
        return subprocess.run(
            [sys.executable, "-c", script, *args],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(site.folder), "NO_COLOR": "1"},
        )

    return run


def test_list_shows_every_plugin_with_status_and_reason(site, cab):
    site.install(Kind.STRATEGY, "mine", version="2.5")
    site.install(Kind.RISK, "newer", requires=["cab-core>=9"])
    done = cab("plugins", "list", "--json")
    assert done.returncode == 0, done.stderr
    found = {row["id"]: row for row in json.loads(done.stdout)["plugins"]}
    assert found["strategy:mine"] == {
        "id": "strategy:mine",
        "kind": "strategy",
        "name": "mine",
        "dist": "acme-strategy-mine",
        "version": "2.5",
        "origin": "third-party",
        "status": "available",
        "reason": "",
    }
    assert found["risk:newer"]["status"] == "incompatible"
    assert found["strategy:ema_cross"]["origin"] == "bundled"
    only = cab("plugins", "list", "--kind", "risk").stdout
    assert "risk:newer" in only
    assert "strategy:" not in only


def test_list_imports_no_plugin_and_is_quick(site, cab):
    site.install(Kind.STRATEGY, "loud", "raise SystemExit('imported')")
    prelude = (
        "import atexit, sys, time\n"
        "def told():\n"
        "    seen = [m for m in sys.modules if m.startswith(('cab_strategy', 'cab_risk', 'cab_macro',"
        " 'cab_broker', 'cab_notifier', 'acme', 'ccxt', 'litestar', 'sqlalchemy', 'numpy'))]\n"
        "    print(seen, time.process_time(), file=sys.stderr)\n"
        "atexit.register(told)"
    )
    done = cab("plugins", "list", prelude=prelude)
    assert done.returncode == 0
    assert "strategy:loud" in done.stdout
    seen, seconds = done.stderr.strip().rsplit(" ", 1)
    assert seen == "[]"
    assert float(seconds) < 0.5


def test_info_describes_one_plugin(site, cab):
    site.install(Kind.STRATEGY, "mine")
    described = json.loads(cab("plugins", "info", "mine", "--json").stdout)
    assert (described["id"], described["summary"], described["hooks"]) == (
        "strategy:mine",
        "Always holds.",
        ["signals"],
    )
    assert described["warmup_bars"] == 12
    assert described["file"].endswith("acme_strategy_mine.py")
    assert described["options"] == [
        {"name": "fast", "type": "int", "default": "12", "range": "[2, 200]", "help": "Fast period, bars."}
    ]
    text = cab("plugins", "info", "strategy:mine").stdout
    assert "Fast period, bars." in text
    assert "[2, 200]" in text


def test_info_of_an_unknown_plugin_exits_4_with_the_nearest_name(cab):
    done = cab("plugins", "info", "strategy:ema_crss")
    assert done.returncode == 4
    assert "did you mean strategy:ema_cross?" in done.stderr


def test_doctor_names_what_is_wrong_with_each_and_exits_1(site, cab):
    bad = {
        "exits": "raise SystemExit(3)",
        "dies": "import os; os._exit(9)",
        "hangs": "import time; time.sleep(60)",
        "prints": "print('[not json]')\nfrom cab_core.sdk import Strategy\nPlugin = Strategy",
        "raises": """
            from cab_core.sdk import Strategy, hookimpl, plugin

            @plugin
            class Plugin(Strategy):
                def warmup_bars(self):
                    return 1

                @hookimpl
                def signals(self, bars):
                    raise ValueError("no idea")
        """,
    }
    for name, source in bad.items():
        site.install(Kind.STRATEGY, name, source)
    site.install(Kind.STRATEGY, "unbound", requires=[])
    site.install(Kind.STRATEGY, "twice", dist="acme-a")
    site.install(Kind.STRATEGY, "twice", dist="acme-b")
    site.install(Kind.STRATEGY, "good")
    names = [*bad, "unbound", "twice", "good"]
    done = cab("plugins", "doctor", *(f"strategy:{n}" for n in names), "--timeout", "8", "--json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] is False
    wrong = {f["id"]: (f["check"], f["detail"]) for f in report["findings"] if not f["ok"]}
    expected = {
        "exits": ("import", "SystemExit: 3"),
        "dies": ("import", "ended with code 9"),
        "hangs": ("import", "did not come back within 8 s"),
        "prints": ("hooks", "implements no hook"),
        "raises": ("answers", "ValueError: no idea"),
        "unbound": ("metadata", "does not say which cab-core"),
        "twice": ("conflict", "acme-a 1.0"),
    }
    assert wrong.keys() == {f"strategy:{name}" for name in expected}
    for name, (check, detail) in expected.items():
        assert wrong[f"strategy:{name}"][0] == check
        assert detail in wrong[f"strategy:{name}"][1]


def test_doctor_finds_a_plugin_of_each_kind_well(site, cab):
    for kind in Kind:
        site.install(kind, "mine")
    done = cab(
        "plugins",
        "doctor",
        "strategy:mine",
        "risk:mine",
        *(f"{kind}:mine" for kind in ("macro", "broker", "notifier")),
    )
    assert done.returncode == 0, done.stdout
    assert "All is well." in done.stdout
