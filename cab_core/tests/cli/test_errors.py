import errno
import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cab_core import errors
from cab_core.cli.errors import guarded
from cab_core.errors import ConfigError, ExitCode, LockedError, NotRunningError, RefusedError

ROOT = next(parent for parent in Path(__file__).resolve().parents if (parent / "CHANGELOG.md").exists())
PAGE = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")


def raising(error):
    def call():
        raise error

    return call


def test_every_error_code_is_documented():
    members = (path for pattern in ("*/src", "*/*/src", "*/*/*/src") for path in ROOT.glob(pattern))
    sources = [path.read_text(encoding="utf-8") for member in members for path in member.rglob("*.py")]
    codes = {code for source in sources for code in re.findall(r'code = "(CAB-E\d+)"', source)}
    assert "CAB-E300" in codes
    assert codes == set(re.findall(r"^\| `(CAB-E\d+)`", PAGE, re.MULTILINE))


def test_every_code_belongs_to_one_error():
    classes = [value for value in vars(errors).values() if isinstance(value, type) and hasattr(value, "code")]
    assert len({cls.code for cls in classes}) == len(classes)


def test_every_exit_code_is_documented():
    rows = set(map(int, re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)))
    assert rows == {int(code) for code in ExitCode}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotRunningError("x"), 5),
        (RefusedError("x"), 8),
        (LockedError("x"), 75),
        (ConfigError([]), 78),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.UsageError("x"), 2),
        (click.ClickException("x"), 1),
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), 1),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_exit_codes(error, code, as_json, capsys):
    assert guarded(raising(error), as_json=as_json) == code
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "may write to"),
        (errno.EACCES, "may write to"),
        (errno.ENOENT, "check the path"),
    ],
)
def test_files_that_refuse(number, words, capsys):
    guarded(raising(OSError(number, "Reason", "/data/trader.sqlite3")), as_json=False)
    text = capsys.readouterr().err
    assert text.startswith("error[CAB-E501]: reason\n  where: /data/trader.sqlite3\n  fix: ")
    assert words in text


def test_all_settings_that_are_wrong_are_listed(capsys):
    problems = [
        errors.CabError("A = 1: is wrong", where=".env", fix="set A to 2"),
        errors.CabError("B is not set"),
    ]
    guarded(raising(ConfigError(problems, ["C is odd"])), as_json=False)
    assert capsys.readouterr().err == (
        "error[CAB-E300]: 2 settings are wrong\n  A = 1: is wrong\n    where: .env\n    fix: set A to 2\n"
        "  B is not set\nwarning: C is odd\n"
    )
    guarded(raising(ConfigError(problems, ["C is odd"])), as_json=True)
    error = json.loads(capsys.readouterr().err)["error"]
    assert [problem["what"] for problem in error["problems"]] == ["A = 1: is wrong", "B is not set"]
    assert error["warnings"] == ["C is odd"]


DEFECT = (
    "import sys; from cab_core.cli.errors import install_excepthook\n"
    "install_excepthook(sys.argv[1:])\nraise ZeroDivisionError('seven by nought')\n"
)


def defect(*args, **env):
    return subprocess.run(
        [sys.executable, "-c", DEFECT, *args], capture_output=True, text=True, check=False, env=env
    )


def test_a_defect_is_a_message_and_a_file(tmp_path):
    done = defect(TMPDIR=str(tmp_path))
    assert done.returncode == 1
    first, where, fix = done.stderr.splitlines()
    assert first == "error[CAB-E900]: unexpected ZeroDivisionError: seven by nought"
    kept = Path(where.removeprefix("  where: "))
    assert "Traceback" in kept.read_text(encoding="utf-8")
    assert kept.stat().st_mode & 0o077 == 0
    assert fix.startswith("  fix: ")


@pytest.mark.parametrize(("args", "env"), [(("--debug",), {}), ((), {"CAB_DEBUG": "1"})])
def test_a_defect_shows_its_traceback_on_request(args, env, tmp_path):
    assert "Traceback" in defect(*args, TMPDIR=str(tmp_path), **env).stderr


def test_a_defect_under_json(tmp_path):
    assert json.loads(defect("--json", TMPDIR=str(tmp_path)).stderr)["error"]["code"] == "CAB-E900"
