"""Does a runtime stay itself over minutes? Infer without a pause; watch memory and compare every answer.

    python benchmarks/soak.py ARTIFACT [--runtime NAME] [--minutes 5]

The golden samples go round; each answer must have the bits of the first round's. Memory is this process's resident
set, after the first tenth of the time (everything lazy has happened) and at the end. Exit status 3 when an answer
changed or memory grew by more than 1 MiB.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from pathlib import Path

import numpy as np

from edgevision.artifact import Artifact
from edgevision.errors import EdgeVisionError
from edgevision.runtimes import load

LIMIT_BYTES = 1 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--runtime")
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    try:
        document = soak(Artifact.open(options.artifact), options.runtime, 60 * options.minutes)
    except EdgeVisionError as exc:
        print(exc, file=sys.stderr)
        return exc.exit_code
    held = document["changed"] == 0 and document["growth_bytes"] <= LIMIT_BYTES
    print(json.dumps({"schema": 1, "kind": "edgevision-soak", "held": held, **document}, indent=2))
    return 0 if held else 3


def soak(artifact: Artifact, runtime: str | None, seconds: float) -> dict[str, float | int | str]:
    """Infer for ``seconds`` and say how many answers changed and by how much memory grew."""
    golden, preprocessing = artifact.golden(), artifact.manifest.preprocessing
    if golden is None or preprocessing is None:
        raise EdgeVisionError(f"{artifact.path} has no golden samples to infer on")
    with load(artifact, runtime=runtime) as model:
        bound = preprocessing.bind(model.inputs[0])
        inputs = [bound(sample)[0].copy() for sample in golden.samples]
        expected = [model.infer([tensor]) for tensor in inputs]
        began, settled, changed, count = time.monotonic(), 0, 0, 0
        for tensor, answer in itertools.cycle(zip(inputs, expected, strict=True)):
            found = model.infer([tensor])
            changed += not all(map(np.array_equal, found, answer))
            count += 1
            elapsed = time.monotonic() - began
            if not settled and elapsed > seconds / 10:
                settled = resident_bytes()
            if elapsed > seconds:
                break
        return {
            "runtime": str(model.facts["runtime"]),
            "seconds": seconds,
            "inferences": count,
            "changed": changed,
            "growth_bytes": resident_bytes() - settled,
        }


def resident_bytes() -> int:
    """This process's resident set, from /proc."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    sys.exit(main())
