"""Print what a TFLite artifact answers, as SHA-256 of its outputs on noise: the same on every machine, or not.

Usage: python arm64_outputs.py ARTIFACT [COUNT]
"""

import hashlib
import json
import platform
import sys

import numpy as np

from edgevision.artifact import Artifact
from edgevision.runtimes import load


def main(path: str, count: int) -> None:
    artifact = Artifact.open(path)
    found = {}
    for resolver in ("reference", "default"):
        rng, digest = np.random.default_rng(0), hashlib.sha256()
        with load(artifact, runtime="tflite", options={"resolver": resolver}) as model:
            for _ in range(count):
                inputs = []
                for spec in model.inputs:
                    info = np.iinfo(spec.dtype)
                    inputs.append(rng.integers(info.min, info.max, spec.shape, endpoint=True).astype(spec.dtype))
                for output in model.infer(inputs):
                    digest.update(output.tobytes())
        found[resolver] = digest.hexdigest()
    print(json.dumps({"machine": platform.machine(), "count": count, **found}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100)
