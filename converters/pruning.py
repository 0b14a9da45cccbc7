"""Magnitude pruning: the smallest weights become zero, step by step, while the rest learns to do without them.

Zhu and Gupta, "To prune, or not to prune" (2017), as the TensorFlow Model Optimization Toolkit implements it. The model
keeps its shape: zeros make its files compress better, and a runtime faster only where it uses sparsity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgevision.converters.distillation import Distillation
from edgevision.converters.fine_tuning import FineTuner, FineTuning, Progress, copy_model, matching_layers
from edgevision.converters.keras_import import (
    KERAS_TOOLS,
    SourceModel,
    is_quantization_aware,
    leaf_layers,
    named_layers,
)
from edgevision.converters.sparsity_allocation import allocate, check_allocation
from edgevision.converters.sparsity_patterns import SparsityPattern
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConfigError, ConversionError, check_choice
from edgevision.manifest import LineageStep
from edgevision.optional import require, versions

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset
    from edgevision.tensors import Array

SCHEDULES = ("polynomial", "constant")

SPARSITY = 0.5
"""Share of zeros when none is asked for."""

RAMP = 0.6
"""Share of the steps over which the polynomial schedule reaches its target; the rest is recovery."""

UPDATES = 16
"""How often the zeros are chosen anew on that ramp: each time sorts every weight."""

KERNELS = {
    "Conv1D": ("kernel",),
    "Conv2D": ("kernel",),
    "Conv3D": ("kernel",),
    "Conv1DTranspose": ("kernel",),
    "Conv2DTranspose": ("kernel",),
    "Conv3DTranspose": ("kernel",),
    "SeparableConv1D": ("pointwise_kernel",),
    "SeparableConv2D": ("pointwise_kernel",),
    "Dense": ("kernel",),
    "LocallyConnected1D": ("kernel",),
    "LocallyConnected2D": ("kernel",),
}
"""Layers whose kernels are pruned, and the weights that count."""


@dataclass(frozen=True)
class LayerSparsity:
    """The zeros in one layer's pruned kernel.

    Attributes:
        layer: Its name.
        parameters: Weights in the kernel.
        zeros: How many of them are exactly 0; with blocks, in blocks that are so throughout.
    """

    layer: str
    parameters: int
    zeros: int

    @property
    def measured_sparsity(self) -> float:
        """Share of zeros, 0 to 1."""
        return self.zeros / self.parameters


@dataclass(frozen=True)
class PruningReport:
    """What pruning did.

    Attributes:
        target_sparsity: Share of zeros asked for in each chosen kernel.
        pattern: Where they lie, in words: ``unstructured``, ``2:4``, ``blocks of 16x1``. It was checked.
        layers: What was measured in each of them.
        model_parameters: Weights in the whole model.
        skipped: (layer, reason) for each layer with weights that were to be pruned and were not.
        history: A record an epoch: ``loss``, ``accuracy`` (0 to 1, on the training images), ``seconds``.
    """

    target_sparsity: float
    pattern: str
    layers: tuple[LayerSparsity, ...]
    model_parameters: int
    skipped: tuple[tuple[str, str], ...] = ()
    history: tuple[dict[str, float], ...] = ()

    @property
    def parameters(self) -> int:
        """Weights in the pruned kernels."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def zeros(self) -> int:
        """Zeros in the pruned kernels."""
        return sum(layer.zeros for layer in self.layers)

    @property
    def measured_sparsity(self) -> float:
        """Share of zeros in the pruned kernels, 0 to 1."""
        return self.zeros / self.parameters

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON takes it."""
        layers = [{**asdict(layer), "measured_sparsity": layer.measured_sparsity} for layer in self.layers]
        totals = {name: getattr(self, name) for name in ("parameters", "zeros", "measured_sparsity")}
        return {**asdict(self), **totals, "layers": layers}


def prune(
    source: SourceModel,
    dataset: ImageDataset,
    *,
    target_sparsity: float | None = None,
    schedule: str = "polynomial",
    allocation: str = "uniform",
    pattern: str = "unstructured",
    block_size: tuple[int, int] | None = None,
    n_m: tuple[int, int] | None = None,
    layers: Iterable[str] | None = None,
    epochs: int = 2,
    batch_size: int = 32,
    learning_rate: float = 3e-4,
    seed: int = 0,
    augment: str = "flip",
    optimizer: str = "adam",
    weight_decay: float = 0.0,
    distillation: Distillation | None = None,
    progress: Progress | None = None,
) -> tuple[SourceModel, PruningReport]:
    """Set the smallest weights of each chosen kernel to zero while fine-tuning; then measure batch norms anew.

    Args:
        source: The model; it is left as it is.
        dataset: Labelled images to fine-tune on.
        target_sparsity: Share of zeros in the chosen kernels, between 0 and 1; None for a half, or what ``n_m`` says.
        schedule: ``polynomial`` (rises to the target over 60% of the steps) or ``constant`` (all at once, as ``n_m``
            always is).
        allocation: ``uniform`` (that share in each kernel) or ``layer_adaptive`` (more in large layers, the same over
            all of them; for ``unstructured``).
        pattern: ``unstructured`` (zeros anywhere), ``block`` (whole blocks of a kernel) or ``n_m`` (n of every m
            weights along the input channels stay). A layer that the pattern does not fit is skipped.
        block_size: (inputs, outputs) of a block, where a kernel is a matrix of its last axis by all others; for
            ``block``. TFLite stores the inputs of an output in a row.
        n_m: (n, m), such as (2, 4); for ``n_m``.
        layers: Names or patterns (``stage1_*``); None takes every convolution and dense layer.
        epochs: Passes over the images, at least 1.
        batch_size: Images a step.
        learning_rate: Highest rate of the optimizer; it warms up, then falls to zero along a cosine.
        seed: The same seed gives the same weights, on the same machine and versions.
        augment: ``none``, ``flip`` or ``crop-flip``.
        optimizer: ``adam`` or ``sgd``; see `edgevision.converters.fine_tuning.FineTuning`.
        weight_decay: Share of each weight that a step at rate 1 takes away.
        distillation: Whose answers are learned from beside the labels; None for the labels alone.
        progress: Called after each epoch with the finished epochs and that epoch's record.

    Returns:
        The pruned model, with the layers, names and dtypes it had, not compiled; and what was measured in it.

    Raises:
        ConfigError: A value makes no sense, a layer's name is unknown, or there is nothing to prune.
        DatasetError: Fewer images than a batch, or of other classes.
        ConversionError: Fine-tuning diverged, or the model cannot be copied.
        BackendUnavailableError: The extra ``compress`` is not installed.
    """
    settings = FineTuning(epochs, batch_size, learning_rate, seed, augment, optimizer, weight_decay)
    zeros = SparsityPattern(pattern, _pair(block_size), _pair(n_m))
    target = _target(zeros, target_sparsity)
    _check(source, schedule, epochs)
    check_allocation(allocation, pattern)
    names = [layers] if isinstance(layers, str) else None if layers is None else list(layers)
    chosen, skipped = _choose(source, names, zeros)
    tfmot = require("tensorflow_model_optimization")
    tuner = FineTuner(source, dataset, settings, distillation)
    shares = allocate(_kernels(source, chosen), target, allocation)

    def wrap(name: str, layer: Any) -> Any:
        share = shares.get(name, 0.0)
        plan = _schedule(tfmot.sparsity.keras, schedule, share, tuner.steps * epochs)
        return zeros.wrap(layer, plan) if share else layer

    with vendor_step(f"pruning {source.name}"):
        wrapped = copy_model(source, wrap)
        for layer in leaf_layers(wrapped):
            if hasattr(layer, "pruning_obj"):
                zeros.prepare(layer)
    history = tuner.run(wrapped, [tfmot.sparsity.keras.UpdatePruningStep()], progress)
    pruned = _unwrapped(source, wrapped)
    with vendor_step(f"measuring batch norms of {source.name}"):
        tuner.settle_statistics(pruned)
    measured = tuple(_measure(name, layer, zeros) for name, layer in named_layers(pruned) if name in chosen)
    missed = _missed(measured, shares, zeros.group)
    report = PruningReport(target, str(zeros), measured, pruned.count_params(), (*skipped, *missed), tuple(history))
    parameters = {
        "method": "magnitude",
        "target_sparsity": target,
        "schedule": schedule,
        "allocation": allocation,
        **zeros.to_dict(),
        "layers": names,
        **settings.to_dict(),
        "distillation": distillation and distillation.to_dict(),
        "images": len(dataset),
        "measured_sparsity": report.measured_sparsity,
    }
    step = LineageStep("prune", parameters, versions("edgevision", *KERAS_TOOLS))
    return source.then(step, model=pruned), report


def _kernels(source: SourceModel, chosen: set[str]) -> dict[str, Array]:
    """Return the kernel of each chosen layer, as one row of weights."""
    import numpy as np

    found = {}
    for name, layer in named_layers(source.model):
        if name in chosen:
            kernels = [getattr(layer, kernel).numpy().reshape(-1) for kernel in KERNELS[type(layer).__name__]]
            found[name] = np.concatenate(kernels)
    return found


def _pair(sizes: Any) -> Any:
    """Return sizes as a tuple, whatever a recipe gave; the pattern refuses what are not two."""
    return tuple(sizes) if isinstance(sizes, list) else sizes


def _target(pattern: SparsityPattern, target_sparsity: float | None) -> float:
    """Return the share of zeros in each kernel; raise ConfigError when it is none, or the pattern says another."""
    if target_sparsity is None:
        return SPARSITY if pattern.sparsity is None else pattern.sparsity
    if not 0 < target_sparsity < 1:
        raise ConfigError("target sparsity", got=target_sparsity, allowed="a share between 0 and 1")
    if pattern.sparsity not in (None, target_sparsity):
        raise ConfigError(f"target sparsity of {pattern}", got=target_sparsity, allowed=str(pattern.sparsity))
    return target_sparsity


def _check(source: SourceModel, schedule: str, epochs: int) -> None:
    check_choice("pruning schedule", schedule, SCHEDULES)
    if epochs < 1:
        raise ConfigError("epochs of pruning", got=epochs, allowed="1 or more")
    if is_quantization_aware(source.model):
        raise ConfigError(
            f"{source.name} carries quantization already",
            next_step="prune the float model, then quantize it with keep_sparsity",
        )


def _choose(
    source: SourceModel, patterns: list[str] | None, zeros: SparsityPattern
) -> tuple[set[str], list[tuple[str, str]]]:
    """Return the names of the layers to prune, and (layer, reason) for those with weights that cannot be."""
    matching, in_full = matching_layers(source.model, patterns)
    chosen, skipped = set(), []
    for name, layer in matching:
        kind = type(layer).__name__
        if kind in KERNELS:
            shape = tuple(getattr(layer, KERNELS[kind][0]).shape)
            reason = zeros.refusal(kind, shape) if layer.trainable else "its weights are frozen"
            if reason:
                skipped.append((name, reason))
            else:
                chosen.add(name)
        elif kind.startswith("Depthwise"):
            skipped.append((name, f"{kind}: depthwise kernels are not pruned"))
        elif any(len(weight.shape) > 1 for weight in layer.weights) or name in in_full:
            skipped.append((name, f"{kind}: not a layer whose kernel is pruned"))
    if not chosen:
        raise ConfigError(
            f"{source.name} has nothing to prune among the layers chosen",
            got="; ".join(f"{name}: {reason}" for name, reason in skipped[:2]) or None,
            next_step="choose convolution or dense layers",
        )
    return chosen, skipped


def _schedule(sparsity: Any, schedule: str, target: float, steps: int) -> Any:
    """Return tfmot's schedule; its steps count from 1, and its last choice of zeros falls on a whole period."""
    if schedule == "constant":
        return sparsity.ConstantSparsity(target, begin_step=1, frequency=max(1, steps // UPDATES))
    period = max(1, round(steps * RAMP / UPDATES))
    end = max(1, int(steps * RAMP) // period) * period
    return sparsity.PolynomialDecay(0.0, target, begin_step=0, end_step=end, frequency=period)


def _unwrapped(source: SourceModel, wrapped: Any) -> Any:
    """Return a model made as the source was, with the weights that were trained in the wrappers."""
    model = copy_model(source)
    for layer, trained in zip(leaf_layers(model), leaf_layers(wrapped), strict=True):
        layer.set_weights(trained.get_weights())
    return model


def _measure(name: str, layer: Any, pattern: SparsityPattern) -> LayerSparsity:
    """Count the zeros of a layer; raise ConversionError when they do not lie as the pattern says."""
    kernels = [getattr(layer, kernel).numpy() for kernel in KERNELS[type(layer).__name__]]
    if not all(map(pattern.holds, kernels)):
        raise ConversionError(f"pruning missed the pattern {pattern} in {name}")
    zeros = sum(pattern.zeros(kernel) for kernel in kernels)
    return LayerSparsity(name, sum(kernel.size for kernel in kernels), zeros)


def _missed(measured: Iterable[LayerSparsity], shares: Mapping[str, float], group: int) -> list[tuple[str, str]]:
    """Name the layers that have fewer zeros than asked for: where magnitudes are equal, tfmot keeps them all.

    Raises:
        ConversionError: No layer has what was asked for.
    """
    measured = list(measured)
    missed = [
        layer
        for layer in measured
        if layer.zeros < int(shares[layer.layer] * layer.parameters) - group and layer.parameters > group
    ]
    if missed and len(missed) == len(measured):
        raise ConversionError(
            "pruning did not reach its target",
            got=f"{missed[0].measured_sparsity:.3f} in {missed[0].layer}",
            allowed=f"{shares[missed[0].layer]:.3g}",
        )
    return [(layer.layer, f"reached {layer.measured_sparsity:.3f}: many weights are equal") for layer in missed]
