"""A runtime that is a known share slower: the one of TFLite, and then it idles. For benchmarks of the benchmark."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

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
    _inference_ns: ClassVar[dict[str, float]] = {}

    def availability(self) -> Availability:
        """Say what TFLite says."""
        return TFLiteRuntime().availability()

    def load(self, artifact: Artifact, device: str, options: Mapping[str, Any]) -> CompiledModel:
        """Load it, and measure what the share is of."""
        given = dict(options)
        share = given.pop("delay", 0.0)
        model = TFLiteRuntime().load(artifact, device, given)
        if artifact.sha256 not in self._inference_ns:
            self._inference_ns[artifact.sha256] = _median_ns(model)
        return DelayedModel(model, share, self._inference_ns[artifact.sha256])


class DelayedModel(CompiledModel):
    """A model that idles after each inference."""

    def __init__(self, model: CompiledModel, share: float, inference_ns: float) -> None:
        super().__init__(model.inputs, model.outputs, model.facts)
        self._model = model
        self._idle_ns = round(share * inference_ns)

    def _run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        answers = self._model.infer(inputs)
        end = time.perf_counter_ns() + self._idle_ns
        while time.perf_counter_ns() < end:
            pass
        return answers

    def _release(self) -> None:
        self._model.close()


def _median_ns(model: CompiledModel) -> float:
    """What an inference takes once it is warm."""
    zeros = [np.zeros(spec.shape, spec.dtype) for spec in model.inputs]  # type: ignore[arg-type]
    times = []
    for _ in range(2 * TRIALS):
        start = time.perf_counter_ns()
        model.infer(zeros)
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times[TRIALS:])


ROW = Row("delayed", "delayed:DelayedRuntime", ("tflite",), ("cpu",), ("threads", "batch", "delay"))
