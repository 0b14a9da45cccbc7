"""Golden vectors of the selftest: inputs, and what the generated code answers on the machine that made it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgevision.converters.firmware.source import array
from edgevision.firmware_library import FirmwareLibrary
from edgevision.tensors import Array

COUNT = 4
SEED = 0


def draw_inputs(sizes: Sequence[int], golden: Sequence[Sequence[Array]] = ()) -> list[list[Array]]:
    """Return `COUNT` inputs to test with: both ends of the range, golden ones, then random ones.

    Each is int8 (bytes,) per input.
    """
    draw = np.random.default_rng(SEED)
    found = [[np.full(size, value, np.int8) for size in sizes] for value in (-128, 127)]
    found += [list(row) for row in golden[: COUNT - len(found)]]
    while len(found) < COUNT:
        found.append([draw.integers(-128, 128, size).astype(np.int8) for size in sizes])
    return found


def answers(
    files: Mapping[str, str], name: str, arena_bytes: int,
    inputs: Sequence[int], outputs: Sequence[int], vectors: Sequence[Sequence[Array]],
) -> list[list[Array]]:  # fmt: skip
    """Return the outputs for each vector, as the host's build of the code computes them.

    Raises:
        BackendUnavailableError: There is no C compiler here.
    """
    with tempfile.TemporaryDirectory(prefix="edgevision-vectors-") as folder:
        for file in (f"{name}.c", f"{name}.h"):
            (Path(folder) / file).write_text(files[file], encoding="utf-8")
        library = FirmwareLibrary(Path(folder) / f"{name}.c", name, arena_bytes, inputs, outputs)
        return [library.run(vector) for vector in vectors]


def constants(vectors: Sequence[Sequence[Array]], results: Sequence[Sequence[Array]]) -> str:
    """Return the C constants of the selftest: all inputs and outputs of one vector in a row."""
    joined = {"vector_inputs": vectors, "vector_outputs": results}
    texts = [array(key, np.concatenate([part for row in rows for part in row])) for key, rows in joined.items()]
    return "\n\n".join([f"#define VECTORS {len(vectors)}U", *texts])
