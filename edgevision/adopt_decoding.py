"""How the outputs of an adopted model become results: what is declared, what its file says, and one trial of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.errors import ConfigError, InferenceError, check_choice
from edgevision.graphs import read_graph
from edgevision.tasks.classification import ACTIVATIONS
from edgevision.tasks.decoders import DECODERS, decoder_class, decoding_of, read_decoding
from edgevision.tasks.outputs import outputs_of
from edgevision.tasks.segmentation import SegmentationDecoding

if TYPE_CHECKING:
    from edgevision.preprocessing import Preprocessing
    from edgevision.runtimes.base import CompiledModel

POST_PROCESS = "TFLite_Detection_PostProcess"


def declared_decoding(
    bare: Artifact,
    task: str | None,
    activation: str | None,
    decoder: str | None,
    parameters: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return ``decoding`` for the manifest from what is declared.

    Args:
        bare: The model file, described.
        task: What it is for.
        activation: What the scores of a classifier are.
        decoder: Name of a detector's decoder.
        parameters: Parameters of the decoder, or of a segmentation.

    Raises:
        ConfigError: Declarations that do not go together.
    """
    if decoder is None and task == "segmentation" and activation is None:
        return SegmentationDecoding.from_dict(parameters or {}).to_dict()
    if decoder is None and task != "detection":
        if parameters:
            raise ConfigError("decoding: no decoder", allowed=DECODERS, next_step="name it: --decoder")
        if activation is not None and task not in (None, "classification"):
            raise ConfigError("an activation is for classifiers", got=f"task {task}", allowed="task classification")
        if activation is not None:
            check_choice("activation", activation, ACTIVATIONS)
        return {"activation": activation} if activation else {}
    if decoder is not None and task not in (None, "detection"):
        raise ConfigError("a decoder is for detectors", got=f"task {task}", allowed="task detection")
    if decoder is None or activation is not None:
        raise ConfigError(
            "the outputs of a detector need a decoder", got=None if activation is None else f"activation {activation}",
            allowed=DECODERS, next_step="name it: --decoder",
        )  # fmt: skip
    found = {}
    if decoder == "tflite_detection_postprocess" and "outputs" not in (parameters or {}):
        found = _post_process_outputs(bare)
    return decoding_of(decoder, {**found, **(parameters or {})})


def usual_preprocessing(decoder: str | None) -> Mapping[str, Any] | None:
    """Return the preprocessing that the models of a decoder have by convention; None where there is none."""
    return (decoder_class(decoder).preprocessing or None) if decoder is not None else None


def usual_labels(decoder: str | None) -> tuple[str, ...] | None:
    """Return the labels that the models of a decoder always have; None where they differ."""
    return None if decoder is None else decoder_class(decoder).labels


def _post_process_outputs(bare: Artifact) -> dict[str, Any]:
    """Where the outputs of the operator stand among the model's, by the file itself: exporters differ."""
    if bare.manifest.format not in ("tflite", "edgetpu"):
        return {}
    graph = read_graph(bare.model_file)
    node = next((node for node in graph.nodes if node.kind == POST_PROCESS), None)
    if node is None or not set(node.outputs[:4]) <= set(graph.outputs) or len(node.outputs) < 4:
        return {}
    return {"outputs": [graph.outputs.index(name) for name in node.outputs[:4]]}


def try_decoding(
    model: CompiledModel, decoding: Mapping[str, Any], preprocessing: Preprocessing | None, labels: Sequence[str] | None
) -> None:
    """Decode what a model answers to nothing, so that a decoder for another kind of head is refused at once.

    Raises:
        ConfigError: The outputs are not those of the decoder, or there are other labels than classes.
    """
    if "decoder" not in decoding or preprocessing is None or len(model.inputs) != 1:
        return
    decoder = read_decoding(decoding)
    spec = model.inputs[0]
    if None in spec.shape:
        return
    stored = model.infer((np.zeros([size or 1 for size in spec.shape], spec.dtype),))
    outputs = outputs_of(stored, model.outputs)
    size = (preprocessing.height, preprocessing.width)
    try:
        classes = decoder.class_count(outputs, size)
        decoder.decode(outputs, size, decoder.score_threshold)
    except InferenceError as exc:
        raise ConfigError(str(exc)) from exc
    if labels is not None and classes is not None and len(labels) != classes:
        raise ConfigError("labels", got=f"{len(labels)} labels", allowed=f"{classes}, one per class of the model")
