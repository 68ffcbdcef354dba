"""The systemd units: hardened, right, and about commands and settings that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from deployed import FOREIGN, KNOWN, ROOT, UNITS, exists, unit

BIN = "/usr/local/lib/cab/bin/"

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


def test_all_units_are_looked_at() -> None:
    assert [path.name for path in UNITS] == [
        "cab-backup.service",
        "cab-health-monitor.service",
        "cab.service",
    ]


@needs_systemd
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_the_exposure_is_low(path: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=25", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:]


@needs_systemd
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """It also asks whether the programs exist, so they stand for ours here."""
    for path in (ROOT / "ops/systemd").glob("*.*"):
        if path.suffix in {".service", ".timer"}:
            text = re.sub(rf"{BIN}\S+", sys.executable, path.read_text())
            (tmp_path / path.name).write_text(text)
    names = [path.name for path in (*UNITS, ROOT / "ops/systemd/cab-backup.timer")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in names)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_every_command_and_setting_exists(path: Path) -> None:
    service = unit(path)
    for line in service["ExecStart"]:
        program, *words = line.removeprefix(BIN).split()
        assert exists(words if program == "cab" else [program.removeprefix("cab-"), *words]), line
    names = {item.split("=", 1)[0] for item in service["Environment"]}
    assert not names - KNOWN - FOREIGN


def test_the_bot_tells_systemd_how_it_is() -> None:
    service = unit(ROOT / "ops/systemd/cab.service")
    assert service["Type"] == ["notify"]
    assert int(service["WatchdogSec"][0]) <= 30
    assert service["Restart"] == ["on-failure"]
    # misuse, refusal for safety, configuration: a start again would end the same way
    assert set(service["RestartPreventExitStatus"][0].split()) == {"2", "8", "78"}
    assert int(service["TimeoutStopSec"][0]) >= 60


def test_the_dead_mans_switch_outlives_a_killed_bot() -> None:
    assert unit(ROOT / "ops/systemd/cab.service")["KillMode"] == ["process"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_secrets_are_credentials(path: Path) -> None:
    service = unit(path)
    given = dict(item.split("=", 1) for item in service["Environment"])
    loaded = [item.split(":", 1)[0] for item in service.get("LoadCredential", [])]
    files = {value for name, value in given.items() if name.endswith("_FILE")}
    assert files == {f"%d/{name}" for name in loaded}
    if path.name == "cab.service":
        assert len(files) >= 4


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_no_unit_runs_as_root_and_all_share_one_database(path: Path) -> None:
    service = unit(path)
    assert service["User"] == ["cab"]
    assert service["UMask"] == ["0077"]
    assert service["StateDirectoryMode"] == ["0700"]
    assert "DB_PATH=/var/lib/cab/trader.sqlite3" in service["Environment"]
    assert "INSTANCE_LOCK_PATH=/var/lib/cab/cab.lock" in service["Environment"]


def test_real_money_takes_a_step_of_its_own() -> None:
    assert "yes-live" not in (ROOT / "ops/systemd/cab.service").read_text()
    drop_in = unit(ROOT / "ops/systemd/live.conf")
    assert drop_in["ExecStart"] == ["", f"{BIN}cab run --yes-live"]
    assert exists(["run", "--yes-live"])


@needs_systemd
@pytest.mark.parametrize(
    ("name", "drop_in"), [("cab.service", "postgresql.conf"), ("cab-backup.service", "backup-of-server.conf")]
)
def test_a_database_on_a_server_is_reached_and_its_address_a_secret(
    tmp_path: Path, name: str, drop_in: str
) -> None:
    given = unit(ROOT / "ops/systemd" / drop_in)
    assert given["LoadCredential"] == ["database_url:/etc/cab/secrets/database_url"]
    assert given["Environment"] == ["DATABASE_URL_FILE=%d/database_url"]
    text = re.sub(rf"{BIN}\S+", sys.executable, (ROOT / "ops/systemd" / name).read_text())
    (tmp_path / name).write_text(text)
    (tmp_path / f"{name}.d").mkdir()
    (tmp_path / f"{name}.d" / drop_in).write_text((ROOT / "ops/systemd" / drop_in).read_text())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
