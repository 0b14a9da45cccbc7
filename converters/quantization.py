"""Quantization-aware training: the model learns with the rounding that its int8 form will have.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018), as
the TensorFlow Model Optimization Toolkit implements it in its default 8-bit scheme (convolutions per-channel, dense
layers per-tensor, activations per-tensor; batch norm follows its convolution and is folded into it by the exporter).
Three things differ, so that a short fine-tuning of a good model stays good: activation ranges are measured before and
after (tfmot's averages start at ±6 and move by a thousandth a step), batch-norm statistics stay as they were trained,
and the input's range is the exact one that the preprocessing gives.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
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
)
from edgevision.converters.quantization_scheme import BATCH_NORMS, EightBits, before
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConfigError, ConversionError
from edgevision.manifest import LineageStep
from edgevision.optional import require, versions

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset
    from edgevision.preprocessing import Preprocessing

SCHEME = "static_wi8_ai8"
TFMOT_DECAY = 0.999
RANGE_DECAY = 0.8
"""Share of an activation range that a batch of the calibration leaves as it was."""
RANGE_STEPS = 32
"""Batches in a calibration: 0.8^32 < 0.001 of the start remains."""
KERNEL_RANGE = re.compile(r"kernel_(min|max):0$")
ACTIVATION_RANGE = re.compile(r"(?<!kernel)_(min|max):0$")


@dataclass(frozen=True)
class QuantizationReport:
    """What quantization-aware training did.

    Attributes:
        scheme: The scheme that the model was trained for.
        quantized: Names of the layers that compute in it, as before quantization.
        skipped: (layer, reason) for each layer that stays in float.
        zeros: Zeros in the weights of the quantized convolution and dense layers.
        values: (layer, count) of the distinct values in each of these weights.
        history: A record an epoch: ``loss``, ``accuracy`` (0 to 1, on the training images), ``seconds``.
    """

    scheme: str
    quantized: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    zeros: int = 0
    values: tuple[tuple[str, int], ...] = ()
    history: tuple[dict[str, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON takes it."""
        return asdict(self)


def quantize_aware(
    source: SourceModel,
    dataset: ImageDataset,
    *,
    epochs: int = 2,
    batch_size: int = 32,
    learning_rate: float = 1e-4,
    seed: int = 0,
    augment: str = "flip",
    optimizer: str = "adam",
    weight_decay: float = 0.0,
    distillation: Distillation | None = None,
    keep_sparsity: bool = False,
    keep_clusters: bool = False,
    layers: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> tuple[SourceModel, QuantizationReport]:
    """Fine-tune with simulated int8 arithmetic, and keep the ranges that the exporters then use.

    Args:
        source: The float model; it is left as it is.
        dataset: Labelled images to fine-tune on; the ranges come from them too.
        epochs: Passes over the images; 0 only measures the ranges and leaves the weights alone.
        batch_size: Images a step.
        learning_rate: Highest rate of the optimizer; it warms up, then falls to zero along a cosine.
        seed: The same seed gives the same weights, on the same machine and versions.
        augment: ``none``, ``flip`` or ``crop-flip``; ranges are measured without.
        optimizer: ``adam`` or ``sgd``; see `edgevision.converters.fine_tuning.FineTuning`.
        weight_decay: Share of each weight that a step at rate 1 takes away.
        distillation: Whose answers are learned from beside the labels; None for the labels alone.
        keep_sparsity: Keep every zero weight of a convolution or dense layer zero.
        keep_clusters: Keep weights of a convolution or dense layer equal that are equal. A layer with one set of
            clusters gets one range, so that its integers are as few; where they are those of each channel, each
            channel keeps its range.
        layers: Names or patterns (``stage1_*``) of the layers to quantize; None takes all. Batch norm and activation
            are quantized with the convolution before them only if they are among them.
        progress: Called after each epoch with the finished epochs and that epoch's record.

    Returns:
        The model with quantization wrappers, of scheme ``static_wi8_ai8``, not compiled; and what was done.

    Raises:
        ConfigError: A value makes no sense, a layer's name is unknown, the model is quantized already, or it has no
            clusters to keep.
        DatasetError: Fewer images than a batch, or of other classes.
        ConversionError: No layer can be quantized, or fine-tuning diverged.
        BackendUnavailableError: The extra ``compress`` is not installed.
    """
    settings = FineTuning(epochs, batch_size, learning_rate, seed, augment, optimizer, weight_decay)
    if is_quantization_aware(source.model):
        raise ConfigError(f"{source.name} carries quantization already", next_step="start from the float model")
    names = [layers] if isinstance(layers, str) else None if layers is None else list(layers)
    scheme = EightBits(keep_sparsity, keep_clusters)
    copy = copy_model(source)
    chosen, skipped = _choose(copy, scheme, names)
    tuner = FineTuner(source, dataset, settings, distillation)
    model = _annotated(source, copy, scheme, chosen)
    scheme.check_clusters(source.name)
    _set_input_range(model, tuner.preprocessing)
    history: list[dict[str, float]] = []
    with _frozen_statistics(model):
        _calibrate(model, tuner)
        if epochs:
            history = tuner.run(model, progress=progress)
            scheme.settle()
            _calibrate(model, tuner)
    _fill_empty_ranges(model)
    model = require("tf_keras").Model(model.inputs, model.outputs, name=source.model.name)  # without optimizer state
    report = QuantizationReport(SCHEME, tuple(chosen), tuple(skipped), _zeros(model), _values(model), tuple(history))
    parameters = {
        "method": "quantization-aware training",
        "scheme": SCHEME,
        "layers": names,
        "keep_sparsity": keep_sparsity,
        "keep_clusters": keep_clusters,
        **settings.to_dict(),
        "distillation": distillation and distillation.to_dict(),
        "images": len(dataset),
        "skipped": [list(item) for item in skipped],
    }
    step = LineageStep("quantize", parameters, versions("edgevision", *KERAS_TOOLS))
    return source.then(step, model=model, scheme=SCHEME), report


def _choose(model: Any, scheme: EightBits, patterns: list[str] | None) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the names of the layers to quantize, and (layer, reason) for those that stay in float."""
    matching = {id(layer) for _, layer in matching_layers(model, patterns)[0]}
    chosen: list[str] = []
    skipped: list[tuple[str, str]] = []
    kernels = 0
    for layer in model.layers:
        inside = leaf_layers(layer) if hasattr(layer, "layers") else [layer]
        if type(layer).__name__ == "InputLayer" or matching.isdisjoint(map(id, inside)):
            continue
        reason = scheme.refusal(layer)
        if reason:
            skipped.append((layer.name, reason))
        elif type(layer).__name__ in BATCH_NORMS and before(layer).name not in chosen:
            skipped.append((layer.name, f"{before(layer).name}, which it would be folded into, stays in float"))
        else:
            chosen.append(layer.name)
            kernels += any(_is_kernel(weight) for weight in layer.weights)
    if not kernels:
        got = "; ".join(f"{name}: {reason}" for name, reason in skipped[:2])
        raise ConversionError(f"{model.name} has no layer with weights that can be quantized", got=got or None)
    return chosen, skipped


def _annotated(source: SourceModel, model: Any, scheme: EightBits, chosen: list[str]) -> Any:
    """Return ``model``, a copy of the source's, with quantization wrappers around the chosen layers."""
    keras = require("tf_keras")
    quantization = require("tensorflow_model_optimization").quantization.keras
    names = set(chosen)

    def annotate(layer: Any) -> Any:
        return quantization.quantize_annotate_layer(layer) if layer.name in names else layer

    with vendor_step(f"quantizing {source.name}"):
        annotated = keras.models.clone_model(model, clone_function=annotate)
        with quantization.quantize_scope():
            return quantization.quantize_apply(annotated, scheme)


def _calibrate(model: Any, tuner: FineTuner) -> None:
    """Measure every activation's range on unaugmented images, and set each weight's range to what it is now."""
    tf = require("tensorflow")
    ranges = [weight for weight in model.non_trainable_weights if ACTIVATION_RANGE.search(weight.name)]
    stretch = (1 - RANGE_DECAY) / (1 - TFMOT_DECAY)

    @tf.function  # type: ignore[untyped-decorator]
    def step(images: Any) -> None:
        before = [tf.identity(limit) for limit in ranges]
        model(images, training=True)
        for limit, old in zip(ranges, before, strict=True):
            limit.assign(old + (limit - old) * stretch)

    batches = tuner.batches(0, -(-RANGE_STEPS // tuner.steps), augment="none")
    with _without_dropout(model):
        for images, _ in batches.take(RANGE_STEPS):
            step(images)


def _fill_empty_ranges(model: Any) -> None:
    """Give kernels' channels that are all zero the widest range of their layer.

    Their own is empty, and a scale of nothing comes of it: OpenVINO divides by it, and in TFLite the channel's bias,
    which is counted in that scale, no longer fits 32 bits.
    """
    for layer in model.layers:
        limits = {weight.name[-5:]: weight for weight in layer.weights if KERNEL_RANGE.search(weight.name)}
        if len(limits) != 2:
            continue
        low, high = (np.array(limits[end].numpy()) for end in ("min:0", "max:0"))
        empty = low == high
        if empty.any():
            widest = float(np.abs([low, high]).max()) or 1.0
            limits["min:0"].assign(np.where(empty, -widest, low))
            limits["max:0"].assign(np.where(empty, widest, high))


def _set_input_range(model: Any, preprocessing: Preprocessing) -> None:
    """Give the input the range of pixels from 0 to 255; tfmot would leave it at ±6 or wider."""
    pairs = list(zip(preprocessing.mean, preprocessing.std, strict=True))
    low = min(0.0, *((0 - mean) / std for mean, std in pairs), *((255 - mean) / std for mean, std in pairs))
    high = max(0.0, *((0 - mean) / std for mean, std in pairs), *((255 - mean) / std for mean, std in pairs))
    for layer in model.layers:
        if type(layer).__name__ == "QuantizeLayer":
            for weight in layer.weights:
                if weight.name.endswith("_min:0"):
                    weight.assign(low)
                elif weight.name.endswith("_max:0"):
                    weight.assign(high)


@contextlib.contextmanager
def _frozen_statistics(model: Any) -> Iterator[None]:
    """Let batch norms use the statistics that they have; tfmot's wrappers go on training scale and offset."""
    layers = [layer for layer in _unwrapped(model) if type(layer).__name__.endswith("BatchNormalization")]
    before = [layer.trainable for layer in layers]
    for layer in layers:
        layer.trainable = False
    try:
        yield
    finally:
        for layer, trainable in zip(layers, before, strict=True):
            layer.trainable = trainable


@contextlib.contextmanager
def _without_dropout(model: Any) -> Iterator[None]:
    layers = [layer for layer in _unwrapped(model) if type(layer).__name__.endswith("Dropout")]
    before = [layer.rate for layer in layers]
    for layer in layers:
        layer.rate = 0.0
    try:
        yield
    finally:
        for layer, rate in zip(layers, before, strict=True):
            layer.rate = rate


def _unwrapped(model: Any) -> list[Any]:
    return [getattr(layer, "layer", layer) for layer in leaf_layers(model)]


def _is_kernel(weight: Any) -> bool:
    return bool(weight.name.endswith("kernel:0"))


def _zeros(model: Any) -> int:
    return sum(int((weight.numpy() == 0).sum()) for weight in model.weights if _is_kernel(weight))


def _values(model: Any) -> tuple[tuple[str, int], ...]:
    """Return (layer, count of distinct values) for each kernel that is quantized."""
    import numpy as np

    found = []
    for wrapper in leaf_layers(model):
        kernels = [weight for weight in wrapper.weights if _is_kernel(weight)]
        if hasattr(wrapper, "layer") and kernels:
            found.append((wrapper.layer.name, len(np.unique(kernels[0].numpy()))))
    return tuple(found)
