#!/usr/bin/env bash
# mypy --strict over the package, inside a link tree: type checkers do not read setuptools' package-dir.
#
# The number of files checked is compared with the files there are: a link tree that went wrong checks nothing, green.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$(pwd -P)

rm -rf .typing
for folder in edgevision converters runtimes devices; do
    place=.typing/edgevision
    if [ "$folder" != edgevision ]; then place=$place/$folder; fi
    mkdir -p "$place"
    for entry in "$folder"/*; do
        # A folder of data is left out: mypy would count it as a namespace package.
        if [ -d "$entry" ] && [ ! -e "$entry/__init__.py" ]; then continue; fi
        ln -s "$root/$entry" "$place/"
    done
done

cd .typing
"$root/.venv/bin/python" -m mypy --config-file "$root/pyproject.toml" --cache-dir "$root/.mypy_cache" -p edgevision |
    tee mypy.log
expected=$(cd "$root" && find edgevision converters runtimes devices -name '*.py' | wc -l)
checked=$(sed -nE 's/.*no issues found in ([0-9]+) source files?.*/\1/p' mypy.log)
if [ "$checked" != "$expected" ]; then
    echo "types: mypy checked ${checked:-no} files, there are $expected" >&2
    exit 1
fi
