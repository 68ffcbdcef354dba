import json
import os
import resource
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import cab_core
from cab_core.cli import invoke
from cab_core.cli.table import ENTRIES

CAB = Path(sysconfig.get_path("scripts")) / "cab"
CLEAN = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TMPDIR")}


def cab(*args, cwd, env=None, **kwargs):
    command = [str(CAB), *args]
    return subprocess.run(
        command, cwd=cwd, env={**CLEAN, **(env or {})}, capture_output=True, text=True, timeout=60, **kwargs
    )


def test_the_help_names_every_command(tmp_path):
    done = cab("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in ENTRIES)
    assert done.stdout == cab(cwd=tmp_path).stdout == cab("-h", cwd=tmp_path).stdout


def test_the_version(tmp_path):
    assert cab("--version", cwd=tmp_path).stdout == f"cab {cab_core.__version__}\n"


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_a_look_costs_next_to_nothing(option, tmp_path):
    """The bound is for the whole process, interpreter included; loaded machines get three tries."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "use = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(use.ru_utime + use.ru_stime, use.ru_maxrss)\n"
    )
    best = min(
        tuple(
            map(float, subprocess.check_output([sys.executable, "-c", code, CAB, option], text=True).split())
        )
        for _ in range(3)
    )
    assert best[0] <= 0.15
    assert best[1] <= 30 * 1024


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_a_look_imports_nothing_heavy(option):
    call = f"import sys; from cab_core.cli import invoke; invoke([{option!r}]); "
    code = call + "print(*sys.modules, file=sys.stderr)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stderr.split()
    heavy = {
        "click",
        "rich",
        "rich_click",
        "attr",
        "attrs",
        "numpy",
        "dynaconf",
        "structlog",
        "sqlalchemy",
        "json",
    }
    assert not heavy & set(loaded)


def test_an_unknown_command_gets_the_nearest(tmp_path):
    done = cab("bakctest", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert (
        done.stderr
        == "error[CAB-E200]: no such command: bakctest\n  where: cab\n  fix: did you mean: cab backtest?\n"
    )


@pytest.mark.parametrize(
    "args",
    [
        ("--nope",),
        ("config", "--nope"),
        ("config", "nope"),
        ("config", "show", "--nope"),
        ("config", "explain"),
        ("config", "show", "extra"),
        ("config", "show", "--set"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_helps(args, tmp_path):
    done = cab(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error[CAB-E200]: ")
    assert "  fix: " in done.stderr


def test_a_mistyped_option_gets_the_nearest(tmp_path):
    assert "did you mean --sources?" in cab("config", "show", "--source", cwd=tmp_path).stderr


def test_a_command_that_is_not_there_breaks_nothing_else(monkeypatch, capsys):
    monkeypatch.setitem(ENTRIES, "smoke", ENTRIES["smoke"]._replace(name="no_such_module"))
    assert invoke(["smoke"]) == 4
    assert "not part of this installation" in capsys.readouterr().err
    assert invoke(["--help"]) == 0


def test_a_closed_pipe_is_no_error(tmp_path):
    piped = ["sh", "-c", f"{CAB} config show | head -1"]
    done = subprocess.run(piped, cwd=tmp_path, env=CLEAN, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.startswith("setting")


def test_completion_offers_the_commands(tmp_path):
    done = cab(
        cwd=tmp_path, env={"_CAB_COMPLETE": "bash_complete", "COMP_WORDS": "cab ba", "COMP_CWORD": "1"}
    )
    assert done.stdout.split() == ["plain,backtest"]


def test_an_error_under_json_is_one_object_on_stderr(tmp_path):
    done = cab("config", "explain", "stop_los_pct", "--json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (4, "")
    error = json.loads(done.stderr)["error"]
    assert error["code"] == "CAB-E201"
    assert error["exit_code"] == 4
    assert error["fix"] == "did you mean STOP_LOSS_PCT?"


def _small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path):
    (tmp_path / "file").write_text("")
    done = cab("config", "init", "--dir", "file/below", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error[CAB-E501]: not a directory\n  where: ")
    full = cab("config", "init", cwd=tmp_path, preexec_fn=_small_files)
    assert full.returncode == 1
    assert "error[CAB-E501]: file too large" in full.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
