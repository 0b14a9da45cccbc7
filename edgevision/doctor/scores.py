"""What a model's output says of the true class, whether it is a probability or a logit, and how loudly it says it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgevision.tasks.classification import probabilities, score_rows, top1
from edgevision.tensors import Array, TensorSpec

TEMPERATURES = np.geomspace(1 / 64, 8.0, 28)
"""What logits are divided by: the loss of a trial is that at its best temperature (C. Guo et al., ICML 2017).

Otherwise a normalization of less contrast could win by making a model that is too sure of itself less so.
"""

LEAST = 1e-7
"""A probability counts for no less; for a quantized one, half a step."""


@dataclass(frozen=True)
class Scores:
    """How to read a model's first output.

    Attributes:
        output: Its specification.
        activation: One of `edgevision.tasks.classification.ACTIVATIONS`.
    """

    output: TensorSpec
    activation: str

    def judge(self, stored: Array, target: int) -> tuple[Array, bool]:
        """Return the loss at each of `TEMPERATURES`, nats, and whether the best class is ``target``.

        Raises:
            InferenceError: The output is not one row of scores, or has NaN in it.
        """
        logits = self._logits(probabilities(stored, self.output)[0])
        scaled = logits / TEMPERATURES[:, None]
        top = scaled.max(axis=1)
        losses = np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top - scaled[:, target]
        return losses, int(top1(stored, self.output)[0]) == target

    def _logits(self, row: Array) -> Array:
        if self.activation == "logits":
            return row
        least = self.output.quant.scale[0] / 2 if self.output.quant is not None else LEAST
        shares = np.clip(row, least, 1 - least if self.activation == "sigmoid" else None)
        logits: Array = np.log(shares) - (np.log1p(-shares) if self.activation == "sigmoid" else 0.0)
        return logits


def detect_activation(rows: Array, output: TensorSpec) -> str:
    """Return what scores seem to be: ``softmax`` if they are shares of 1, ``sigmoid`` within 0 and 1, else ``logits``.

    Args:
        rows: Stored scores of several images (N, C).
        output: Specification of the output.

    Raises:
        InferenceError: They are not scores.
    """
    real = probabilities(score_rows(rows, output), output)
    if real.min() < -1e-6 or real.max() > 1 + 1e-6:
        return "logits"
    step = 0.0 if output.quant is None else max(output.quant.scale)
    return "softmax" if np.abs(real.sum(axis=1) - 1).max() <= 1e-3 + step * real.shape[1] / 2 else "sigmoid"
