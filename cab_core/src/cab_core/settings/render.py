"""Texts generated from the table of settings: example files and the page of the reference."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from cab_core.settings.schema import SETTINGS
from cab_core.settings.setting import Setting

#: What a first run needs; everything else has a default.
FIRST_RUN = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT"}

_WIDTH = 100

_MARKDOWN_HEAD = """\
# Settings

Made from the table of settings in `cab_core.settings`; change it there. Every name works in the
environment, in `.env`, in `cab.toml` (in lower case) and as `--set NAME=VALUE`. The first of these that sets
a name wins:

1. `--set NAME=VALUE`
2. the environment
3. `.env` in the working directory
4. `cab.toml` in the working directory, or the file named by `--config`
5. the default

Values are texts that are parsed by the rules below: nothing is cast, expanded or executed on the way. All
problems are reported together, with exit code 78. Secrets can also be read from a file: `NAME_FILE` names its
path.

Options of plugins stand in tables of `cab.toml`: `[strategies.<name>]`, `[risk_rules.<name>]`,
`[macro_sources.<name>]`, `[brokers.<name>]`, `[notifiers.<name>]`. Those of strategies are also read from
`STRATEGY_PARAMS__<NAME>__<PARAM>`, and any of them from `--set strategies.<name>.<param>=VALUE`.
"""


def settings_markdown() -> str:
    """Return the page of all settings."""
    parts = [_MARKDOWN_HEAD]
    for section, rows in by_section():
        parts.append(f"\n## {section}\n\n| name | default | rule | what it does |\n|---|---|---|---|\n")
        parts += [_markdown_row(row) for row in rows]
    return "".join(parts)


def _markdown_row(row: Setting) -> str:
    default = f"`{row.default}`" if row.default else "required" if row.required else "empty"
    notes = [row.help]
    if row.secret:
        notes.append(f"Secret; also `{row.name}_FILE`.")
    if row.aliases:
        notes.append(f"Also {', '.join(f'`{alias}`' for alias in row.aliases)}.")
    if row.in_quote:
        notes.append("The default is meant in dollars; an account in another currency has to set it.")
    if row.options:
        notes.append(f"Same as {', '.join(f'`{option_path(key)}`' for key in row.options)}.")
    cells = (f"`{row.name}`", default, row.kind.rule, " ".join(notes))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def dotenv_example() -> str:
    """Return a ``.env`` with every setting explained; only what a first run needs is set."""
    head = (
        "# Settings of cab. A paper account needs the three values that are set below.\n"
        "# Take the sign # away to set another one; the value shown is the default.\n"
        "# Explanation of a single name: cab config explain NAME\n"
    )
    return head + "".join(_dotenv_section(section, rows) for section, rows in by_section())


def secrets_example() -> str:
    """Return a ``.env`` with the secrets only, all of them empty."""
    head = (
        "# Secrets of cab. Keep this file to yourself: chmod 600 .env\n"
        "# Each may also be given as a file: NAME_FILE=/path/to/secret\n"
    )
    rows = [row for row in SETTINGS if row.secret]
    return head + "".join(f"\n{_comment(row)}# {row.name}=\n" for row in rows)


def toml_example() -> str:
    """Return a ``cab.toml`` with every setting but the secrets explained."""
    head = (
        "# Settings of cab. A paper account needs the three values that are set below.\n"
        "# Take the sign # away to set another one; the value shown is the default.\n"
        "# Secrets belong into .env. Explanation of a single name: cab config explain NAME\n"
    )
    body = "".join(_toml_section(section, rows) for section, rows in by_section())
    tail = (
        "\n# Options of plugins stand in tables at the end of the file. They are listed by:\n"
        "#   cab plugins info NAME\n"
        "# [strategies.ema_atr]\n# ema_short = 12\n"
    )
    return head + body + tail


def by_section() -> Iterator[tuple[str, list[Setting]]]:
    """Yield the headings with their rows, in the order of the table."""
    for section in dict.fromkeys(row.section for row in SETTINGS):
        yield section, [row for row in SETTINGS if row.section == section]


def option_path(key: tuple[str, str, str]) -> str:
    """Return the option as written in ``cab.toml``: ``[strategies.ema_atr] ema_short``."""
    table, plugin, param = key
    return f"[{table}.{plugin}] {param}"


def _dotenv_section(section: str, rows: list[Setting]) -> str:
    lines = [f"\n# {section}\n"]
    for row in rows:
        set_now = FIRST_RUN.get(row.name)
        line = f"# {row.name}={row.default}" if set_now is None else f"{row.name}={set_now}"
        lines.append(f"\n{_comment(row)}{line}\n")
    return "".join(lines)


def _toml_section(section: str, rows: list[Setting]) -> str:
    lines = [f"\n# {section}\n"]
    for row in rows:
        if row.secret:
            continue
        set_now = FIRST_RUN.get(row.name)
        line = f'{row.attribute} = "{set_now or row.default}"'
        lines.append(f"\n{_comment(row)}{line if set_now else f'# {line}'}\n")
    return "".join(lines)


def _comment(row: Setting) -> str:
    rule = f" Rule: {row.kind.rule}." if not row.secret else ""
    text = f"{row.help}{rule}"
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, _WIDTH - 2))
