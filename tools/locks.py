"""Keep the files that pin what is installed by hash: ``python tools/locks.py write|check``.

write   resolve with the pins of constraints.txt and write locks/*.txt
check   without network: each line is a pin of constraints.txt with hashes, and nothing needed is missing

`pip install --require-hashes --no-deps` takes a file from locks/ only if every byte it downloads is one
that was seen when the file was written. Addresses of registries are not part of it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution

import workspace
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = workspace.ROOT
FOLDER = ROOT / "locks"

#: What the container installs beside the members, and what builds the members.
EXTRAS = ("postgres", "redis")
INPUTS = {"runtime.txt": (), "build.txt": ("uv_build",)}

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def write() -> int:
    """Resolve anew, within the pins."""
    FOLDER.mkdir(exist_ok=True)
    for name in INPUTS:
        text = resolved(name)
        (FOLDER / name).write_text(text)
        print(f"{text.count('==')} packages in {FOLDER.name}/{name}")
    return 0


def resolved(name: str) -> str:
    """Return the content of one file."""
    command = [workspace.uv(), "pip", "compile", "--universal", "--python-version", "3.11"]
    command += ["--no-annotate", "--no-header", "--quiet", "--constraint", "constraints.txt"]
    command.append("--generate-hashes")
    given = "\n".join(INPUTS[name])
    if given:
        command.append("-")
    else:
        command += ["requirements-workspace.txt", "cab_core/pyproject.toml"]
        command += [argument for extra in EXTRAS for argument in ("--extra", extra)]
    done = subprocess.run(command, cwd=ROOT, check=True, input=given, capture_output=True, text=True)
    return "".join(f"{line}\n" for line in done.stdout.splitlines() if not line.startswith("-e "))


def pins(text: str) -> dict[str, list[str]]:
    """Return the hashes of each pin, e.g. ``{"attrs==26.1.0": [...]}``; a marker belongs to the pin."""
    joined = text.replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.strip()]
    return {" ".join(HASH.sub("", line).split()): HASH.findall(line) for line in lines}


def problems(name: str, text: str) -> Iterator[str]:
    """Yield what is wrong with the content of one file."""
    allowed = {plain(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    found = pins(text)
    for pin, hashes in found.items():
        if plain(pin) not in allowed:
            yield f"{pin!r} is not in constraints.txt"
        if not hashes:
            yield f"{pin!r} has no hash"
    locked = {canonicalize_name(re.split("[= ]", pin)[0]) for pin in found}
    for missing in sorted(needed(name) - locked):
        yield f"{missing} is needed and missing"


def plain(pin: str) -> str:
    """Return a pin without its marker, which is narrower where fewer packages ask for it."""
    return pin.partition(" ;")[0]


def needed(name: str) -> set[str]:
    """Return the names of all distributions that a file must hold in this environment, as installed here."""
    members = {canonicalize_name(member.name) for member in workspace.members()}
    open_, seen = [Requirement(text) for text in INPUTS[name] or runtime_roots()], set()
    while open_:
        requirement = open_.pop()
        key = (canonicalize_name(requirement.name), *sorted(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        open_ += wanted_by(requirement)
    return {str(key[0]) for key in seen} - members


def runtime_roots() -> list[str]:
    """Return all members, the kernel with its extras."""
    return [f"cab-core[{','.join(EXTRAS)}]", *(member.name for member in workspace.members())]


def wanted_by(requirement: Requirement) -> Iterable[Requirement]:
    """Return what an installed distribution and its asked extras require on this platform."""
    try:
        texts = distribution(requirement.name).requires or []
    except PackageNotFoundError:
        return []
    candidates = [Requirement(text) for text in texts]
    return [
        candidate
        for candidate in candidates
        if candidate.marker is None
        or any(candidate.marker.evaluate({"extra": extra}) for extra in (*requirement.extras, ""))
    ]


def check() -> int:
    """Print every deviation; return 1 if there is one."""
    wrong = []
    for name in INPUTS:
        path = FOLDER / name
        if not path.is_file():
            wrong.append(f"locks/{name}: is missing; run: python tools/locks.py write")
        else:
            wrong += [f"locks/{name}: {text}" for text in problems(name, path.read_text())]
    print("\n".join(wrong) or f"{len(INPUTS)} locks agree")
    return 1 if wrong else 0


def main(args: list[str]) -> int:
    """Run one command."""
    command = {"write": write, "check": check}.get(args[0] if len(args) == 1 else "")
    if command is None:
        print(__doc__)
        return 2
    return command()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
