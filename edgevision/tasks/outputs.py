"""One output of a model for one image: stored values, and the way to real ones for as many of them as are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevision.errors import ConfigError
from edgevision.tensors import Array, TensorSpec, dequantize


@dataclass(frozen=True, eq=False)
class Output:
    """One output of a model.

    Attributes:
        stored: Its values as the runtime gave them.
        spec: Its specification.
    """

    stored: Array
    spec: TensorSpec

    def __post_init__(self) -> None:
        if self.spec.quant is not None and self.spec.quant.axis is not None:
            raise ConfigError(f"output {self.spec.name}: quantized along an axis", allowed="one scale for all of it")

    def real(self, part: Array) -> Array:
        """Return part of the stored values as real ones, float32; integers without a scale stand for themselves."""
        if self.spec.is_integer and self.spec.quant is None:
            return part.astype(np.float32)
        return dequantize(part, self.spec) if self.spec.is_integer else np.asarray(part, np.float32)


def outputs_of(stored: Sequence[Array], specs: Sequence[TensorSpec]) -> tuple[Output, ...]:
    """Return a runtime's answer as outputs."""
    return tuple(Output(values, spec) for values, spec in zip(stored, specs, strict=True))


def sigmoid(values: Array) -> Array:
    """Return 1 / (1 + e^-x), float32, without overflow."""
    wide = np.asarray(values, np.float32)
    shares: Array = 0.5 * (1 + np.tanh(0.5 * wide))
    return shares
