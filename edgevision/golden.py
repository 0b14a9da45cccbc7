"""Golden samples: a few images and what the model answered, kept with the artifact so that anyone can check it again.

On disk: ``golden/000.png`` … (lossless), ``golden/float_output_K.npy`` (the float model's output K), and
``golden/expected/RUNTIME_K.npy`` (this artifact's stored output K on a runtime). Targets and provenance are in the
manifest, which also has every file's hash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgevision.data.images import load_image
from edgevision.documents import check_fields
from edgevision.errors import ArtifactError, ConfigError, InputError, reason_of
from edgevision.preprocessing import check_image
from edgevision.tensors import Array

FOLDER = "golden"


@dataclass(frozen=True, eq=False)
class Golden:
    """A few samples with the answers that are expected for them.

    Attributes:
        samples: Images, uint8 RGB HWC, before any preprocessing.
        targets: The true class of each sample; None where there is none.
        provenance: Where each sample came from ("cifar10 test 0042", "synthetic seed 7").
        float_outputs: Real-valued outputs of the float model, one array per output, samples along axis 0.
        expected: Runtime -> stored outputs of this artifact there, likewise.
    """

    samples: tuple[Array, ...]
    targets: tuple[int | None, ...]
    provenance: tuple[str, ...]
    float_outputs: tuple[Array, ...] = ()
    expected: Mapping[str, tuple[Array, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.samples)
        if not count or len(self.targets) != count or len(self.provenance) != count:
            raise ConfigError(
                "golden: at least one sample, each with a target (or None) and a provenance",
                got=f"{count} samples, {len(self.targets)} targets, {len(self.provenance)} provenances",
            )
        for sample in self.samples:
            check_image(sample)
        for target in self.targets:
            if target is not None and (not isinstance(target, int) or isinstance(target, bool)):
                raise ConfigError("golden: a target is a class index or None", got=repr(target))
        for name, outputs in [("float model", self.float_outputs), *self.expected.items()]:
            for output in outputs:
                if output.ndim < 1 or output.shape[0] != count or output.dtype.hasobject:
                    raise ConfigError(
                        f"golden: outputs of {name} have one row per sample",
                        got=f"{output.dtype} {list(output.shape)}",
                        allowed=f"[{count}, …]",
                    )
        for runtime in self.expected:
            _check_runtime(runtime)

    def write(self, root: Path) -> dict[str, Any]:
        """Write the files under ``root``, and return the table for the manifest."""
        (root / FOLDER / "expected").mkdir(parents=True)
        for index, sample in enumerate(self.samples):
            Image.fromarray(np.ascontiguousarray(sample)).save(root / _sample_name(index), "PNG", optimize=False)
        for name, output in self._arrays():
            np.save(root / name, np.ascontiguousarray(output), allow_pickle=False)
        return {
            "samples": [
                {"target": target, "provenance": provenance}
                for target, provenance in zip(self.targets, self.provenance, strict=True)
            ],
            "float_outputs": len(self.float_outputs),
            "expected": {runtime: len(outputs) for runtime, outputs in self.expected.items()},
        }

    def _arrays(self) -> list[tuple[str, Array]]:
        arrays = [(_float_name(k), output) for k, output in enumerate(self.float_outputs)]
        for runtime, outputs in self.expected.items():
            arrays += [(_expected_name(runtime, k), output) for k, output in enumerate(outputs)]
        return arrays

    @classmethod
    def read(cls, root: Path, table: Mapping[str, Any]) -> Golden:
        """Read what `write` wrote; raises ArtifactError when a file is missing or damaged, or the table is."""
        fields = ("samples", "float_outputs", "expected")
        try:
            check_fields("golden", table, required=fields)
            for runtime in table["expected"]:
                _check_runtime(runtime)
            rows = [check_fields("golden sample", row, required=("target", "provenance")) for row in table["samples"]]
            return cls(
                samples=tuple(load_image(root / _sample_name(index)) for index in range(len(rows))),
                targets=tuple(row["target"] for row in rows),
                provenance=tuple(row["provenance"] for row in rows),
                float_outputs=tuple(_load(root / _float_name(k)) for k in range(table["float_outputs"])),
                expected={
                    runtime: tuple(_load(root / _expected_name(runtime, k)) for k in range(count))
                    for runtime, count in table["expected"].items()
                },
            )
        except (ConfigError, InputError, TypeError, AttributeError) as exc:
            raise ArtifactError(f"{root}: damaged golden samples: {exc}") from exc


def synthetic_images(count: int, height: int, width: int, seed: int) -> tuple[Array, ...]:
    """Make images of nothing: smooth colours with some noise, uint8 RGB HWC, the same for the same arguments.

    For artifacts whose owner's photographs must not travel.
    """
    generator = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        coarse = Image.fromarray(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BILINEAR)).astype(np.int16)
        noise = generator.integers(-24, 25, smooth.shape, dtype=np.int16)
        images.append(np.clip(smooth + noise, 0, 255).astype(np.uint8))
    return tuple(images)


def _check_runtime(name: Any) -> None:
    """Raise ConfigError for a name that could not be part of a file name."""
    if not isinstance(name, str) or not re.fullmatch("[a-z0-9][a-z0-9_.-]*", name):
        raise ConfigError("golden: name of a runtime", got=repr(name), allowed="lower-case letters, digits, _ . -")


def _sample_name(index: int) -> str:
    return f"{FOLDER}/{index:03d}.png"


def _float_name(output: int) -> str:
    return f"{FOLDER}/float_output_{output}.npy"


def _expected_name(runtime: str, output: int) -> str:
    return f"{FOLDER}/expected/{runtime}_{output}.npy"


def _load(path: Path) -> Array:
    try:
        array: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError) as exc:
        raise ArtifactError(f"{path}: a damaged array", got=reason_of(exc)) from exc
    return array
