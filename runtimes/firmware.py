"""Generated firmware, built with this machine's C compiler: what the microcontroller computes, checked at the desk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edgevision.artifact import Artifact
from edgevision.errors import ArtifactError, IncompatibleModelError
from edgevision.firmware_library import FirmwareLibrary, host_compiler
from edgevision.runtimes.base import Availability, CompiledModel
from edgevision.runtimes.settle import batch_option, fix_batch, threads_option
from edgevision.tensors import Array, TensorSpec

REPORT = "firmware.json"
SCHEMA = 1


class FirmwareRuntime:
    """Runs artifacts of format ``c``; options: ``threads``, which changes nothing, and ``batch``."""

    name = "firmware"

    def availability(self) -> Availability:
        """Say whether there is a C compiler."""
        compiler = host_compiler()
        if compiler is None:
            return Availability(False, "a C compiler", install="apt-get install gcc, or set CC")
        return Availability(True, compiler[0])

    def load(self, artifact: Artifact, device: str, options: Mapping[str, Any]) -> CompiledModel:
        """Build the C code and load it."""
        threads_option(options)
        manifest = artifact.manifest
        if not manifest.inputs or not manifest.outputs:
            raise IncompatibleModelError(f"{manifest.name}: the manifest states no inputs and outputs")
        report = _report(artifact)
        inputs = fix_batch(manifest.inputs, batch_option(options))
        sizes = [[int(row["bytes"]) for row in report[side]] for side in ("inputs", "outputs")]
        _check_sizes(artifact, inputs, sizes[0])
        _check_sizes(artifact, manifest.outputs, sizes[1])
        library = FirmwareLibrary(artifact.model_file, str(report["name"]), int(report["ram"]["arena_bytes"]), *sizes)
        facts = {
            "package": library.compiler,
            "version": None,
            "device": device,
            "threads": 1,
            "precision": "int8, as on the microcontroller",
        }
        return FirmwareModel(library, inputs, manifest.outputs, facts)


class FirmwareModel(CompiledModel):
    """A shared library made of generated code."""

    def __init__(
        self,
        library: FirmwareLibrary,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        facts: Mapping[str, Any],
    ) -> None:
        super().__init__(inputs, outputs, facts)
        self._library: FirmwareLibrary | None = library

    def _run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        assert self._library is not None  # close and infer share a lock
        results = self._library.run(inputs)
        return tuple(
            array.reshape([size or 1 for size in spec.shape]) for array, spec in zip(results, self.outputs, strict=True)
        )

    def _release(self) -> None:
        self._library = None


def _report(artifact: Artifact) -> dict[str, Any]:
    path = artifact.path / REPORT
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if report["schema"] > SCHEMA:
            raise ArtifactError(f"{path}: written by a newer edgevision", got=f"schema {report['schema']}")
        int(report["ram"]["arena_bytes"])
        [int(row["bytes"]) for side in ("inputs", "outputs") for row in report[side]]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ArtifactError(f"{path}: missing or damaged", next_step="generate the firmware again") from exc
    found: dict[str, Any] = report
    return found


def _check_sizes(artifact: Artifact, specs: Sequence[TensorSpec], sizes: Sequence[int]) -> None:
    stated = []
    for spec in specs:
        count = 1
        for size in spec.shape:
            count *= size or 1
        stated.append(count)
    if stated != list(sizes) or any(spec.dtype != "int8" for spec in specs):
        raise ArtifactError(
            f"{artifact.manifest.name}: the manifest and {REPORT} disagree",
            got=f"{stated} bytes",
            allowed=f"{list(sizes)}",
        )
