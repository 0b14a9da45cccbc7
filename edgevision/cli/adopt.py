"""``edgevision adopt``: a model file from elsewhere, with what its owner knows about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edgevision.cli.command import command
from edgevision.cli.options import Choice, model_argument, overwrite_option
from edgevision.cli.output import show, working

TASKS = ("classification", "detection", "segmentation", "embedding")
ACTIVATIONS = ("softmax", "sigmoid", "logits")
RESIZES = ("stretch", "letterbox", "letterbox_top_left", "center_crop")
DECODERS = (
    "yolox", "yolov5", "yolov8", "yolov8_raw", "nanodet", "fastestdet", "centernet", "ssd",
    "tflite_detection_postprocess", "blazeface", "ultraface", "yunet",
)  # fmt: skip


@command(
    "adopt",
    "edgevision adopt mobilenet.tflite --out mobilenet --task classification --labels labels.txt "
    "--mean 127.5 --std 127.5 --activation softmax",
    "edgevision adopt yolox_nano.onnx --out yolox --task detection --decoder yolox --labels coco --layout NCHW",
)
@model_argument()
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="The artifact to write.")
@click.option("--task", type=Choice(TASKS), help="What the model is for.")
@click.option("--labels", metavar="FILE|A,B|NAME", help="Class names: a text file with one a line, a list, or 'coco'.")
@click.option("--mean", metavar="N[,N,N]", help="Subtracted from the pixels (0 to 255), one number or one per channel.")
@click.option("--std", metavar="N[,N,N]", help="What the pixels are divided by, likewise.")
@click.option("--color", type=Choice(["RGB", "BGR", "GRAY"]), help="Channels that the model wants.  [default: RGB]")
@click.option("--resize", type=Choice(RESIZES), help="How an image is fitted.  [default: stretch]")
@click.option("--filter", "filter_", metavar="NAME", help="Resize filter: bilinear, area, ….  [default: bilinear]")
@click.option("--pad-value", type=int, help="Grey level around a letterboxed image, 0 to 255.  [default: 0]")
@click.option("--activation", type=Choice(ACTIVATIONS), help="What the scores of a classifier are.")
@click.option("--decoder", type=Choice(DECODERS), help="How the outputs of a detector become boxes.")
@click.option(
    "--decoding",
    metavar="KEY=VALUE",
    multiple=True,
    help="A parameter of the decoder, such as score_threshold=0.4 or strides=8,16,32; may be given several times.",
)
@click.option(
    "--layout", type=Choice(["NHWC", "NCHW"]), help="Axes of the input.  [default for TFLite and Keras: NHWC]"
)
@click.option("--name", help="Name of the model.  [default: the file's]")
@overwrite_option
def adopt(model: Path, labels: str | None, decoding: tuple[str, ...], **declared: Any) -> None:
    """Make an artifact of MODEL, a model file that edgevision did not make.

    What is not declared stays unknown, and predict and evaluate then ask for it. Giving one of --mean, --std,
    --color, --resize, --filter or --pad-value declares the preprocessing; the rest of it takes its defaults. With a
    decoder and none of them, the preprocessing is the one that the authors of such models use. What nobody knows any
    more, edgevision doctor finds out.
    edgevision verify --seal then writes into it what it answers here, so that other machines can be checked against
    that.
    """
    from edgevision.adopt import adopt as adopt_model
    from edgevision.adopt import read_labels
    from edgevision.cli.inspect import describe

    names = read_labels(labels) if labels is not None else None
    preprocessing = _preprocessing(declared)
    with working("adopting"):
        _try_apart(model)
        artifact = adopt_model(
            model, labels=names, preprocessing=preprocessing, decoding=_parameters(decoding) or None, **declared
        )
    show(
        {"artifact": str(artifact.path), "manifest": artifact.manifest.to_dict()},
        f"{artifact.path}\n{describe(artifact)}",
    )


def _try_apart(model: Path) -> None:
    """Let a file that a runtime here can run do so in a process of its own first: it may crash the runtime."""
    from edgevision.artifact import Artifact
    from edgevision.cli.models import open_to_run
    from edgevision.runtimes import available_runtimes

    if available_runtimes(Artifact.describe(model)):
        open_to_run(model, (), "cpu", {}, isolate=True)


def _preprocessing(declared: dict[str, Any]) -> dict[str, Any] | None:
    """Take the options that describe the preprocessing out of ``declared``; None when there are none."""
    given: dict[str, Any] = {name: declared.pop(name) for name in ("mean", "std", "color", "resize", "pad_value")}
    given["filter"] = declared.pop("filter_")
    for name in ("mean", "std"):
        if given[name] is not None:
            given[name] = _numbers(f"--{name}", given[name])
    known = {name: value for name, value in given.items() if value is not None}
    return known or None


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(f"{option}: got {text}; allowed: a number, or three with commas") from None


def _parameters(given: tuple[str, ...]) -> dict[str, Any]:
    """Read KEY=VALUE: a value is JSON, a list of numbers with commas, or a word."""
    parameters = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not key or not sign:
            raise click.UsageError(f"--decoding: got {text}; allowed: KEY=VALUE, such as score_threshold=0.4")
        parameters[key.strip()] = _value(value.strip())
    return parameters


def _value(text: str) -> Any:
    for form in (text, f"[{text}]"):
        try:
            return json.loads(form)
        except ValueError:
            continue
    return text
