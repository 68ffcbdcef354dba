"""Errors as the user sees them: one place turns every exception into a message and an exit code.

A message goes to stderr. With ``--json`` it is one JSON object, also on stderr, so that stdout holds either a
command's whole document or nothing.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from types import TracebackType

import click

from cab_core.errors import CabError, ConfigError, ExitCode, UsageError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class FileSystemError(CabError):
    """A file cannot be read or written: full disk, read-only folder, missing file."""

    code = "CAB-E501"


class InternalError(CabError):
    """A defect of cab or of a plugin; the traceback is kept in a file."""

    code = "CAB-E900"


def guarded(call: Callable[[], int], *, as_json: bool) -> int:
    """Run ``call``; print what a user may meet and return the exit code."""
    try:
        return call()
    except CabError as error:
        return report(error, as_json=as_json)
    except click.UsageError as error:
        return report(_usage(error), as_json=as_json)
    except click.ClickException as error:
        return report(CabError(error.format_message()), as_json=as_json)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        return report(_file_system(error), as_json=as_json)


def report(error: CabError, *, as_json: bool) -> int:
    """Print an error to stderr, as text or as one JSON object, and return its exit code."""
    click.echo(json.dumps({"error": _document(error)}) if as_json else _text(error), err=True)
    return int(error.exit_code)


def _text(error: CabError) -> str:
    if isinstance(error, ConfigError):
        return _config_text(error)
    lines = [f"error[{error.code}]: {error.what}"]
    if error.where:
        lines.append(f"  where: {error.where}")
    if error.fix:
        lines.append(f"  fix: {error.fix}")
    return "\n".join(lines)


def _config_text(error: ConfigError) -> str:
    count = len(error.problems)
    lines = [f"error[{error.code}]: {count} setting{' is' if count == 1 else 's are'} wrong"]
    for problem in error.problems:
        lines.append(f"  {problem.what}")
        if problem.where:
            lines.append(f"    where: {problem.where}")
        if problem.fix:
            lines.append(f"    fix: {problem.fix}")
    lines += [f"warning: {warning}" for warning in error.warnings]
    return "\n".join(lines)


def _document(error: CabError) -> dict[str, object]:
    document: dict[str, object] = {
        "code": error.code,
        "what": error.what,
        "where": error.where,
        "fix": error.fix,
        "exit_code": int(error.exit_code),
    }
    if isinstance(error, ConfigError):
        document["problems"] = [
            {"code": problem.code, "what": problem.what, "where": problem.where, "fix": problem.fix}
            for problem in error.problems
        ]
        document["warnings"] = list(error.warnings)
    return document


def _usage(error: click.UsageError) -> CabError:
    command = error.ctx.command_path if error.ctx else "cab"
    likely = getattr(error, "possibilities", None)
    fix = f"did you mean {likely[0]}?" if likely else f"see: {command} --help"
    what = error.message if likely else error.format_message()
    return UsageError(what[:1].lower() + what[1:].rstrip("."), where=command, fix=fix)


def _file_system(error: OSError) -> CabError:
    name = error.filename if isinstance(error.filename, str) else ""
    reason = (error.strerror or type(error).__name__).lower()
    if error.errno in _DISK_FULL:
        fix = "free some space or choose another place; nothing half-written was kept"
    elif error.errno in _READ_ONLY:
        fix = "choose a folder you may write to, or correct its permissions"
    else:
        fix = "check the path"
    return FileSystemError(reason, where=name, fix=fix)


def install_excepthook(args: Sequence[str]) -> None:
    """Show unexpected errors as a message and keep their traceback in a file; the exit code is then 1.

    ``cab --debug`` or ``CAB_DEBUG=1`` prints the traceback as well.
    """
    debug = "--debug" in args or os.environ.get("CAB_DEBUG", "") not in ("", "0")
    as_json = "--json" in args

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        if debug:
            click.echo(text, err=True)
        what = f"unexpected {kind.__name__}: {error}".strip().rstrip(":")
        report(InternalError(what, where=_keep(text), fix="please report it with this file"), as_json=as_json)

    sys.excepthook = hook


def _keep(text: str) -> str:
    try:
        with tempfile.NamedTemporaryFile("w", prefix="cab-error-", suffix=".txt", delete=False) as file:
            file.write(text)
            return file.name
    except OSError:
        return "the traceback could not be kept; CAB_DEBUG=1 prints it"
