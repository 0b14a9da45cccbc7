"""Magnitude pruning: the smallest weights become zero, step by step, while the rest learns to do without them.

Zhu and Gupta, "To prune, or not to prune" (2017), as the TensorFlow Model Optimization Toolkit implements it. The model
keeps its shape: zeros make its files compress better, and a runtime faster only where it uses sparsity.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgevision.converters.distillation import Distillation
from edgevision.converters.fine_tuning import FineTuner, FineTuning, Progress, copy_model, matching_layers
from edgevision.converters.keras_import import (
    KERAS_TOOLS,
    SourceModel,
    is_quantization_aware,
    leaf_layers,
)
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConfigError, ConversionError, check_choice
from edgevision.manifest import LineageStep
from edgevision.optional import require, versions

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset

SCHEDULES = ("polynomial", "constant")

RAMP = 0.6
"""Share of the steps over which the polynomial schedule reaches its target; the rest is recovery."""

UPDATES = 16
"""How often the zeros are chosen anew on that ramp: each time sorts every weight."""

KERNELS = {
    "Conv1D": ("kernel",),
    "Conv2D": ("kernel",),
    "Conv3D": ("kernel",),
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
        zeros: How many of them are exactly 0.
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
        layers: What was measured in each of them.
        model_parameters: Weights in the whole model.
        skipped: (layer, reason) for each layer with weights that were to be pruned and were not.
        history: A record an epoch: ``loss``, ``accuracy`` (0 to 1, on the training images), ``seconds``.
    """

    target_sparsity: float
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
    target_sparsity: float,
    schedule: str = "polynomial",
    layers: Iterable[str] | None = None,
    epochs: int = 2,
    batch_size: int = 32,
    learning_rate: float = 3e-4,
    seed: int = 0,
    augment: str = "flip",
    distillation: Distillation | None = None,
    progress: Progress | None = None,
) -> tuple[SourceModel, PruningReport]:
    """Set the smallest weights of each chosen kernel to zero while fine-tuning; then measure batch norms anew.

    Args:
        source: The model; it is left as it is.
        dataset: Labelled images to fine-tune on.
        target_sparsity: Share of zeros in each kernel, between 0 and 1.
        schedule: ``polynomial`` (rises to the target over 60% of the steps) or ``constant`` (all at once).
        layers: Names or patterns (``stage1_*``); None takes every convolution and dense layer.
        epochs: Passes over the images, at least 1.
        batch_size: Images a step.
        learning_rate: Highest rate of Adam; it warms up, then falls to zero along a cosine.
        seed: The same seed gives the same weights, on the same machine and versions.
        augment: ``none``, ``flip`` or ``crop-flip``.
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
    settings = FineTuning(epochs, batch_size, learning_rate, seed, augment)
    _check(source, target_sparsity, schedule, epochs)
    names = [layers] if isinstance(layers, str) else None if layers is None else list(layers)
    chosen, skipped = _choose(source, names)
    tfmot = require("tensorflow_model_optimization")
    tuner = FineTuner(source, dataset, settings, distillation)
    plan = _schedule(tfmot.sparsity.keras, schedule, target_sparsity, tuner.steps * epochs)

    def wrap(layer: Any) -> Any:
        return tfmot.sparsity.keras.prune_low_magnitude(layer, plan) if layer.name in chosen else layer

    with vendor_step(f"pruning {source.name}"):
        wrapped = copy_model(source, wrap)
    history = tuner.run(wrapped, [tfmot.sparsity.keras.UpdatePruningStep()], progress)
    pruned = _unwrapped(source, wrapped)
    with vendor_step(f"measuring batch norms of {source.name}"):
        tuner.settle_statistics(pruned)
    measured = tuple(_measure(layer) for layer in leaf_layers(pruned) if layer.name in chosen)
    report = PruningReport(
        target_sparsity,
        measured,
        pruned.count_params(),
        (*skipped, *_missed(measured, target_sparsity)),
        tuple(history),
    )
    parameters = {
        "method": "magnitude",
        "target_sparsity": target_sparsity,
        "schedule": schedule,
        "layers": names,
        **settings.to_dict(),
        "distillation": distillation and distillation.to_dict(),
        "images": len(dataset),
        "measured_sparsity": report.measured_sparsity,
    }
    step = LineageStep("prune", parameters, versions("edgevision", *KERAS_TOOLS))
    return source.then(step, model=pruned), report


def _check(source: SourceModel, target_sparsity: float, schedule: str, epochs: int) -> None:
    check_choice("pruning schedule", schedule, SCHEDULES)
    if not 0 < target_sparsity < 1:
        raise ConfigError("target sparsity", got=target_sparsity, allowed="a share between 0 and 1")
    if epochs < 1:
        raise ConfigError("epochs of pruning", got=epochs, allowed="1 or more")
    if is_quantization_aware(source.model):
        raise ConfigError(
            f"{source.name} carries quantization already",
            next_step="prune the float model, then quantize it with keep_sparsity",
        )


def _choose(source: SourceModel, patterns: list[str] | None) -> tuple[set[str], list[tuple[str, str]]]:
    """Return the names of the layers to prune, and (layer, reason) for those with weights that cannot be."""
    matching, in_full = matching_layers(source.model, patterns)
    chosen, skipped = set(), []
    for layer in matching:
        kind = type(layer).__name__
        if kind in KERNELS and not layer.trainable:
            skipped.append((layer.name, "its weights are frozen"))
        elif kind in KERNELS:
            chosen.add(layer.name)
        elif kind.startswith("Depthwise"):
            skipped.append((layer.name, f"{kind}: depthwise kernels are not pruned"))
        elif any(len(weight.shape) > 1 for weight in layer.weights) or layer.name in in_full:
            skipped.append((layer.name, f"{kind}: not a convolution or dense layer"))
    if not chosen:
        raise ConfigError(
            f"{source.name} has nothing to prune among the layers chosen",
            got=", ".join(name for name, _ in skipped[:3]) or None,
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


def _measure(layer: Any) -> LayerSparsity:
    import numpy as np

    kernels = [getattr(layer, name).numpy() for name in KERNELS[type(layer).__name__]]
    zeros = sum(int(np.count_nonzero(kernel == 0)) for kernel in kernels)
    return LayerSparsity(layer.name, sum(kernel.size for kernel in kernels), zeros)


def _missed(measured: Iterable[LayerSparsity], target: float) -> list[tuple[str, str]]:
    """Name the layers that have fewer zeros than asked for: where magnitudes are equal, tfmot keeps them all.

    Raises:
        ConversionError: No layer has what was asked for.
    """
    measured = list(measured)
    missed = [layer for layer in measured if layer.zeros < int(target * layer.parameters) - 1 and layer.parameters > 1]
    if missed and len(missed) == len(measured):
        raise ConversionError(
            "pruning did not reach its target",
            got=f"{missed[0].measured_sparsity:.3f} in {missed[0].layer}",
            allowed=f"{target}",
        )
    return [(layer.layer, f"reached {layer.measured_sparsity:.3f}: many weights are equal") for layer in missed]
