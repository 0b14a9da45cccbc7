"""What the C++ project needs of an artifact: its tensors, settled, its decoder, and that it can be computed at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from edgevision.artifact import Artifact
from edgevision.binding import BoundPreprocessing
from edgevision.converters.firmware.detect import Detection, DetectionHead
from edgevision.errors import ArtifactError, IncompatibleModelError
from edgevision.tasks.decoders import read_decoding
from edgevision.tasks.decoders.base import Decoder
from edgevision.tasks.decoders.ssd import DetectionPostProcess
from edgevision.tasks.decoders.yolo import YOLOv5
from edgevision.tensors import TensorSpec

RUNTIMES = {"openvino": "openvino", "onnx": "openvino", "tflite": "litert"}
"""Format of an artifact -> what computes it in the project: OpenVINO's C runtime, or LiteRT's C library."""
SEALED_ON = {"openvino": "openvino", "onnx": "openvino", "tflite": "tflite"}
"""Format -> the runtime in Python that has the same kernels."""
TASKS = ("classification", "detection")
DECODERS = ("yolox", "yolov5", "yolov8", "tflite_detection_postprocess")
"""Decoders that are there in C++; YOLOv5 without anchors."""
_DTYPES = ("float32", "float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64")


@dataclass(frozen=True)
class Model:
    """An artifact, settled for the project.

    Attributes:
        source: The artifact.
        bound: Its preprocessing, joined to its input, whose open batch axis is 1.
        outputs: Its outputs, open batch axes 1.
        decoder: What the outputs of a detector mean; None for a classifier.
        grids: Where rows lie in the outputs, for the decoders that have rows.
    """

    source: Artifact
    bound: BoundPreprocessing
    outputs: tuple[TensorSpec, ...]
    decoder: Decoder | None
    grids: Detection | None

    @property
    def runtime(self) -> str:
        """What computes it in the project, "openvino" or "litert"."""
        return RUNTIMES[self.source.manifest.format]

    @property
    def decoder_name(self) -> str:
        """The decoder's name; empty for a classifier."""
        return str(self.source.manifest.decoding.get("decoder", "")) if self.decoder is not None else ""

    def properties(self) -> Mapping[str, str]:
        """Return properties of the runtime that this model needs."""
        if self.source.manifest.format == "openvino" and _dense_layers_in_a_row(self.source.model_file):
            return {"SNIPPETS_MODE": "DISABLE"}
        return {}


def settled(source: Artifact) -> Model:
    """Return what the project needs of an artifact.

    Raises:
        ArtifactError: Its preprocessing, task or tensors are unknown.
        IncompatibleModelError: Its format, task, inputs or decoder are not there in C++; the message says which are.
        ConfigError: Its decoding makes no sense.
    """
    manifest = source.manifest
    if manifest.format not in RUNTIMES:
        raise IncompatibleModelError(
            f"{source.path}: no C runtime for this format", got=manifest.format, allowed=RUNTIMES
        )
    unknown = [name for name in ("preprocessing", "task", "inputs", "outputs") if not getattr(manifest, name)]
    if unknown:
        raise ArtifactError(
            f"{source.model_file}: {', '.join(unknown)} unknown: a bare model file does not say",
            next_step="declare what it wants: edgevision adopt MODEL --task … --mean … --std …",
        )
    assert manifest.preprocessing is not None  # it is known
    if manifest.task not in TASKS:
        raise IncompatibleModelError(
            f"{source.path}: what its outputs mean", got=f"task {manifest.task}", allowed=TASKS
        )
    inputs, outputs = ([_closed(spec) for spec in side] for side in (manifest.inputs, manifest.outputs))
    _check_tensors(source, inputs, outputs)
    bound = manifest.preprocessing.bind(inputs[0])
    if manifest.task == "classification":
        _check_scores(source, outputs[0])
        return Model(source, bound, tuple(outputs), None, None)
    size = (manifest.preprocessing.height, manifest.preprocessing.width)
    decoder, grids = _decoder(source, outputs, size)
    return Model(source, bound, tuple(outputs), decoder, grids)


def _closed(spec: TensorSpec) -> TensorSpec:
    """The tensor with its open first axis, or axis N, at 1."""
    axis = spec.layout.index("N") if "N" in spec.layout else 0
    shape = tuple(1 if size is None and place == axis else size for place, size in enumerate(spec.shape))
    return replace(spec, shape=shape)


def _check_tensors(source: Artifact, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
    if len(inputs) != 1 or None in inputs[0].shape or ("N" in inputs[0].layout and inputs[0].length("N") != 1):
        raise IncompatibleModelError(
            f"{source.path}: a frame is the one input of a model, one at a time",
            got=", ".join(str(list(spec.shape)) for spec in inputs),
        )
    for spec in (*inputs, *outputs):
        if spec.dtype not in _DTYPES:
            raise IncompatibleModelError(f"{source.path}: type of {spec.name}", got=spec.dtype, allowed=_DTYPES)
    for spec in outputs:
        if spec.quant is not None and spec.quant.axis is not None:
            raise IncompatibleModelError(
                f"{source.path}: output {spec.name}", got="a scale per channel", allowed="one scale for all of it"
            )


def _check_scores(source: Artifact, spec: TensorSpec) -> None:
    labels = source.manifest.labels
    classes = spec.shape[-1] if spec.shape else None
    if classes is None or any(size != 1 for size in spec.shape[:-1]):
        raise IncompatibleModelError(
            f"{source.path}: its first output is no row of scores", got=list(spec.shape), allowed="[1, classes]"
        )
    if labels is not None and len(labels) != classes:
        raise IncompatibleModelError(
            f"{source.path}: as many labels as classes", got=f"{len(labels)} labels, {classes} classes"
        )


def _decoder(
    source: Artifact, outputs: Sequence[TensorSpec], size: tuple[int, int]
) -> tuple[Decoder, Detection | None]:
    decoding: dict[str, Any] = dict(source.manifest.decoding)
    decoder, name = read_decoding(decoding), decoding["decoder"]
    anchored = isinstance(decoder, YOLOv5) and bool(decoder.anchors)
    if name not in DECODERS or anchored:
        got = f"{name} with anchors" if anchored else name
        raise IncompatibleModelError(f"{source.path}: its decoder is not there in C++", got=got, allowed=DECODERS)
    if isinstance(decoder, DetectionPostProcess):
        if max(decoder.outputs) >= len(outputs):
            raise IncompatibleModelError(
                f"{source.path}: outputs of another kind of model", got=f"{len(outputs)} outputs",
                allowed=f"outputs {list(decoder.outputs)}",
            )  # fmt: skip
        return decoder, None
    if any(None in spec.shape for spec in outputs):
        raise IncompatibleModelError(
            f"{source.path}: outputs without a fixed length", got=", ".join(str(list(spec.shape)) for spec in outputs)
        )
    head = DetectionHead.from_decoding({"decoder": name, **decoder.to_dict()})
    assert head is not None  # it is one of those
    grids = Detection(head, tuple(outputs), size)
    labels = source.manifest.labels
    if labels is not None and len(labels) != grids.classes:
        raise IncompatibleModelError(
            f"{source.path}: as many labels as classes", got=f"{len(labels)} labels, {grids.classes} classes"
        )
    return decoder, grids


def _dense_layers_in_a_row(xml: Path) -> bool:
    """Whether OpenVINO 2026.4 would compute a quantized model wrong; see `edgevision.runtimes.openvino`."""
    try:
        layers = ElementTree.parse(xml).getroot().findall("layers/layer")
    except ElementTree.ParseError as exc:
        raise ArtifactError(f"{xml}: damaged: {exc}") from exc
    flat = [layer for layer in layers if layer.get("type") == "MatMul" and len(layer.findall("input/port[1]/dim")) == 2]
    return len(flat) > 1 and any(layer.get("type") == "FakeQuantize" for layer in layers)
