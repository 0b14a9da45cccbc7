"""Generated firmware, built with this machine's C compiler: what the microcontroller computes, checked at the desk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.errors import ArtifactError, IncompatibleModelError
from edgevision.firmware_library import FirmwareLibrary, host_compiler
from edgevision.runtimes.base import Availability, CompiledModel
from edgevision.runtimes.settle import FileTensor, Settled, batch_option, fix_batch, settle, threads_option
from edgevision.tensors import Array, QuantParams

REPORT = "firmware.json"
SCHEMA = 1


class FirmwareRuntime:
    """Runs artifacts of format ``c``; options: ``threads``, which changes nothing, and ``batch``.

    The code computes one sample; of a model whose manifest leaves the batch open, one after the other.
    """

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
        manifest, report = artifact.manifest, _report(artifact)
        _check_backend(artifact, report)
        inputs = settle(artifact, "input", manifest.inputs, _tensors(report, "inputs"))
        outputs = settle(artifact, "output", manifest.outputs, _tensors(report, "outputs"))
        fixed = fix_batch(inputs.specs, batch_option(options))
        batch = next(
            (have.shape[0] or 1 for have, want in zip(fixed, inputs.specs, strict=True) if None in want.shape), 1
        )
        answered = [replace(spec, shape=tuple(size or batch for size in spec.shape)) for spec in outputs.specs]
        sizes = [[int(row["bytes"]) for row in report[side]] for side in ("inputs", "outputs")]
        library = FirmwareLibrary(artifact.model_file, str(report["name"]), int(report["ram"]["arena_bytes"]), *sizes)
        facts = {
            "package": library.compiler,
            "version": None,
            "device": device,
            "threads": 1,
            "precision": "int8, as on the microcontroller",
        }
        sides = Settled(fixed, inputs.order), Settled(tuple(answered), outputs.order)
        return FirmwareModel(library, *sides, batch, facts)


class FirmwareModel(CompiledModel):
    """A shared library made of generated code."""

    def __init__(
        self, library: FirmwareLibrary, inputs: Settled, outputs: Settled, batch: int, facts: Mapping[str, Any]
    ) -> None:
        super().__init__(inputs.specs, outputs.specs, facts)
        self._library: FirmwareLibrary | None = library
        self._orders, self._batch = (inputs.order, outputs.order), batch

    def _run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        assert self._library is not None  # close and infer share a lock
        places, answers = self._orders
        stored: list[Array] = [inputs[places.index(position)] for position in range(len(places))]
        samples = [self._library.run(sample) for sample in zip(*(self._split(array) for array in stored), strict=True)]
        return tuple(
            np.concatenate([sample[position] for sample in samples]).reshape([size or 1 for size in spec.shape])
            for position, spec in zip(answers, self.outputs, strict=True)
        )

    def _split(self, array: Array) -> Sequence[Array]:
        return [array] if self._batch == 1 else np.split(array, self._batch)

    def _release(self) -> None:
        self._library = None


def _report(artifact: Artifact) -> dict[str, Any]:
    path = artifact.path / REPORT
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if report["schema"] > SCHEMA:
            raise ArtifactError(f"{path}: written by a newer edgevision", got=f"schema {report['schema']}")
        int(report["ram"]["arena_bytes"])
        [(int(row["bytes"]), _quant(row), [*row["shape"]]) for side in ("inputs", "outputs") for row in report[side]]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ArtifactError(f"{path}: missing or damaged", next_step="generate the firmware again") from exc
    found: dict[str, Any] = report
    return found


def _check_backend(artifact: Artifact, report: Mapping[str, Any]) -> None:
    if report.get("backend", "c99") != "c99":
        raise IncompatibleModelError(
            f"{artifact.manifest.name}: its code calls a library that is not here", got=report["backend"],
            allowed="c99", next_step="generate it again with the backend c99, whose answers are the same",
        )  # fmt: skip


def _tensors(report: Mapping[str, Any], side: str) -> list[FileTensor]:
    """Return the tensors of one side; a first axis of 1 everywhere is a batch that may be open."""
    single = all(row["shape"][:1] == [1] for one in ("inputs", "outputs") for row in report[one])
    return [
        FileTensor((row["name"],), (None, *row["shape"][1:]) if single else tuple(row["shape"]), "int8", _quant(row))
        for row in report[side]
    ]


def _quant(row: Mapping[str, Any]) -> QuantParams | None:
    return QuantParams((row["scale"],), (row["zero_point"],)) if row["scale"] is not None else None
