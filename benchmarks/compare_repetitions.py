"""How often does `compare` claim what is not so, and miss what is? Prints JSON.

    python benchmarks/compare_repetitions.py MODEL.tflite [--repetitions 200] [--budget 5] [--delay 0.10]

Each repetition compares a model with itself, and with itself slowed down by a known share (see `delayed.py`, which is
found as any other package's runtime is: by an entry point), both within the same time, each with a seed of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from edgevision.artifact import Artifact
from edgevision.benchmark import Candidate, compare

METADATA = "Metadata-Version: 2.1\nName: delayed\nVersion: 1\n"
ENTRY_POINTS = "[edgevision.runtimes]\ndelayed = delayed:ROW\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--budget", type=float, default=5.0, help="seconds of each comparison")
    parser.add_argument("--delay", type=float, default=0.10, help="share of an inference that is added")
    options = parser.parse_args()
    model = Artifact.open(options.model) if options.model.is_dir() else Artifact.describe(options.model)
    with tempfile.TemporaryDirectory() as folder:
        _install(Path(folder))
        base = Candidate(model, "delayed")
        others = {"itself": base, "slower": Candidate(model, "delayed", options={"delay": options.delay})}
        verdicts: dict[str, Counter[str]] = {name: Counter() for name in others}
        ratios: dict[str, list[float]] = {name: [] for name in others}
        for seed in range(options.repetitions):
            for name, other in others.items():
                (found,) = compare([base, other], budget_s=options.budget, seed=seed).others
                verdicts[name][found.verdict] += 1
                ratios[name] += [found.ratio.value] if found.ratio else []
            print(f"{seed + 1}: {dict(verdicts['itself'])} {dict(verdicts['slower'])}", file=sys.stderr, flush=True)
    print(json.dumps({"verdicts": verdicts, "ratios": ratios}))


def _install(folder: Path) -> None:
    """Make the runtime's package known to this process."""
    info = folder / "delayed-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA, encoding="utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    sys.path.append(str(folder))


if __name__ == "__main__":
    main()
