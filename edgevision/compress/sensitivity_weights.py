"""What the weights of one unit become in an integer or a sparse model, everything else as it was.

Integer kernels have symmetric weights (±127 steps, ±63 where OpenVINO multiplies them with integers), one scale for the
tensor or one for each output channel, after the batch norm has been folded in. Biases are kept in 32 bits, so nothing
happens to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.compress.sensitivity_graph import BATCH_NORMS

if TYPE_CHECKING:
    from edgevision.compress.sensitivity_graph import Unit
    from edgevision.tensors import Array

OUTPUT_AXES = {
    "depthwise_kernel": (-2, -1),
    "Conv1DTranspose": (-2,),
    "Conv2DTranspose": (-2,),
    "Conv3DTranspose": (-2,),
}
"""Where a kernel has its output channels, if not on its last axis: by its own name, or that of its layer's class."""
STEPS = 127
FEWER_STEPS = 63
"""Of a static int8 model for OpenVINO; see `edgevision.converters.nncf_quantizer`."""


@dataclass(frozen=True)
class Altered:
    """One weight tensor before and after.

    Attributes:
        variable: The variable of the model.
        before: Its values.
        after: The values that it gets.
        folded: The absolute values before, with the batch norm folded in and output channels last: (weights, channels).
    """

    variable: Any
    before: Array
    after: Array
    folded: Array


Change = list[Altered]


def quantized_weights(unit: Unit, bits: int, granularity: str, steps: int = STEPS) -> Change:
    """Return the unit's weights as ``bits`` wide numbers, multiplied out again: float32.

    Args:
        unit: Its layers.
        bits: 8, or 16 for half-precision floats; 32 changes nothing.
        granularity: ``per_channel`` or ``per_tensor`` scales.
        steps: Into how many 8 bits divide the largest weight: `STEPS` or `FEWER_STEPS`.
    """
    if bits == 32:
        return []
    change: Change = []
    for layer in unit.layers:
        for name, variable in kernels(layer):
            kernel = variable.numpy().astype(np.float64)
            factor = folded_scale(unit, layer, name, kernel.shape)
            folded, axes = kernel * factor, output_axes(layer, name)
            per_channel = granularity == "per_channel" and name.endswith("kernel")
            rounded = folded.astype(np.float16) if bits == 16 else _rounded(folded, axes if per_channel else (), steps)
            values = np.where(factor == 0, kernel, rounded / np.where(factor == 0, 1.0, factor))
            change.append(_altered(variable, values, folded, axes))
    if bits == 8 and unit.layers and type(unit.layers[0]).__name__ in BATCH_NORMS:
        change += _constants(unit.layers[0], steps)
    return change


def pruned_weights(unit: Unit, sparsity: float, prunable: Mapping[str, tuple[str, ...]]) -> Change:
    """Return the unit's kernels with the share ``sparsity`` of their smallest weights set to zero.

    Args:
        unit: Its layers.
        sparsity: Above 0, below 1.
        prunable: Class of a layer -> names of the kernels that are pruned.
    """
    change: Change = []
    for layer in unit.layers:
        for name in prunable.get(type(layer).__name__, ()):
            variable = getattr(layer, name)
            kernel = variable.numpy()
            order = np.argsort(np.abs(kernel), axis=None, kind="stable")
            flat = kernel.ravel().copy()
            flat[order[: round(sparsity * flat.size)]] = 0
            change.append(_altered(variable, flat.reshape(kernel.shape), kernel, output_axes(layer, name)))
    return change


def kernels(layer: Any) -> list[tuple[str, Any]]:
    """Return the layer's weights with more than one axis, with their names: what is quantized or pruned."""
    found = []
    for variable in layer.weights:
        if variable.dtype.is_floating and len(variable.shape) > 1:
            found.append((variable.name.rpartition("/")[2].partition(":")[0], variable))
    return found


def output_axes(layer: Any, name: str) -> tuple[int, ...]:
    """Return the axes of a kernel's output channels."""
    return OUTPUT_AXES.get(name) or OUTPUT_AXES.get(type(layer).__name__) or (-1,)


def folded_scale(unit: Unit, layer: Any, name: str, shape: tuple[int, ...]) -> Array:
    """Return what the batch norm of the unit multiplies a kernel with, in a shape that fits; 1 where there is none."""
    norm = next((other for other in unit.layers if type(other).__name__ in BATCH_NORMS), None)
    separable = type(layer).__name__ == "SeparableConv2D"
    if norm is None or norm is layer or not name.endswith("kernel") or (separable and name == "depthwise_kernel"):
        return np.ones((1,) * len(shape))
    axes = [axis % len(shape) for axis in output_axes(layer, name)]
    return batch_norm_scale(norm).reshape([length if axis in axes else 1 for axis, length in enumerate(shape)])


def batch_norm_scale(norm: Any) -> Array:
    """Return γ / √(variance + ε) of each channel, float64."""
    variance = norm.moving_variance.numpy().astype(np.float64)
    gamma = norm.gamma.numpy().astype(np.float64) if norm.scale else np.ones_like(variance)
    scale: Array = gamma / np.sqrt(variance + norm.epsilon)
    return scale


def _altered(variable: Any, values: Array, folded: Array, axes: tuple[int, ...]) -> Altered:
    places = sorted(axis % folded.ndim for axis in axes)
    channels = int(np.prod([folded.shape[place] for place in places]))
    last = np.moveaxis(np.abs(folded), places, range(-len(places), 0)).reshape(-1, channels)
    return Altered(variable, variable.numpy(), values.astype(np.float32), last)


def _rounded(kernel: Array, axes: tuple[int, ...], steps: int) -> Array:
    others = tuple(axis for axis in range(kernel.ndim) if axis - kernel.ndim not in axes)
    highest = np.abs(kernel).max(axis=others, keepdims=True)
    scale = np.where(highest == 0, 1.0, highest / steps)
    rounded: Array = np.round(kernel / scale) * scale
    return rounded


def _constants(norm: Any, steps: int) -> Change:
    """A batch norm with nothing to be folded into is a multiplication and an addition with constants of 8 bits."""
    scale = batch_norm_scale(norm)
    rounded = _rounded(scale, (), steps)
    root = np.sqrt(norm.moving_variance.numpy().astype(np.float64) + norm.epsilon)
    change: Change = [_altered(norm.gamma, rounded * root, scale, (-1,))] if norm.scale else []
    if norm.center:
        mean = norm.moving_mean.numpy().astype(np.float64)
        offset = norm.beta.numpy() - mean * scale
        change.append(_altered(norm.beta, _rounded(offset, (), steps) + mean * rounded, offset, (-1,)))
    return change
