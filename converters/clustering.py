"""Weight clustering: each kernel keeps a few distinct values, its centroids, which are fine-tuned with all the rest.

Han, Mao and Dally, "Deep Compression" (2016), as the TensorFlow Model Optimization Toolkit implements it. The model
keeps its shape and its speed; its files compress better, most of all when `quantize_aware` keeps the clusters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.converters.distillation import Distillation
from edgevision.converters.fine_tuning import FineTuner, FineTuning, Progress, copy_model, matching_layers
from edgevision.converters.keras_import import (
    KERAS_TOOLS,
    SourceModel,
    is_quantization_aware,
    leaf_layers,
    named_layers,
)
from edgevision.converters.pruning import KERNELS
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConfigError, ConversionError, check_choice
from edgevision.manifest import LineageStep
from edgevision.optional import require, versions
from edgevision.tensors import Array

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset

CENTROIDS = {"kmeans++": "KMEANS_PLUS_PLUS", "linear": "LINEAR", "density": "DENSITY_BASED", "random": "RANDOM"}
"""How centroids are chosen -> tfmot's name for it."""


@dataclass(frozen=True)
class LayerClusters:
    """The distinct values of one layer's clustered kernel.

    Attributes:
        layer: Its name.
        parameters: Weights in the kernel.
        values: Distinct values among them; of the channel that has most, where each has its own.
        zeros: How many weights are exactly 0.
        entropy_bits: Bits a weight that no lossless code goes below, when it codes weight by weight.
    """

    layer: str
    parameters: int
    values: int
    zeros: int
    entropy_bits: float


@dataclass(frozen=True)
class ClusteringReport:
    """What clustering did.

    Attributes:
        clusters: Distinct values asked for in each kernel, or in each output channel.
        per_channel: Whether each output channel of a convolution has values of its own.
        layers: What was measured in each clustered layer.
        model_parameters: Weights in the whole model.
        skipped: (layer, reason) for each layer with weights that were to be clustered and were not, wholly or in part.
        history: A record an epoch: ``loss``, ``accuracy`` (0 to 1, on the training images), ``seconds``.
    """

    clusters: int
    per_channel: bool
    layers: tuple[LayerClusters, ...]
    model_parameters: int
    skipped: tuple[tuple[str, str], ...] = ()
    history: tuple[dict[str, float], ...] = ()

    @property
    def parameters(self) -> int:
        """Weights in the clustered kernels."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def zeros(self) -> int:
        """Zeros in the clustered kernels."""
        return sum(layer.zeros for layer in self.layers)

    @property
    def entropy_bytes(self) -> int:
        """Bytes that no lossless code of the clustered kernels goes below, when it codes weight by weight."""
        return round(sum(layer.parameters * layer.entropy_bits for layer in self.layers) / 8)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON takes it."""
        return {**asdict(self), **{name: getattr(self, name) for name in ("parameters", "zeros", "entropy_bytes")}}


def cluster(
    source: SourceModel,
    dataset: ImageDataset,
    *,
    clusters: int = 16,
    centroids: str = "kmeans++",
    per_channel: bool = False,
    keep_sparsity: bool = False,
    layers: Iterable[str] | None = None,
    epochs: int = 2,
    batch_size: int = 32,
    learning_rate: float = 1e-4,
    seed: int = 0,
    augment: str = "flip",
    optimizer: str = "adam",
    weight_decay: float = 0.0,
    distillation: Distillation | None = None,
    progress: Progress | None = None,
) -> tuple[SourceModel, ClusteringReport]:
    """Give each chosen kernel a few values while fine-tuning; then measure batch norms anew.

    Args:
        source: The model; it is left as it is.
        dataset: Labelled images to fine-tune on.
        clusters: Distinct values in each kernel, 2 to 256; with ``keep_sparsity`` zero is one of them, 3 to 256.
        centroids: How they are first chosen, one of `CENTROIDS`. ``linear`` spaces them evenly, and deflates best.
        per_channel: Whether each output channel of a convolution has values of its own: more accurate, and larger.
        keep_sparsity: Whether every zero stays zero, in the layers that have any.
        layers: Names or patterns (``stage1_*``); None takes every convolution and dense layer.
        epochs: Passes over the images; 0 only moves each weight to its centroid.
        batch_size: Images a step.
        learning_rate: Highest rate of the optimizer; it warms up, then falls to zero along a cosine.
        seed: The same seed gives the same weights, on the same machine and versions.
        augment: ``none``, ``flip`` or ``crop-flip``.
        optimizer: ``adam`` or ``sgd``; see `edgevision.converters.fine_tuning.FineTuning`.
        weight_decay: Share of each weight that a step at rate 1 takes away.
        distillation: Whose answers are learned from beside the labels; None for the labels alone.
        progress: Called after each epoch with the finished epochs and that epoch's record.

    Returns:
        The clustered model, with the layers, names and dtypes it had, not compiled; and what was measured in it.

    Raises:
        ConfigError: A value makes no sense, a layer's name is unknown, or there is nothing to cluster.
        DatasetError: Fewer images than a batch, or of other classes.
        ConversionError: Fine-tuning diverged, or the clusters did not hold.
        BackendUnavailableError: The extra ``compress`` is not installed.
    """
    settings = FineTuning(epochs, batch_size, learning_rate, seed, augment, optimizer, weight_decay)
    _check(source, clusters, centroids, keep_sparsity)
    names = [layers] if isinstance(layers, str) else None if layers is None else list(layers)
    chosen, skipped = _choose(source, names, clusters, per_channel)
    tuner = FineTuner(source, dataset, settings, distillation)
    keras = require("tf_keras")
    keras.utils.set_random_seed(seed)
    with vendor_step(f"clustering {source.name}"):
        wrapped = copy_model(source, _wrapper(clusters, centroids, per_channel, keep_sparsity, chosen))
    history = tuner.run(wrapped, progress=progress) if epochs else []
    with vendor_step(f"clustering {source.name}"):
        clustered = _unwrapped(source, wrapped)
        tuner.settle_statistics(clustered)
    measured = _measured(source, clustered, clusters, per_channel, keep_sparsity, chosen)
    report = ClusteringReport(clusters, per_channel, measured, clustered.count_params(), tuple(skipped), tuple(history))
    parameters = {
        "clusters": clusters,
        "centroids": centroids,
        "per_channel": per_channel,
        "keep_sparsity": keep_sparsity,
        "layers": names,
        **settings.to_dict(),
        "distillation": distillation and distillation.to_dict(),
        "images": len(dataset),
    }
    step = LineageStep("cluster", parameters, versions("edgevision", *KERAS_TOOLS))
    return source.then(step, model=clustered), report


def _check(source: SourceModel, clusters: int, centroids: str, keep_sparsity: bool) -> None:
    check_choice("centroids", centroids, CENTROIDS)
    least = 3 if keep_sparsity else 2
    if not isinstance(clusters, int) or not least <= clusters <= 256:
        raise ConfigError(
            f"clusters{' with zeros kept' if keep_sparsity else ''}", got=clusters, allowed=f"{least} to 256"
        )
    if is_quantization_aware(source.model):
        raise ConfigError(
            f"{source.name} carries quantization already",
            next_step="cluster the float model, then quantize it with keep_clusters",
        )


def _choose(
    source: SourceModel, patterns: list[str] | None, clusters: int, per_channel: bool
) -> tuple[set[str], list[tuple[str, str]]]:
    """Return the names of the layers to cluster, and (layer, reason) for those with weights that cannot be."""
    matching, in_full = matching_layers(source.model, patterns)
    chosen, skipped = set(), []
    for name, layer in matching:
        kind = type(layer).__name__
        if kind in KERNELS:
            reason = _refusal(layer, clusters, per_channel and kind == "Conv2D")
        elif kind.startswith("Depthwise"):
            reason = f"{kind}: tfmot does not cluster depthwise kernels, whose accuracy it cannot recover"
        elif any(len(weight.shape) > 1 for weight in layer.weights) or name in in_full:
            reason = f"{kind}: not a layer whose kernel is clustered"
        else:
            continue
        if reason:
            skipped.append((name, reason))
        else:
            chosen.add(name)
            if kind.startswith("Separable"):
                skipped.append((name, f"{kind}: its depthwise kernel stays as it is; the other one is clustered"))
    if not chosen:
        raise ConfigError(
            f"{source.name} has nothing to cluster among the layers chosen",
            got="; ".join(f"{name}: {reason}" for name, reason in skipped[:2]) or None,
            next_step="choose convolution or dense layers with more weights than clusters",
        )
    return chosen, skipped


def _refusal(layer: Any, clusters: int, per_channel: bool) -> str | None:
    """Return why this layer is not clustered, or None; tfmot fails where there are fewer weights than centroids."""
    if not layer.trainable:
        return "its weights are frozen"
    kernel = _kernel(layer)
    others = (
        np.count_nonzero(kernel, axis=tuple(range(kernel.ndim - 1))).min() if per_channel else np.count_nonzero(kernel)
    )
    if others <= clusters:
        return f"{others} weights{' of a channel' if per_channel else ''} are not zero: too few for {clusters} clusters"
    return None


def _wrapper(clusters: int, centroids: str, per_channel: bool, keep_sparsity: bool, chosen: set[str]) -> Any:
    """Return what puts tfmot's wrapper around the chosen layers.

    Its class, and not tfmot's function: that one leaves out convolutions without a bias when channels have their own
    centroids, because it takes the kernel's size for the number of channels.
    """
    tfmot = require("tensorflow_model_optimization").clustering.keras
    room = require("tensorflow_model_optimization.python.core.clustering.keras.cluster_wrapper")

    def wrap(name: str, layer: Any) -> Any:
        if name not in chosen:
            return layer
        return room.ClusterWeights(
            layer,
            clusters,
            tfmot.CentroidInitialization[CENTROIDS[centroids]],
            preserve_sparsity=keep_sparsity and bool((_kernel(layer) == 0).any()),
            cluster_per_channel=per_channel,
        )

    return wrap


def _unwrapped(source: SourceModel, wrapped: Any) -> Any:
    """Return a model made as the source was, with the weights that were trained in the wrappers."""
    model = copy_model(source)
    for layer, trained in zip(leaf_layers(model), leaf_layers(wrapped), strict=True):
        if not hasattr(trained, "update_clustered_weights_associations"):
            layer.set_weights(trained.get_weights())
            continue
        trained.update_clustered_weights_associations()
        values = trained.layer.get_weights()  # those that are not clustered
        for position, name in trained.position_original_weights.items():
            values.insert(position, trained.get_weight_from_layer(name).numpy())
        layer.set_weights(values)
    return model


def _measured(
    source: SourceModel, model: Any, clusters: int, per_channel: bool, keep_sparsity: bool, chosen: set[str]
) -> tuple[LayerClusters, ...]:
    """Count what is in each clustered kernel.

    Raises:
        ConversionError: A kernel has more values than asked for, or lost a zero.
    """
    found = []
    for (name, before), (_, layer) in zip(named_layers(source.model), named_layers(model), strict=True):
        if name not in chosen:
            continue
        kernel, was_zero = _kernel(layer), _kernel(before) == 0
        apart = per_channel and type(layer).__name__ == "Conv2D"
        parts = np.moveaxis(kernel, -1, 0) if apart else kernel[None]
        values = max(len(np.unique(part)) for part in parts)
        if values > clusters:
            raise ConversionError(f"clustering did not hold in {name}", got=values, allowed=f"{clusters} values")
        if keep_sparsity and kernel[was_zero].any():
            raise ConversionError(f"clustering lost zeros of {name}", got=np.count_nonzero(kernel[was_zero]))
        zeros = int(np.count_nonzero(kernel == 0))
        found.append(LayerClusters(name, kernel.size, values, zeros, _entropy_bits(kernel)))
    return tuple(found)


def _kernel(layer: Any) -> Array:
    kernel: Array = getattr(layer, KERNELS[type(layer).__name__][0]).numpy()
    return kernel


def _entropy_bits(kernel: Array) -> float:
    shares = np.unique(kernel, return_counts=True)[1] / kernel.size
    return float(-(shares * np.log2(shares)).sum())
