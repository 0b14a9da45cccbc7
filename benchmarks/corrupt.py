"""Corrupted model files through inspect, verify and benchmark: each must be answered, and nothing may crash or hang.

    python benchmarks/corrupt.py FILE [FILE ...] [--count 300] [--seed 0]

Of each file ``--count`` copies are made with flipped bits, cut ends, or sections that change places; of an OpenVINO
model the .xml or the .bin. All commands run inside this one process, as a program that uses edgevision would: where a
vendor's library aborted, this process would be gone. What is printed is JSON: how often each command ended how, and
the longest time that one took.
"""

from __future__ import annotations

import argparse
import collections
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner

from edgevision.cli import main as cli

COMMANDS: dict[str, tuple[str, ...]] = {
    "inspect": (),
    "verify": (),
    "benchmark": ("--warmup", "0", "--min-duration", "0", "--min-count", "3"),
}
ANSWERS = {0: "it still runs", 1: "an error", 2: "an error", 3: "not held"}
"""Exit status -> what it says; 3: verify has nothing to hold a bare file against."""
BUG = "this is a bug"
"""What edgevision says of an exception that is none of its own."""


def run() -> int:
    """Print what became of all copies; exit status 3 where one was not answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found = {str(file): tried(file, options.count, options.seed) for file in options.files}
    print(json.dumps(found, indent=2))
    return 3 if any(result["unanswered"] for result in found.values()) else 0


def tried(file: Path, count: int, seed: int) -> dict[str, Any]:
    """Return how inspect, verify and benchmark answered ``count`` corrupted copies of a model."""
    generator = np.random.default_rng(seed)
    ends: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in COMMANDS}
    unanswered, longest = [], 0.0
    for number in range(count):
        with tempfile.TemporaryDirectory() as folder:
            copy, how = _copy(file, Path(folder), generator)
            for name, options in COMMANDS.items():
                began = time.monotonic()
                result = CliRunner().invoke(cli, [name, str(copy), *options])
                longest = max(longest, time.monotonic() - began)
                answer = ANSWERS.get(result.exit_code)
                if answer is None or BUG in result.output or not isinstance(result.exception, SystemExit | None):
                    unanswered.append(f"{number}, {how}: {name}: {result.exception!r} {result.output[-200:]}")
                    answer = "unanswered"
                ends[name][answer] += 1
    return {"commands": ends, "unanswered": unanswered, "longest_s": round(longest, 1)}


def _copy(file: Path, folder: Path, generator: np.random.Generator) -> tuple[Path, str]:
    """Copy a model with one of its files corrupted; return the copy, and what was done to it."""
    parts = [file, *([file.with_suffix(".bin")] if file.suffix == ".xml" else [])]
    for part in parts:
        shutil.copy(part, folder / part.name)
    victim = folder / parts[generator.integers(len(parts))].name
    content, how = corrupted(victim.read_bytes(), generator)
    victim.write_bytes(content)
    return folder / file.name, f"{victim.name} {how}"


def corrupted(content: bytes, generator: np.random.Generator) -> tuple[bytes, str]:
    """Return the content with 1 to 64 bits flipped, its end cut off, or two sections swapped; and which it was."""
    data = bytearray(content)
    kind = generator.integers(3)
    if kind == 0:
        bits = int(2 ** generator.uniform(0, 6))
        # Half of the flips hit the first kilobyte: most of a model is weights, where a flip is just another weight.
        limit = min(len(data), 1024) if generator.integers(2) else len(data)
        for place in generator.integers(0, limit, bits):
            data[place] ^= 1 << int(generator.integers(8))
        return bytes(data), f"with {bits} bits flipped"
    if kind == 1:
        end = int(generator.integers(0, len(data)))
        return bytes(data[:end]), f"cut after {end} bytes"
    length = int(generator.integers(1, max(2, len(data) // 4)))
    first, second = sorted(int(place) for place in generator.integers(0, max(1, len(data) - length), 2))
    swapped = data[:first] + data[second : second + length] + data[first + length :]
    return bytes(swapped), f"with {length} bytes from {second} at {first}"


if __name__ == "__main__":
    raise SystemExit(run())
