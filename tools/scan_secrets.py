"""Look for credentials in what is committed: ``python tools/scan_secrets.py check|accept [FILE...]``.

check    print what detect-secrets finds beyond .secrets.baseline, by default in all of git; exit 1 if any
accept   write .secrets.baseline anew: whatever is found now has been looked at and is none

Tests are full of made-up credentials, so only what is a credential by its very form counts there. The
baseline holds hashes without lines, so moving code does not outdate it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / ".secrets.baseline"

#: Credentials that can be told by their form.
BY_FORM = (
    "AWSKeyDetector",
    "GitHubTokenDetector",
    "JwtTokenDetector",
    "PrivateKeyDetector",
    "SlackDetector",
    "TelegramBotTokenDetector",
)
#: Texts that look like one where they stand.
BY_LOOK = ("BasicAuthDetector", "KeywordDetector", "HexHighEntropyString", "Base64HighEntropyString")
FILTERS = (
    "detect_secrets.filters.allowlist.is_line_allowlisted",
    "detect_secrets.filters.heuristic.is_indirect_reference",
    "detect_secrets.filters.heuristic.is_potential_uuid",
    "detect_secrets.filters.heuristic.is_prefixed_with_dollar_sign",
    "detect_secrets.filters.heuristic.is_sequential_string",
    "detect_secrets.filters.heuristic.is_templated_secret",
)

#: Hashes, pins, recorded numbers and pictures.
UNINTERESTING = re.compile(r"locks/.*|constraints\.txt|\.secrets\.baseline|.*\.(gz|json|csv|lock|png|typed)")
TEST = re.compile(r"(.*/)?tests/.*")


def committed() -> list[str]:
    """Return every file git knows."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.split("\0") if name]


def scanned(names: Sequence[str]) -> SecretsCollection:
    """Return what is found in files, given relative to the root."""
    wanted = [name for name in names if not UNINTERESTING.fullmatch(name) and (ROOT / name).is_file()]
    found = SecretsCollection(root=str(ROOT))
    for in_tests in (False, True):
        plugins = BY_FORM if in_tests else BY_FORM + BY_LOOK
        configured = {
            "plugins_used": [{"name": name, **limits(name)} for name in plugins],
            "filters_used": [{"path": path} for path in FILTERS],
        }
        with transient_settings(configured):
            found.scan_files(*(name for name in wanted if bool(TEST.fullmatch(name)) is in_tests))
    return found


def limits(plugin: str) -> dict[str, float]:
    """Return the entropy from which a text counts as random."""
    return {"HexHighEntropyString": {"limit": 3.0}, "Base64HighEntropyString": {"limit": 4.5}}.get(plugin, {})


def hashes(found: SecretsCollection) -> dict[str, list[str]]:
    """Return kind and hash of everything found, by file."""
    by_file: dict[str, set[str]] = {}
    for name, secret in found:
        by_file.setdefault(name, set()).add(f"{secret.type}: {secret.secret_hash}")
    return {name: sorted(texts) for name, texts in sorted(by_file.items())}


def check(names: Sequence[str]) -> int:
    """Print what is new; return 1 if anything is."""
    known: dict[str, list[str]] = json.loads(BASELINE.read_text())
    found = scanned(names or committed())
    new = [
        f"{name}:{secret.line_number}: {secret.type}"
        for name, secret in found
        if f"{secret.type}: {secret.secret_hash}" not in known.get(name, ())
    ]
    print("\n".join(sorted(new)) or "no new credentials")
    if new:
        print("if none of them is one: python tools/scan_secrets.py accept")
    return 1 if new else 0


def accept() -> int:
    """Write the baseline."""
    found = hashes(scanned(committed()))
    BASELINE.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{sum(map(len, found.values()))} known findings")
    return 0


def main(args: list[str]) -> int:
    """Run one command."""
    if args[:1] == ["check"]:
        return check(args[1:])
    if args == ["accept"]:
        return accept()
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
