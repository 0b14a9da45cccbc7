"""Decoders of detectors: what their outputs mean. One kind of head per file, and a row here for each."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgevision.errors import ConfigError, check_choice

if TYPE_CHECKING:
    from edgevision.tasks.decoders.base import Decoder

DECODERS: Mapping[str, str] = {
    "yolox": "yolox:YOLOX",
    "yolov5": "yolo:YOLOv5",
    "yolov8": "yolo:YOLOv8",
    "yolov8_raw": "distribution:YOLOv8Raw",
    "nanodet": "distribution:NanoDet",
    "fastestdet": "fastestdet:FastestDet",
    "centernet": "centernet:CenterNet",
    "ssd": "ssd:SSD",
    "tflite_detection_postprocess": "ssd:DetectionPostProcess",
    "blazeface": "faces:BlazeFace",
    "ultraface": "faces:UltraFace",
    "yunet": "faces:YuNet",
}
"""Name in the manifest -> "module:class" below this package; a module is loaded when its decoder is asked for."""


def decoder_class(name: str) -> type[Decoder]:
    """Return the decoder with this name; raises ConfigError."""
    check_choice("decoder", name, DECODERS)
    module, _, attribute = DECODERS[name].partition(":")
    found: type[Decoder] = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return found


def read_decoding(decoding: Mapping[str, Any]) -> Decoder:
    """Return the decoder that ``decoding`` of a manifest describes.

    Raises:
        ConfigError: It names none, an unknown one, or has parameters that make no sense.
    """
    if "decoder" not in decoding:
        raise ConfigError("decoding: no decoder", allowed=DECODERS, next_step="declare it: edgevision adopt --decoder")
    parameters = {name: value for name, value in decoding.items() if name != "decoder"}
    return decoder_class(decoding["decoder"]).from_dict(parameters)


def decoding_of(name: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return ``decoding`` for a manifest: the decoder's name and every parameter; raises ConfigError."""
    return {"decoder": name, **decoder_class(name).from_dict(parameters or {}).to_dict()}
