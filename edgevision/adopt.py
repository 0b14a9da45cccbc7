"""Model files that edgevision did not make: from a bare file to an artifact with what its owner declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgevision.adopt_decoding import declared_decoding, try_decoding, usual_labels, usual_preprocessing
from edgevision.artifact import Artifact, write_artifact
from edgevision.data.label_sets import LABEL_SETS
from edgevision.errors import ConfigError, check_choice
from edgevision.inspecting import compiled_tensors
from edgevision.manifest import LineageStep
from edgevision.optional import versions
from edgevision.preprocessing import Preprocessing
from edgevision.runtimes.base import CompiledModel, available_runtimes, load
from edgevision.tensors import TensorSpec

TASKS = ("classification", "detection", "segmentation", "embedding")
LAYOUTS = ("NHWC", "NCHW")


def adopt(
    model_file: str | Path,
    out: str | Path,
    *,
    task: str | None = None,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | Mapping[str, Any] | None = None,
    activation: str | None = None,
    decoder: str | None = None,
    decoding: Mapping[str, Any] | None = None,
    layout: str | None = None,
    name: str | None = None,
    overwrite: bool = False,
) -> Artifact:
    """Write an artifact around a copy of a model file. What is not declared stays unknown.

    Args:
        model_file: A TFLite, Keras or other model file; an OpenVINO .xml brings the .bin beside it.
        out: The artifact's directory.
        task: What the model is for, one of `TASKS`; a decoder says that it is detection.
        labels: Class names in the order of the outputs; face detectors have theirs.
        preprocessing: How an image becomes the input; in a mapping, ``height`` and ``width`` default to the input's.
            With a decoder it defaults to what the authors of such models use.
        activation: What the scores of a classifier are, one of `edgevision.tasks.classification.ACTIVATIONS`.
        decoder: How the outputs of a detector become boxes, one of `edgevision.tasks.decoders.DECODERS`.
        decoding: Parameters of the decoder; those left out take its defaults. Those of a segmentation are
            `edgevision.tasks.segmentation.SegmentationDecoding`.
        layout: Axes of the image input, one of `LAYOUTS`; TFLite and Keras files have NHWC by convention, others
            have to say.
        name: The model's name; by default the file's.
        overwrite: Whether an artifact that is there may be replaced.

    Raises:
        ArtifactError: Not a model file, or damaged.
        ConfigError: Declarations that the model contradicts, or ``out`` is taken.
    """
    task = task or ("detection" if decoder else None)
    if task is not None:
        check_choice("task", task, TASKS)
    if layout is not None:
        check_choice("layout", layout, LAYOUTS)
    bare = Artifact.describe(model_file)
    meaning = declared_decoding(bare, task, activation, decoder, decoding)
    labels = labels if labels is not None else usual_labels(decoder)
    preprocessing = preprocessing if preprocessing is not None else usual_preprocessing(decoder)
    if available_runtimes(bare):
        with load(bare) as model:
            inputs, outputs = image_tensors(bare.manifest.format, model, layout)
            declared = _preprocessing(preprocessing, inputs)
            if declared is not None:
                declared.bind(inputs[0])  # refuses what the input contradicts
            try_decoding(model, meaning, declared, labels)
    else:
        inputs, outputs = compiled_tensors(bare, layout)
        declared = _preprocessing(preprocessing, inputs)
    if task in (None, "classification"):
        _check_labels(labels, outputs)
    fields = {
        "format": bare.manifest.format,
        "name": name or bare.manifest.name,
        "task": task,
        "labels": None if labels is None else tuple(labels),
        "inputs": inputs,
        "outputs": outputs,
        "preprocessing": declared,
        "decoding": meaning,
        "lineage": (LineageStep("adopt", {"file": Path(model_file).name}, versions("edgevision")),),
    }
    return write_artifact(out, fields, {path.name: path for path in bare.files}, overwrite=overwrite)


def _check_labels(labels: Sequence[str] | None, outputs: tuple[TensorSpec, ...]) -> None:
    if labels is not None and outputs and outputs[0].shape[-1:] not in ((len(labels),), (None,)):
        raise ConfigError("labels", got=f"{len(labels)} labels", allowed=f"{outputs[0].shape[-1]}, one per class")


def read_labels(text: str) -> tuple[str, ...]:
    """Return class names from a text file, one a line, from a list ``cat,dog``, or those of a set by its name.

    The sets are those of `edgevision.data.label_sets.LABEL_SETS`.

    Raises:
        ConfigError: The file cannot be read, or there are no names.
    """
    path = Path(text)
    if text in LABEL_SETS and not path.exists():
        return LABEL_SETS[text]
    if not text.strip():
        names = []
    elif "," in text and not path.is_file():
        names = [name.strip() for name in text.split(",")]
    else:
        try:
            names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError) as exc:
            reason = getattr(exc, "strerror", None) or "not a text file"
            raise ConfigError(
                "labels",
                got=f"{text} ({reason})",
                allowed="a text file with one label a line, cat,dog, face, (with its comma), or one of "
                + ", ".join(LABEL_SETS),
            ) from exc
    labels = tuple(name for name in names if name)
    if not labels:
        raise ConfigError("labels", got=f"{text!r}, which has none", allowed="at least one")
    return labels


def image_tensors(
    format_: str, model: CompiledModel, layout: str | None = None
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return inputs and outputs of a loaded model, with the layouts that they have by declaration or convention.

    Args:
        format_: The model's format; TFLite and Keras files have NHWC by convention.
        model: The model.
        layout: Axes of its image input, one of `LAYOUTS`; None for those that it has, or for the convention.
    """
    usual = "NHWC" if format_ in ("tflite", "keras") else ""
    return (
        tuple(
            replace(spec, layout=layout or spec.layout or usual) if len(spec.shape) == 4 else spec
            for spec in model.inputs
        ),
        tuple(replace(spec, layout="NC") if len(spec.shape) == 2 else spec for spec in model.outputs),
    )


def _preprocessing(
    declared: Preprocessing | Mapping[str, Any] | None, inputs: tuple[TensorSpec, ...]
) -> Preprocessing | None:
    if declared is None or isinstance(declared, Preprocessing):
        return declared
    size: dict[str, Any] = {}
    if inputs and "H" in inputs[0].layout:
        size = {"height": inputs[0].length("H"), "width": inputs[0].length("W")}
    elif inputs and len(inputs[0].shape) == 4:
        raise ConfigError("the layout of the input is unknown", allowed=LAYOUTS, next_step="declare it: --layout")
    return Preprocessing.from_dict({**size, **declared})
