#!/usr/bin/env bash
# Make .venv hold what the project's commands need. Does nothing when that is so already.
#
# A stamp, written last, says what was installed: an environment without it is half made and made again; with a stamp
# of other requirements it is brought up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

extras=train,compress,openvino,tflite-runtime,onnx,loadgen,camera,ssh,report,vela,test
venv=.venv
stamp=$venv/.edgevision-setup
wanted="$(pwd -P) $extras $(cat pyproject.toml constraints.txt scripts/setup.sh | sha256sum | cut -d' ' -f1)"

if [ -f "$stamp" ] && ! "$venv/bin/python" -c '' 2>/dev/null; then
    echo "setup: the Python behind $venv is gone; making it again" >&2
    rm -f "$stamp"
fi
if [ -f "$stamp" ]; then
    installed=$(cat "$stamp")
    if [ "$installed" = "$wanted" ]; then exit 0; fi
    if [ "${installed%% *}" != "$(pwd -P)" ]; then # moved or copied: its scripts point elsewhere
        rm -f "$stamp"
    fi
fi
if [ ! -f "$stamp" ]; then
    if [ -e "$venv" ]; then echo "setup: $venv is unfinished; making it again" >&2; fi
    bash scripts/venv.sh "$venv"
fi
rm -f "$stamp"

constraints=(--constraint constraints.txt)
if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    echo "setup: constraints.txt is for Python 3.11; installing unpinned versions for $("$venv/bin/python" --version)" >&2
    constraints=()
fi
quiet=(--quiet)
if [ -t 1 ]; then quiet=(); fi

echo "setup: installing edgevision[$extras] into $venv; a first time takes some minutes" >&2
pip=("$venv/bin/python" -m pip --disable-pip-version-check install "${quiet[@]}" "${constraints[@]}")
"${pip[@]}" 'setuptools>=77' wheel
"${pip[@]}" --no-build-isolation --editable ".[$extras]"
echo "$wanted" >"$stamp"
