"""Keep the members of the workspace alike: ``python tools/workspace.py check|sync|pins|bump|wheels``.

check            report every member or generated list that breaks the conventions; exit 1 if one does
sync             rewrite the generated lists: uv sources, requirements, bundle, import-linter roots
pins             resolve all dependencies anew and write constraints.txt
bump VERSION     set the version of every member, the range of cab-core and the pins of the bundle
wheels [FOLDER]  build the wheel of every member into FOLDER (dist)
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

#: Folder of a plugin -> (kind in the distribution's name, entry point group).
KINDS = {
    "plugins-strategies": ("strategy", "cab.strategies"),
    "plugins-risk": ("risk", "cab.risk_rules"),
    "plugins-regime": ("macro", "cab.macro_sources"),
    "cab_plugins/brokers": ("broker", "cab.brokers"),
    "cab_plugins/notifiers": ("notifier", "cab.notifiers"),
}

#: Headings of a plugin's README; strategies have Signals where the others have Behavior.
HEADINGS = ("## What it does", "## Behavior", "## Options", "## Source")

#: One pin, perhaps with the environments it is for: no address, no path, no hash.
WHERE = r"[a-z_]+ (?:[<>=!]+|in) '[\w. ]+'"
PIN = re.compile(rf"[a-z0-9][a-z0-9.-]*==[0-9][A-Za-z0-9.+!]*( ; {WHERE}( and {WHERE})*)?")


@dataclass(frozen=True)
class Member:
    """One distribution: where it is and what its pyproject.toml says."""

    folder: str
    text: str
    data: dict[str, Any]

    @property
    def path(self) -> Path:
        """Folder of the member."""
        return ROOT / self.folder

    @property
    def project(self) -> dict[str, Any]:
        """The [project] table."""
        project: dict[str, Any] = self.data["project"]
        return project

    @property
    def name(self) -> str:
        """Name of the distribution."""
        return str(self.project["name"])

    @property
    def import_name(self) -> str:
        """Name of the import package."""
        return self.name.replace("-", "_")

    @property
    def kind(self) -> tuple[str, str] | None:
        """Kind and entry point group; None for the kernel and the bundle."""
        return KINDS.get(self.folder.rpartition("/")[0])


def root_data() -> dict[str, Any]:
    """Return the root's pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def members() -> list[Member]:
    """Return every member the root's globs find, sorted by folder."""
    globs = root_data()["tool"]["uv"]["workspace"]["members"]
    files = {file for glob in globs for file in ROOT.glob(f"{glob}/pyproject.toml")}
    found = []
    for file in sorted(files):
        text = file.read_text()
        found.append(Member(file.parent.relative_to(ROOT).as_posix(), text, tomllib.loads(text)))
    return found


def core_range(version: str) -> str:
    """Return the requirement every plugin has on the kernel: one minor version."""
    major, minor = version.split(".")[:2]
    return f"cab-core>={major}.{minor},<{major}.{int(minor) + 1}"


def member_problems(member: Member, core: Member) -> list[str]:
    """Return what one member does differently from the conventions."""
    project = member.project
    source = member.path / "src" / member.import_name
    entries = project.get("entry-points", {})
    wrong = [
        f"{key} is {project.get(key)!r}, cab-core has {core.project[key]!r}"
        for key in ("version", "requires-python", "license", "readme")
        if project.get(key) != core.project[key]
    ]
    if member.data["build-system"] != core.data["build-system"]:
        wrong.append("[build-system] differs from cab-core's")
    if "tool" in member.data:
        wrong.append("has a [tool] section; tools are configured in the root")
    if not project.get("description"):
        wrong.append("has no description")
    wrong += [
        f"{path.relative_to(member.path).as_posix()} is missing"
        for path in (source / "__init__.py", source / "py.typed", member.path / "README.md")
        if not path.is_file()
    ]
    if not list((member.path / "tests").rglob("test_*.py")):
        wrong.append("has no tests")
    if member is not core:
        expected = core_range(core.project["version"])
        if project["dependencies"][:1] != [expected]:
            wrong.append(f"the first dependency is not {expected}")
    if member.kind:
        wrong += plugin_problems(member, entries)
    return wrong


def plugin_problems(member: Member, entries: dict[str, dict[str, str]]) -> list[str]:
    """Return where a plugin's names disagree or its README lacks a heading."""
    kind, group = member.kind or ("", "")
    plugin = member.path.name
    wrong = []
    if member.name != f"cab-{kind}-{plugin.replace('_', '-')}":
        wrong.append(f"folder {plugin} and distribution {member.name} disagree")
    ours = entries.get(group, {})
    if list(entries) != [group] or plugin not in ours:
        wrong.append(f"there must be an entry point {plugin}, and entry points in group {group} only")
    wrong += [
        f"entry point {target} is not in {member.import_name}"
        for target in ours.values()
        if not target.startswith(f"{member.import_name}:")
    ]
    readme = member.path / "README.md"
    lines = readme.read_text().splitlines() if readme.is_file() else []
    if lines[:1] != [f"# {member.name}"]:
        wrong.append(f"README.md does not start with # {member.name}")
    headings = [line.replace("## Signals", "## Behavior") for line in lines if line.startswith("## ")]
    if headings != list(HEADINGS):
        wrong.append(f"README.md has not exactly the headings {', '.join(HEADINGS)}")
    return wrong


def generated(found: list[Member]) -> dict[Path, str]:
    """Return what the files with generated lists should hold."""
    by_name = sorted(found, key=lambda member: member.name)
    shipped = [member for member in found if member.name not in {"cab-core", "cab-plugins"}]
    version = next(member.project["version"] for member in found if member.name == "cab-core")
    first = [core_range(version)]
    bundle = "".join(f'    "{text}",\n' for text in first + [f"{m.name}=={version}" for m in shipped])
    return {
        ROOT / "requirements-workspace.txt": "".join(f"-e ./{m.folder}\n" for m in found),
        ROOT / "pyproject.toml": root_lists(by_name),
        ROOT / "cab_plugins/pyproject.toml": between(
            (ROOT / "cab_plugins/pyproject.toml").read_text(), r"\ndependencies = \[\n", r"\]\n", bundle
        ),
        ROOT / ".importlinter": import_lists(by_name),
    }


def root_lists(by_name: list[Member]) -> str:
    """Return the root's pyproject.toml with its two lists: where members are, and what coverage measures."""
    sources = "".join(f"{m.name} = {{ workspace = true }}\n" for m in by_name)
    packages = "".join(f'    "{m.import_name}",\n' for m in by_name)
    text = between((ROOT / "pyproject.toml").read_text(), r"\[tool\.uv\.sources\]\n", r"\n\[", sources)
    return between(text, r"\nsource_pkgs = \[\n", r"\]\n", packages)


def between(text: str, start: str, end: str, block: str) -> str:
    """Return ``text`` with ``block`` between two patterns, which stay."""
    head = re.search(start, text)
    tail = re.compile(end, re.MULTILINE).search(text, head.end()) if head else None
    if not head or not tail:
        raise SystemExit(f"a generated list has lost its place: {start}")
    return text[: head.end()] + block + text[tail.start() :]


def import_lists(by_name: list[Member]) -> str:
    """Return .importlinter with its three lists of packages."""
    text = (ROOT / ".importlinter").read_text()
    every = "".join(f"    {member.import_name}\n" for member in by_name)
    others = "".join(f"    {member.import_name}\n" for member in by_name if member.name != "cab-core")
    plugins = "".join(f"    {member.import_name}\n" for member in by_name if member.kind)
    for start, block in (
        (r"\nroot_packages =\n", every),
        (r"\[importlinter:contract:kernel\][^[]*forbidden_modules =\n", others),
        (r"\[importlinter:contract:plugins\][^[]*\nmodules =\n", plugins),
    ):
        text = between(text, start, r"^\S|^$", block)
    return text


def check() -> int:
    """Print every deviation; return 1 if there is one."""
    found = members()
    core = next(member for member in found if member.name == "cab-core")
    wrong = [f"{member.folder}: {text}" for member in found for text in member_problems(member, core)]
    wrong += [
        f"{path.relative_to(ROOT).as_posix()}: is out of date; run: python tools/workspace.py sync"
        for path, text in generated(found).items()
        if path.read_text() != text
    ]
    wrong += [
        f"constraints.txt:{number}: {line!r} is no plain pin"
        for number, line in enumerate((ROOT / "constraints.txt").read_text().splitlines(), 1)
        if not PIN.fullmatch(line)
    ]
    package = (core.path / "src/cab_core/__init__.py").read_text()
    if f'__version__ = "{core.project["version"]}"' not in package:
        wrong.append("cab_core: __version__ differs from pyproject.toml")
    print("\n".join(wrong) or f"{len(found)} members agree")
    return 1 if wrong else 0


def sync() -> int:
    """Rewrite the generated lists."""
    for path, text in generated(members()).items():
        if path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
    return 0


def pins() -> int:
    """Resolve for every supported Python and write constraints.txt."""
    command = ["pip", "compile", "--universal", "--python-version", "3.11", "--group", "dev", "--upgrade"]
    output = subprocess.run(
        [uv(), *command, "--no-annotate", "--no-header", "--quiet", "requirements-workspace.txt"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lines = [line for line in output.splitlines() if not line.startswith("-e ")]
    bad = [line for line in lines if not PIN.fullmatch(line)]
    if bad:
        raise SystemExit(f"not a plain pin: {bad}")
    (ROOT / "constraints.txt").write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} pins")
    return 0


def uv() -> str:
    """Return the path of uv: beside this Python, or on PATH."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if not found:
        raise SystemExit("uv is not installed; run: make setup")
    return found


def bump(version: str) -> int:
    """Set one version everywhere."""
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
        raise SystemExit(f"{version!r} is no version; write it like 0.2.0 or 0.2.0rc1")
    for member in members():
        text = re.sub(r'(?m)^version = ".*"', f'version = "{version}"', member.text, count=1)
        text = re.sub(r'"cab-core>=[^"]*"', f'"{core_range(version)}"', text)
        (member.path / "pyproject.toml").write_text(text)
    others = {"pyproject.toml": "version", "cab_core/src/cab_core/__init__.py": "__version__"}
    for file, key in others.items():
        path = ROOT / file
        path.write_text(re.sub(rf'(?m)^{key} = ".*"', f'{key} = "{version}"', path.read_text(), count=1))
    return sync()


def wheels(folder: str = "dist") -> int:
    """Build every member's wheel."""
    target = Path(folder).resolve()
    target.mkdir(parents=True, exist_ok=True)
    for member in members():
        command = [uv(), "build", "--quiet", "--wheel", "--out-dir", str(target), str(member.path)]
        subprocess.run(command, cwd=ROOT, check=True)
    print(f"{len(list(target.glob('*.whl')))} wheels in {folder}")
    return 0


def main(args: list[str]) -> int:
    """Run one command."""
    commands: dict[tuple[str, int], Any] = {
        ("check", 0): check,
        ("sync", 0): sync,
        ("pins", 0): pins,
        ("bump", 1): bump,
        ("wheels", 0): wheels,
        ("wheels", 1): wheels,
    }
    command = commands.get((args[0], len(args) - 1)) if args else None
    if command is None:
        print(__doc__)
        return 2
    return int(command(*args[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
