"""Keras models as the source of every conversion: loaded without running foreign code, saved with what is known."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edgevision.artifact import Artifact, write_artifact
from edgevision.converters.keras3_import import import_keras3
from edgevision.converters.keras_precision import in_float32
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ArtifactError, ConversionError
from edgevision.files import sha256_file
from edgevision.golden import Golden
from edgevision.keras_loading import load_keras_model
from edgevision.keras_safety import check_keras_file
from edgevision.manifest import MANIFEST, LineageStep
from edgevision.preprocessing import Preprocessing
from edgevision.tensors import TensorSpec

Known = TypeVar("Known", bound="KnownModel")

KERAS_TOOLS = ("tensorflow", "tf-keras", "tensorflow-model-optimization")


class KnownModel:
    """What every source of a conversion can do."""

    def manifest_fields(self) -> dict[str, Any]:
        """Return the manifest fields that every artifact made from this model shares."""
        names = ("name", "preprocessing", "labels", "task", "decoding", "source_sha256", "lineage")
        return {name: getattr(self, name) for name in names}

    def then(self: Known, step: LineageStep, **changes: Any) -> Known:
        """Return the model after one more step: the lineage grows, old measurements no longer hold."""
        facts: Any = self
        after: Known = replace(facts, lineage=(*facts.lineage, step), metrics={}, **changes)
        return after


@dataclass(frozen=True)
class SourceModel(KnownModel):
    """A tf_keras model and what is known about it.

    Attributes:
        model: The ``tf_keras.Model``, without pruning wrappers; with quantization wrappers after `quantize_aware`.
        name: The model's name; artifacts are named after it.
        preprocessing: How an image becomes its input; None when unknown.
        labels: Class names in the order of the outputs; None when unknown.
        task: "classification", …; None when unknown.
        decoding: How outputs become results: {"activation": "softmax"} or {"activation": "logits"}.
        source_sha256: SHA-256 of the file that everything started from; None for a model that was never a file.
        lineage: What was done to it so far.
        scheme: "float32", or the scheme that its weights were trained for.
        metrics: What was measured on it, as in the manifest.
    """

    model: Any
    name: str
    preprocessing: Preprocessing | None = None
    labels: tuple[str, ...] | None = None
    task: str | None = None
    decoding: Mapping[str, Any] = field(default_factory=dict)
    source_sha256: str | None = None
    lineage: tuple[LineageStep, ...] = ()
    scheme: str = "float32"
    metrics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What the model is, among the kinds of sources."""
        return "keras"

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The model's inputs, in order, with an open batch axis."""
        return _specs(self.model.inputs, self.model.input_names)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The model's outputs, in order, named as before quantization-aware training."""
        prefix = "quant_" if is_quantization_aware(self.model) else ""
        return _specs(self.model.outputs, [name.removeprefix(prefix) for name in self.model.output_names])


def load_source(path: str | Path) -> SourceModel:
    """Load a tf_keras model from an artifact directory of format ``keras``, or from a bare ``.keras`` or HDF5 file.

    No code in the file is run: Lambda layers and unknown modules are refused before anything is loaded. A file of
    Keras 3 is translated layer by layer, and has to answer as it does in Keras 3. A model of mixed precision computes
    in float32 from here on.

    Raises:
        ArtifactError: Not a Keras model, damaged, or it would run code.
        ConversionError: Weights are NaN or infinite; the layer is named.
        UntranslatableError: Keras 3 wrote it, and tf_keras does not have one of its layers, or answers differently from
            one on; it is named.
        BackendUnavailableError: The extra ``train`` is not installed.
    """
    path = Path(path)
    if (path / "saved_model.pb").is_file():
        raise ArtifactError(
            f"{path} is a SavedModel, which can run code",
            next_step="save the model with tf_keras, as .keras or .h5; edgevision convert, and quantize --method ptq, "
            "take it as it is",
        )
    artifact = Artifact.open(path) if path.is_dir() or path.name == MANIFEST else Artifact.describe(path)
    if artifact.manifest.format != "keras":
        raise ArtifactError(
            f"{path}: not a Keras model", got=artifact.manifest.format, allowed="keras",
            next_step="convert from the Keras model (a .keras or .h5 file, or its artifact); edgevision convert, and "
            "quantize --method ptq, take float .tflite and .onnx files too",
        )  # fmt: skip
    manifest = artifact.manifest
    checked = check_keras_file(artifact.model_file)
    imported = import_keras3(artifact.model_file, checked) if checked.is_keras_3 else None
    model = in_float32(imported.model if imported else load_keras_model(artifact.model_file, step=vendor_step))
    source = SourceModel(
        model=model,
        name=manifest.name,
        preprocessing=manifest.preprocessing,
        labels=manifest.labels,
        task=manifest.task or ("classification" if manifest.labels else None),
        decoding=manifest.decoding or guess_decoding(model),
        source_sha256=manifest.source_sha256 or artifact.sha256,
        lineage=manifest.lineage,
        scheme=manifest.scheme or ("static_wi8_ai8" if is_quantization_aware(model) else "float32"),
        metrics=manifest.metrics,
    )
    check_weights(source)
    if imported is None:
        return source
    return replace(source, lineage=(*source.lineage, imported.compare(source.preprocessing)))


def save_keras_artifact(
    source: SourceModel,
    out: str | Path,
    *,
    files: Mapping[str, bytes | Path] | None = None,
    golden: Golden | None = None,
    overwrite: bool = False,
) -> Artifact:
    """Write a model with what is known about it, as an artifact of format ``keras``.

    Models of quantization-aware training are saved as HDF5, because their ``.keras`` files do not load again.

    Args:
        source: The model.
        out: The artifact directory itself.
        files: More files to keep with it (history.json, …).
        golden: Samples with the float model's outputs.
        overwrite: Whether an artifact that is there may be replaced.

    Raises:
        ConfigError: ``out`` is taken.
        ConversionError: tf_keras cannot save it.
        OutputError: It could not be written.
    """
    name = "model.h5" if is_quantization_aware(source.model) else "model.keras"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        with vendor_step(f"saving {source.name}"):
            source.model.save(file, **({"include_optimizer": False} if file.suffix == ".h5" else {}))
        fields = {
            **source.manifest_fields(),
            "format": "keras",
            "inputs": source.inputs,
            "outputs": source.outputs,
            "scheme": source.scheme,
            "metrics": source.metrics,
            "source_sha256": source.source_sha256 or sha256_file(file),
        }
        return write_artifact(out, fields, {name: file, **(files or {})}, golden, overwrite)


def check_weights(source: SourceModel) -> None:
    """Raise ConversionError, naming the layers, when a weight is NaN or infinite."""
    bad = []
    for name, layer in named_layers(source.model):
        for weight in layer.weights:
            if weight.dtype.is_floating and not np.isfinite(weight.numpy().astype(np.float64)).all():
                bad.append(f"{name}/{weight.name.rpartition('/')[2].partition(':')[0]}")
    bad = list(dict.fromkeys(bad))  # parts of a layer may have weights of one name
    if bad:
        shown = ", ".join(bad[:3]) + (f" and {len(bad) - 3} more" if len(bad) > 3 else "")
        raise ConversionError(
            f"{source.name}: weights are NaN or infinite", got=shown, next_step="train it again, with a lower rate"
        )


def leaf_layers(model: Any) -> list[Any]:
    """Return the layers of a model in order, those of nested models in their place."""
    layers = []
    for layer in model.layers:
        layers.extend(leaf_layers(layer) if hasattr(layer, "layers") and layer.layers else [layer])
    return layers


def named_layers(model: Any) -> list[tuple[str, Any]]:
    """Return the layers of a model in order, each once, with a name of its own: a path (``block1/conv``) if need be."""
    found: dict[int, tuple[str, Any]] = {}

    def walk(layers: Any, path: str) -> None:
        for layer in layers:
            if hasattr(layer, "layers") and layer.layers:
                walk(layer.layers, f"{path}{layer.name}/")
            else:
                found.setdefault(id(layer), (path + layer.name, layer))

    walk(model.layers, "")
    times = Counter(layer.name for _, layer in found.values())
    return [(layer.name if times[layer.name] == 1 else path, layer) for path, layer in found.values()]


def layer_names(model: Any) -> dict[int, str]:
    """Return id of each layer -> the name that `named_layers` gives it."""
    return {id(layer): name for name, layer in named_layers(model)}


def is_quantization_aware(model: Any) -> bool:
    """Whether the model carries the wrappers of quantization-aware training."""
    return any(type(layer).__name__ in ("QuantizeLayer", "QuantizeWrapperV2") for layer in leaf_layers(model))


def guess_decoding(model: Any) -> dict[str, str]:
    """Read from the last layer whether a classifier's output is probabilities or logits; {} when it is not clear."""
    if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2 or (model.outputs[0].shape[1] or 0) < 2:
        return {}
    last = leaf_layers(model)[-1]
    last = getattr(last, "layer", last)
    activation = getattr(last, "activation", None)
    activation = getattr(activation, "activation", activation)  # inside that of quantization-aware training
    name = getattr(activation, "__name__", None)
    if type(last).__name__ == "Softmax" or name == "softmax":
        return {"activation": "softmax"}
    if type(last).__name__ == "Dense" and name == "linear":
        return {"activation": "logits"}
    return {}


def layout_of(rank: int) -> str:
    """Return the layout that tf_keras' channels-last convention gives to a tensor of this rank; "" when it has none."""
    return {4: "NHWC", 2: "NC"}.get(rank, "")


def _specs(tensors: Any, names: Any) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name, tuple(tensor.shape), tensor.dtype.name, layout_of(len(tensor.shape)))
        for name, tensor in zip(names, tensors, strict=True)
    )
