"""The one definition of how an image becomes a model's input.

The same object drives training's evaluation, calibration, every runtime and generated C code. It has no dtype and no
layout: `Preprocessing.bind` joins it to the input of one model file, so that a float and an int8 artifact of the same
model share its hash.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.documents import check_fields, digest
from edgevision.errors import ConfigError, InputError, check_choice
from edgevision.resize import FILTERS, RESIZES, Geometry, fit
from edgevision.tensors import Array, TensorSpec

if TYPE_CHECKING:
    from edgevision.binding import BoundPreprocessing

COLORS = ("RGB", "BGR", "GRAY")


@dataclass(frozen=True)
class Preprocessing:
    """Image (uint8 RGB HWC, any size) to real-valued tensor (height, width, channels).

    What becomes of a camera's frame is defined in `edgevision.frame_pixels`.

    Resize, then colour, then ``(float32(pixel) - float32(mean)) / float32(std)``, each step rounded to float32.

    Attributes:
        height: Height of the model's input, pixels.
        width: Width of the model's input, pixels.
        resize: ``stretch``, ``letterbox``, ``letterbox_top_left`` or ``center_crop``; see `edgevision.resize.fit`.
        filter: ``bilinear``, ``area``, ``linear_fixed`` or ``nearest``; defined in `edgevision.resize`.
        color: Channel order of the model: ``RGB``, ``BGR``, or ``GRAY`` with one channel,
            ``(19595·R + 38470·G + 7471·B + 32768) >> 16``.
        mean: Subtracted, in pixel units (0 to 255), one per channel in the model's order; one value means it for all.
        std: Divided by, in pixel units, likewise.
        pad_value: Grey level around a letterboxed image, 0 to 255.
    """

    height: int
    width: int
    resize: str = "stretch"
    filter: str = "bilinear"
    color: str = "RGB"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    pad_value: int = 0

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            object.__setattr__(self, name, _whole(name, getattr(self, name), 1, 65535))
        check_choice("preprocessing: resize", self.resize, RESIZES)
        check_choice("preprocessing: filter", self.filter, FILTERS)
        check_choice("preprocessing: color", self.color, COLORS)
        object.__setattr__(self, "pad_value", _whole("pad_value", self.pad_value, 0, 255))
        object.__setattr__(self, "mean", self._per_channel("mean"))
        object.__setattr__(self, "std", self._per_channel("std"))
        if not all(value > 0 for value in self.std):
            raise ConfigError("preprocessing: std is positive", got=list(self.std))

    def _per_channel(self, name: str) -> tuple[float, ...]:
        given = getattr(self, name)
        try:
            values = tuple(float(value) for value in (given if isinstance(given, (tuple, list)) else [given]))
        except (TypeError, ValueError) as exc:
            raise ConfigError(f"preprocessing: {name} has numbers", got=repr(given)) from exc
        if len(values) not in (1, self.channels) or not all(math.isfinite(value) for value in values):
            raise ConfigError(f"preprocessing: {name} has one finite number per channel of {self.color}", got=values)
        return values * self.channels if len(values) == 1 else values

    @property
    def channels(self) -> int:
        """Channels of the model's input: 1 for GRAY, else 3."""
        return 1 if self.color == "GRAY" else 3

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the canonical JSON form; equal for artifacts that want the same preprocessing."""
        return digest(self.to_dict())

    @property
    def table(self) -> Array:
        """The real value of each pixel value: float32 (channels, 256)."""
        mean, std = (np.array(values, dtype=np.float32)[:, None] for values in (self.mean, self.std))
        table: Array = (np.arange(256, dtype=np.float32) - mean) / std
        return table

    def pixels(self, image: Array) -> tuple[Array, Geometry]:
        """Return the model's pixels, uint8 (height, width, channels) in the model's colour order, and the geometry.

        Raises:
            InputError: ``image`` is not a uint8 RGB HWC array.
        """
        check_image(image)
        fitted, geometry = fit(image, self.height, self.width, self.resize, self.filter, self.pad_value)
        return recolor(fitted, self.color), geometry

    def apply(self, image: Array) -> Array:
        """Return the real-valued input, float32 (height, width, channels); raises InputError as `pixels` does."""
        return self.real(self.pixels(image)[0])

    def real(self, pixels: Array) -> Array:
        """Return the real values of the model's pixels, float32 (height, width, channels)."""
        mean, std = np.array(self.mean, dtype=np.float32), np.array(self.std, dtype=np.float32)
        real: Array = (pixels.astype(np.float32) - mean) / std
        return real

    def bind(self, spec: TensorSpec) -> BoundPreprocessing:
        """Join this definition to the input of one model file.

        Raises:
            ConfigError: The input's layout is unknown, or its shape contradicts the height, width or channels.
        """
        from edgevision.binding import BoundPreprocessing

        return BoundPreprocessing(self, spec)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocessing:
        """Read the JSON form; raises ConfigError."""
        names = [field.name for field in fields(cls)]
        return cls(**check_fields("preprocessing", data, required=("height", "width"), optional=names[2:]))


def check_image(image: Any) -> None:
    """Raise InputError unless ``image`` is a uint8 array (height, width, 3) with at least one pixel."""
    if not isinstance(image, np.ndarray):
        raise InputError(
            "image: not a numpy array", got=type(image).__name__, next_step="read files with edgevision.load_image"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(
            "image: wrong shape or dtype", got=f"{image.dtype} {list(image.shape)}", allowed="uint8 [H, W, 3] in RGB"
        )


def _whole(name: str, value: Any, low: int, high: int) -> int:
    """Return an integer of any integer type as int, or raise ConfigError."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or not low <= (whole := index(value)) <= high:
        raise ConfigError(f"preprocessing: {name}", got=repr(value), allowed=f"{low} to {high}")
    return whole


def recolor(rgb: Array, color: str) -> Array:
    """Return uint8 RGB (H, W, 3) in the channels of ``color``: (H, W, 1) for GRAY, else (H, W, 3)."""
    if color == "RGB":
        return rgb
    if color == "BGR":
        return rgb[..., ::-1]
    weights = np.array([19595, 38470, 7471], dtype=np.uint32)
    grey: Array = (rgb.astype(np.uint32) @ weights + 32768) >> 16
    return grey.astype(np.uint8)[..., None]
