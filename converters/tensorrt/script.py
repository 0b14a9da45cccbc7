"""The script that builds an engine on a device that has TensorRT and, as like as not, no edgevision."""

from __future__ import annotations

import shlex

from edgevision.converters.tensorrt.arguments import BRANCHES, trtexec_arguments
from edgevision.converters.tensorrt.plan import MODEL, SUMS, TABLE, EnginePlan
from edgevision.converters.tensorrt.settings import DLA_AGAIN, DLA_UNTIL, OLDEST, Version, version_text
from edgevision.converters.tensorrt.trtexec import PLACE
from edgevision.engine import ENGINE_FILE, SCHEMA

ENGINE, LOG, LOCAL_TABLE = "model.engine", "build.log", "calibration.here.table"

_START = r"""#!/bin/sh
# Builds @NAME@ as a TensorRT engine on this device and for it: @WHAT@.
# Written by edgevision. Needs trtexec of TensorRT @OLDEST@ or newer; TRTEXEC names one that is not on the PATH.
# Writes @ENGINE@, @ENGINE_FILE@ (where it was built) and @LOG@ beside this script; exit status 1 when it did not.
set -eu
cd "$(dirname "$0")"

fail() {
    echo "build.sh: $1" >&2
    exit 1
}

sha256sum --check --quiet --strict @SUMS@ >&2 || fail "files are missing or changed: copy the plan again"

trtexec=${TRTEXEC:-}
if [ -z "$trtexec" ]; then
    trtexec=$(command -v trtexec || echo @PLACE@)
fi
@WITHOUT@
banner=$("$trtexec" --help 2>&1 | sed -n 's/.*\[TensorRT v\([0-9.]*\)\].*/\1/p' | head -n 1) || true
case $banner in
    '') fail "$trtexec does not say which release of TensorRT it is of" ;;
    *.*)
        major=${banner%%.*}
        rest=${banner#*.}
        minor=${rest%%.*}
        rest=${rest#"$minor"}
        rest=${rest#.}
        patch=${rest%%.*}
        ;;
    *)
        unit=10000
        if [ "${#banner}" -le 4 ]; then unit=1000; fi
        major=$((banner / unit))
        minor=$((banner % unit / 100))
        patch=$((banner % 100))
        ;;
esac
release=$major.$minor.${patch:-0}
number=$((major * 10000 + minor * 100 + ${patch:-0}))
echo "build.sh: TensorRT $release, $trtexec"

"""

_WITHOUT_TRTEXEC = r"""[ -x "$trtexec" ] || fail "no trtexec: sudo apt install tensorrt, or set TRTEXEC; \
where edgevision is installed: edgevision compile . --target tensorrt"
"""

_BY_EDGEVISION = r"""# Its ranges are measured by TensorRT's own calibrator, which trtexec does not have.
command -v edgevision >/dev/null || fail "no edgevision, whose calibrator this needs: pip install edgevision, or \
export the plan with --int8-from table"
exec edgevision compile . --target tensorrt --out . "$@"
"""

_TABLE = r"""# The first line of a table names the release that reads it; the scales are of none.
header=$((major * (major < 10 ? 1000 : 10000) + minor * 100 + ${patch:-0}))
{
    echo "TRT-$header-EntropyCalibration2"
    tail -n +2 @TABLE@
} >@LOCAL@

"""

_END = r"""rm -f @ENGINE@.new
if ! "$trtexec" "$@" >@LOG@ 2>&1; then
    sed -n 's/.*\[E\] /build.sh: trtexec: /p' @LOG@ | head -n 3 >&2
    fail "trtexec failed; its log is @LOG@"
fi
[ -s @ENGINE@.new ] || fail "trtexec wrote no engine; its log is @LOG@"

said() { sed -n "s/.*\] $1: \(.*[^ ]\) *$/\1/p" @LOG@ | head -n 1; }
text() { if [ -n "$1" ]; then printf '"%s"' "$(printf '%s' "$1" | tr -d '"\\\000')"; else printf null; fi; }
gpu=$(said 'Selected Device')
capability=$(said 'Compute Capability')
sms=$(said SMs)
l4t=$(sed -n 's/^# R\([0-9]*\) (release), REVISION: \([0-9.]*\).*/\1.\2/p' /etc/nv_tegra_release 2>/dev/null || true)
module=$(tr -d '\000' 2>/dev/null </proc/device-tree/model || true)
[ -n "$gpu" ] && [ -n "$capability" ] && [ -n "$sms" ] || fail "@LOG@ does not say which GPU it was"
cat >@ENGINE_FILE@ <<EOF
{
  "by": "trtexec",
  "dla": @DLA@,
  "facts": {
    "compute_capability": $(text "$capability"),
    "gpu": $(text "$gpu"),
    "l4t": $(text "$l4t"),
    "module": $(text "$module"),
    "multiprocessors": $sms,
    "tensorrt": $(text "$release")
  },
  "schema": @SCHEMA@
}
EOF
mv @ENGINE@.new @ENGINE@
grep -o '\[DlaLayer\].*\|\[GpuLayer\].*' @LOG@ || true
echo "build.sh: @ENGINE@ for $gpu, TensorRT $release"
"""


def build_script(plan: EnginePlan) -> str:
    """Return the text of ``build.sh``, a POSIX shell script that lies beside the plan's files."""
    recipe = plan.recipe
    by_edgevision = recipe.int8_from == "calibrator"
    device = "the GPU" if recipe.settings.dla is None else f"DLA core {recipe.settings.dla}"
    words = {
        "NAME": _plain(plan.name), "WHAT": f"{recipe.scheme} on {device}", "OLDEST": version_text(OLDEST),
        "PLACE": PLACE, "SUMS": SUMS, "ENGINE_FILE": ENGINE_FILE, "ENGINE": ENGINE, "LOG": LOG, "TABLE": TABLE,
        "LOCAL": LOCAL_TABLE,
        "SCHEMA": str(SCHEMA), "DLA": "null" if recipe.settings.dla is None else str(recipe.settings.dla),
    }  # fmt: skip
    if by_edgevision:
        start = _START.partition("\ntrtexec=${TRTEXEC")[0]
        return _filled(f"{start}\n{_BY_EDGEVISION}", words)
    table = _TABLE if plan.table is not None else ""
    start = _START.replace("@WITHOUT@\n", _WITHOUT_TRTEXEC)
    return _filled(start + _arguments(plan) + table + _END, words)


def _arguments(plan: EnginePlan) -> str:
    """Return the branches that set the arguments, newest release first; a release that cannot build it says why."""
    table = LOCAL_TABLE if plan.table is not None else None
    lines = []
    for position, since in enumerate(_steps(plan)):
        refusal = plan.recipe.refusal(since)
        if refusal is not None:
            do = f"fail {shlex.quote(f'TensorRT cannot build this here: {refusal[0]}; {refusal[1]}')}"
        else:
            words = trtexec_arguments(plan.recipe, since, MODEL, f"{ENGINE}.new", table=table)
            do = " ".join(["set --", *map(shlex.quote, words), '"$@"'])
        lines += [f'{"if" if not position else "elif"} [ "$number" -ge {_ordinal(since)} ]; then', f"    {do}"]
    old = f"TensorRT $release is too old: {version_text(OLDEST)} or newer, of JetPack 5.1, is needed"
    return "\n".join([*lines, "else", f'    fail "{old}"', "fi", "", ""])


def _steps(plan: EnginePlan) -> list[Version]:
    """Return the releases from which on something changes, newest first."""
    dla = [(DLA_UNTIL[0], DLA_UNTIL[1] + 1, 0), DLA_AGAIN] if plan.recipe.settings.dla is not None else []
    return sorted({*BRANCHES, *dla}, reverse=True)


def _ordinal(version: Version) -> int:
    """Return a release as the script compares it: the headers' own numbers are of two kinds."""
    return version[0] * 10_000 + version[1] * 100 + version[2]


def _plain(text: str) -> str:
    """Return a name without what would end a comment's line."""
    return "".join(character for character in text if character.isprintable())


def _filled(text: str, words: dict[str, str]) -> str:
    for name, word in words.items():
        text = text.replace(f"@{name}@", word)
    return text
