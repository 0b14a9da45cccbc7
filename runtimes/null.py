"""A runtime that computes nothing: zeros of the right shape and dtype. For tests, and to time what is not the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.errors import IncompatibleModelError
from edgevision.runtimes.base import Availability, CompiledModel
from edgevision.runtimes.settle import batch_option, fix_batch, threads_option
from edgevision.tensors import Array


class NullRuntime:
    """Loads any artifact whose manifest states inputs and outputs; never chosen unless named."""

    name = "null"

    def availability(self) -> Availability:
        """Always there."""
        from edgevision.optional import version

        return Availability(True, "edgevision", version("edgevision"))

    def load(self, artifact: Artifact, device: str, options: Mapping[str, Any]) -> CompiledModel:
        """Take the tensors from the manifest; the model file is not read."""
        manifest, batch = artifact.manifest, batch_option(options)
        if not manifest.inputs or not manifest.outputs:
            raise IncompatibleModelError(f"{manifest.name}: the manifest states no inputs and outputs")
        threads = threads_option(options)
        facts = {
            "package": "edgevision",
            "version": self.availability().version,
            "device": device,
            "threads": threads,
            "precision": "none",
        }
        return NullModel(fix_batch(manifest.inputs, batch), fix_batch(manifest.outputs, batch), facts)


class NullModel(CompiledModel):
    """Answers every input with zeros."""

    def _run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        return tuple(np.zeros(spec.shape, spec.dtype) for spec in self.outputs)  # type: ignore[arg-type]

    def _release(self) -> None:
        pass
