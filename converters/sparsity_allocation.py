"""How a share of zeros is divided among layers: the same everywhere, or more where weights matter less.

``layer_adaptive`` ranks every weight of every layer by its square over the sum of squares of those in its layer that
are at least as large (Lee et al., "Layer-Adaptive Sparsity for the Magnitude-Based Pruning", ICLR 2021): large layers
give up more, small ones keep more, and none is emptied.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgevision.errors import check_choice
from edgevision.tensors import Array

ALLOCATIONS = ("uniform", "layer_adaptive")


def allocate(kernels: Mapping[str, Array], target_sparsity: float, allocation: str) -> dict[str, float]:
    """Return the share of zeros for each layer, so that over all of them it is ``target_sparsity``.

    Args:
        kernels: Layer -> its kernel, of any shape.
        target_sparsity: Share of zeros in all kernels together, between 0 and 1.
        allocation: One of `ALLOCATIONS`.
    """
    if allocation == "uniform":
        return dict.fromkeys(kernels, target_sparsity)
    scores = {name: _adaptive_scores(kernel) for name, kernel in kernels.items()}
    everything = np.sort(np.concatenate(list(scores.values())))
    threshold = everything[min(len(everything) - 1, round(target_sparsity * len(everything)))]
    return {name: float(np.mean(score < threshold)) for name, score in scores.items()}


def check_allocation(allocation: str, pattern: str) -> None:
    """Raise ConfigError for an allocation that is unknown, or that ``pattern`` cannot have."""
    check_choice("allocation of zeros", allocation, ALLOCATIONS)
    if pattern != "unstructured":
        check_choice(f"allocation of zeros for the pattern {pattern}", allocation, ("uniform",))


def _adaptive_scores(kernel: Array) -> Array:
    """Return the scores of a kernel's weights, ascending; the largest weight's is 1."""
    squares = np.sort(np.square(kernel.astype(np.float64)).reshape(-1))
    at_least = np.cumsum(squares[::-1])[::-1]
    scores: Array = squares / np.maximum(at_least, np.finfo(np.float64).tiny)
    return scores
