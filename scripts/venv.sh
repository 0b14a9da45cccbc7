#!/usr/bin/env bash
# Make a virtual environment with pip in it, by whatever this machine has:  scripts/venv.sh DIRECTORY
#
# Python is $PYTHON if set, else python3.11, else python3 where that is 3.10 to 3.12.
# Ways, in order: venv; venv without ensurepip (Debian without python3-venv) plus an existing pip; virtualenv; uv.
set -euo pipefail

directory=${1:?usage: scripts/venv.sh DIRECTORY}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

usable() { # a Python that runs and has a version the project supports
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1
}

works() { # the environment is there, and pip in it
    "$directory/bin/python" -m pip --version >>"$log" 2>&1
}

try() { # try COMMAND...: a fresh directory, the command, and pip works in it
    rm -rf "$directory"
    echo "+ $*" >>"$log"
    "$@" >>"$log" 2>&1 && works
}

# shellcheck disable=SC2329  # called through try
with_pip_of() {
    "$1" -m venv --without-pip "$directory" && "$1" -m pip --python "$directory/bin/python" install -q pip
}

pythons=()
for candidate in ${PYTHON:-python3.11 python3}; do
    if usable "$candidate"; then pythons+=("$candidate"); fi
done

for python in "${pythons[@]}"; do
    try "$python" -m venv "$directory" && exit 0
    try with_pip_of "$python" && exit 0
    try virtualenv --quiet --python "$python" "$directory" && exit 0
    try "$python" -m virtualenv --quiet "$directory" && exit 0
    try uv venv --quiet --seed --python "$python" "$directory" && exit 0
done
if [ ${#pythons[@]} -eq 0 ]; then
    try uv venv --quiet --seed --python "${PYTHON:-3.11}" "$directory" && exit 0
fi

rm -rf "$directory"
if [ -n "${EDGEVISION_SETUP_DEBUG:-}" ]; then cat "$log" >&2; fi
if [ ${#pythons[@]} -eq 0 ]; then
    echo "edgevision needs Python 3.11 (3.10 and 3.12 are tried too), found ${PYTHON:-$(python3 --version 2>/dev/null || echo none)}:" \
        "apt-get install python3 python3-venv, or set PYTHON=/path/to/python3.11" >&2
else
    echo "${pythons[0]} can make no virtual environment (no ensurepip, pip, virtualenv or uv that works):" \
        "apt-get install python3-venv  [EDGEVISION_SETUP_DEBUG=1 shows what was tried]" >&2
fi
exit 1
