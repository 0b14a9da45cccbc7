"""Where the zeros of a pruned kernel lie: anywhere, in whole blocks, or n of every m weights staying.

A kernel is looked at as a matrix of its last axis (output channels) by all others. Blocks are those of Narang,
Undersander and Diamos, "Block-Sparse Recurrent Neural Networks" (2017); n:m sparsity is that of Zhou et al., "Learning
N:M Fine-grained Structured Sparse Neural Networks From Scratch" (2021), along the input channels, as TFLite has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevision.errors import ConfigError, check_choice
from edgevision.optional import require
from edgevision.tensors import Array

PATTERNS = ("unstructured", "block", "n_m")

ALONG_INPUTS = ("Conv2D", "Dense", "SeparableConv2D")
"""Layers in whose kernels tfmot finds the input channels."""


@dataclass(frozen=True)
class SparsityPattern:
    """A pattern of zeros.

    Attributes:
        kind: One of `PATTERNS`.
        block_size: (inputs, outputs) of a block; for ``block``.
        n_m: (n, m): of m weights in a row along the input channels, n stay; for ``n_m``.
    """

    kind: str = "unstructured"
    block_size: tuple[int, int] | None = None
    n_m: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        check_choice("sparsity pattern", self.kind, PATTERNS)
        for option, kind, value in (("block_size", "block", self.block_size), ("n_m", "n_m", self.n_m)):
            if (value is None) == (self.kind == kind):
                raise ConfigError(
                    f"{option} of the sparsity pattern {self.kind}",
                    got=value, allowed="two whole numbers" if self.kind == kind else "none",
                )  # fmt: skip
            if value is not None and not _are_two_sizes(value):
                raise ConfigError(option, got=value, allowed="two whole numbers above 0")
        if self.block_size == (1, 1):
            raise ConfigError(
                "block_size", got="(1, 1)", allowed="more than one weight", next_step="prune unstructured"
            )
        if self.n_m is not None and self.n_m[0] >= self.n_m[1]:
            raise ConfigError("n_m: of m weights, n stay", got=self.n_m, allowed="n below m, such as (2, 4)")

    def __str__(self) -> str:
        if self.block_size is not None:
            return f"blocks of {self.block_size[0]}x{self.block_size[1]}"
        return f"{self.n_m[0]}:{self.n_m[1]}" if self.n_m is not None else "unstructured"

    @property
    def sparsity(self) -> float | None:
        """Share of zeros that the pattern itself determines; None where it leaves it open."""
        return None if self.n_m is None else 1 - self.n_m[0] / self.n_m[1]

    @property
    def group(self) -> int:
        """How many weights become zero at once, at least."""
        return 1 if self.block_size is None else self.block_size[0] * self.block_size[1]

    def refusal(self, kind: str, shape: tuple[int, ...]) -> str | None:
        """Return why a layer of this class, with a kernel of this shape, cannot have the pattern; or None."""
        if self.n_m is not None and kind not in ALONG_INPUTS:
            return f"{kind}: {self} is found along the input channels of {', '.join(ALONG_INPUTS)} alone"
        if self.n_m is not None and shape[-2] % self.n_m[1]:
            return f"its {shape[-2]} input channels are no multiple of {self.n_m[1]}"
        rows, columns = int(np.prod(shape[:-1])), shape[-1]
        if self.block_size is not None and (rows % self.block_size[0] or columns % self.block_size[1]):
            return f"its kernel of {rows}x{columns} does not divide into {self}"
        return None

    def zeros(self, kernel: Array) -> int:
        """Count the zeros of a kernel; with blocks, those in blocks that are zero throughout."""
        if self.block_size is None:
            return int(np.count_nonzero(kernel == 0))
        rows, columns = self.block_size
        blocks = kernel.reshape(-1, rows, kernel.shape[-1] // columns, columns)
        return self.group * int(np.count_nonzero(~blocks.any(axis=(1, 3))))

    def holds(self, kernel: Array) -> bool:
        """Whether at most n of every m weights of a kernel are not zero; True for other patterns."""
        if self.n_m is None:
            return True
        groups = np.moveaxis(kernel, -2, -1).reshape(-1, self.n_m[1])
        return bool((np.count_nonzero(groups, axis=1) <= self.n_m[0]).all())

    def wrap(self, layer: Any, schedule: Any) -> Any:
        """Put tfmot's pruning wrapper around a built layer."""
        sparsity = require("tensorflow_model_optimization").sparsity.keras
        if type(layer).__name__ == "Conv1DTranspose":  # which tfmot has forgotten
            layer.get_prunable_weights = lambda: [layer.kernel]
        if self.n_m is None:
            return sparsity.prune_low_magnitude(layer, schedule)
        staying, size = self.n_m  # tfmot counts the zeros
        return sparsity.prune_low_magnitude(layer, schedule, sparsity_m_by_n=(size - staying, size))

    def prepare(self, wrapper: Any) -> None:
        """Let a wrapper that is part of a model choose blocks: tfmot has them for dense layers alone."""
        if self.block_size is not None:
            wrapper.pruning_obj = _blocks(wrapper.pruning_obj, self.block_size)

    def to_dict(self) -> dict[str, Any]:
        """Return the pattern as the lineage keeps it."""
        sizes = {"block_size": self.block_size, "n_m": self.n_m}
        return {"pattern": self.kind, **{name: list(value) for name, value in sizes.items() if value is not None}}


def _are_two_sizes(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(type(size) is int and size > 0 for size in value)


def _blocks(pruning: Any, block_size: tuple[int, int]) -> Any:
    """Return tfmot's pruning of one layer, with masks of whole blocks: the mean magnitude of a block counts."""
    tf = require("tensorflow")
    rows, columns = block_size

    class Blocks(type(pruning)):  # type: ignore[misc]
        def __init__(self) -> None:
            for name, value in vars(pruning).items():
                setattr(self, name, value)

        def _maybe_update_block_mask(self, weights: Any) -> tuple[Any, Any]:
            inputs, outputs = int(np.prod(weights.shape[:-1])), int(weights.shape[-1])
            blocks = tf.reshape(weights, (inputs // rows, rows, outputs // columns, columns))
            threshold, mask = self._update_mask(tf.reduce_mean(tf.abs(blocks), axis=(1, 3)))
            whole = tf.broadcast_to(mask[:, None, :, None], blocks.shape)
            return threshold, tf.reshape(whole, weights.shape)

    return Blocks()
