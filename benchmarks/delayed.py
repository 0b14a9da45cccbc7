"""A runtime that is a known share slower: the one of TFLite, and then it idles. For benchmarks of the benchmark."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.registry import Row
from edgevision.runtimes.base import Availability, CompiledModel
from edgevision.runtimes.tflite import TFLiteRuntime
from edgevision.tensors import Array

TRIALS = 300


class DelayedRuntime:
    """Runs TFLite files; the option ``delay`` is the share of an inference that is added to each."""

    name = "delayed"

    def availability(self) -> Availability:
        """Say what TFLite says."""
        return TFLiteRuntime().availability()

    def load(self, artifact: Artifact, device: str, options: Mapping[str, Any]) -> CompiledModel:
        """Load it, and measure what the share is of."""
        given = dict(options)
        return DelayedModel(TFLiteRuntime().load(artifact, device, given), given.pop("delay", 0.0))


class DelayedModel(CompiledModel):
    """A model that idles after each inference."""

    def __init__(self, model: CompiledModel, share: float) -> None:
        super().__init__(model.inputs, model.outputs, model.facts)
        self._model = model
        zeros = [np.zeros(spec.shape, spec.dtype) for spec in model.inputs]  # type: ignore[arg-type]
        self._idle_ns = round(share * statistics.median(_timed(model, zeros) for _ in range(TRIALS)))

    def _run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        answers = self._model.infer(inputs)
        end = time.perf_counter_ns() + self._idle_ns
        while time.perf_counter_ns() < end:
            pass
        return answers

    def _release(self) -> None:
        self._model.close()


def _timed(model: CompiledModel, inputs: Sequence[Array]) -> int:
    start = time.perf_counter_ns()
    model.infer(inputs)
    return time.perf_counter_ns() - start


ROW = Row("delayed", "delayed:DelayedRuntime", ("tflite",), ("cpu",), ("threads", "batch", "delay"))
