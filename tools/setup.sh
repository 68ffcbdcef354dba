#!/bin/sh
# Install the workspace and its tools into $VENV. Called by make; `PYTHON=... VENV=... sh tools/setup.sh` works too.
set -eu

python=${PYTHON:-python3}
venv=${VENV:-.venv}

fail() {
    echo "setup: $1" >&2
    exit 1
}

command -v "$python" >/dev/null || fail "no $python found; install Python 3.11 or newer, or run: make PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old, cab needs 3.11 or newer; run: make PYTHON=/path/to/newer/python3"

if ! [ -x "$venv/bin/python" ]; then
    "$python" -c 'import ensurepip' 2>/dev/null ||
        fail "this Python cannot create environments; on Debian and Ubuntu run: apt-get install python3-venv"
    "$python" -m venv "$venv"
fi

if ! "$venv/bin/uv" --version >/dev/null 2>&1; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt uv || true
fi

if [ -z "${NO_UV:-}" ] && "$venv/bin/uv" --version >/dev/null 2>&1; then
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" \
        -r requirements-workspace.txt --group dev -c constraints.txt
else
    echo "setup: uv cannot run here, installing with pip (minutes instead of seconds)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
    "$venv/bin/python" -m pip install --quiet -c constraints.txt -r requirements-workspace.txt --group dev
fi
