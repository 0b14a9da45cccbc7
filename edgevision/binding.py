"""Preprocessing joined to the input of one model file: image or camera's frame in, tensor with the file's dtype and
layout out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgevision.errors import ConfigError, InputError
from edgevision.frame_pixels import frame_pixels
from edgevision.frames import Frame
from edgevision.resize import Geometry
from edgevision.tensors import Array, QuantParams, TensorSpec, quantize

if TYPE_CHECKING:
    from edgevision.preprocessing import Preprocessing


class BoundPreprocessing:
    """What turns an image, or a frame as `edgevision.frame_pixels` has it, into the tensor that one model file wants.

    For integer inputs it looks stored values up in `table`, which equals computing in float and quantizing;
    an int8 input that only shifts the pixel values costs one addition.

    Attributes:
        preprocessing: The definition.
        spec: The model file's input.
        table: The stored value of each pixel value: (channels, 256), of the input's dtype.
    """

    def __init__(self, preprocessing: Preprocessing, spec: TensorSpec) -> None:
        _check_spec(preprocessing, spec)
        self.preprocessing = preprocessing
        self.spec = spec
        self.table = quantize(preprocessing.table, _table_spec(preprocessing, spec))
        self._shape = tuple(
            {"N": 1, "H": preprocessing.height, "W": preprocessing.width, "C": preprocessing.channels}[axis]
            for axis in spec.layout
        )
        self._to_nhwc = tuple(spec.layout.index(axis) for axis in "NHWC" if axis in spec.layout)
        self._mean = np.tile(np.array(preprocessing.mean, dtype=np.float32), preprocessing.width)
        self._std = np.tile(np.array(preprocessing.std, dtype=np.float32), preprocessing.width)
        self._as_they_are = spec.dtype == "float32" and not self._mean.any() and bool((self._std == 1).all())
        size, channels = (preprocessing.height, preprocessing.width), preprocessing.channels
        channels_first = spec.layout.index("C") < spec.layout.index("W")
        self._pixels_shape = (channels, *size) if channels_first else (*size, channels)
        self._pixels_axes = (1, 2, 0) if channels_first else (0, 1, 2)
        self._same_table = bool((self.table == self.table[0]).all())
        self._shift = self._find_shift()

    def __call__(self, image: Array | Frame) -> tuple[Array, Geometry]:
        """Return a new tensor with one image (batch length 1 where there is a batch axis), and its geometry.

        Args:
            image: uint8 RGB HWC, or a camera's frame.

        Raises:
            InputError: Not such an image, or the model takes only batches of another length.
        """
        self._check_count(1)
        tensor = np.empty(self._shape, dtype=self.spec.dtype)
        return tensor, self._fill(image, tensor.transpose(self._to_nhwc))

    def batch(self, images: Sequence[Array | Frame]) -> tuple[Array, tuple[Geometry, ...]]:
        """Return a new tensor with several images along the batch axis, and their geometries.

        Raises:
            InputError: An image is not uint8 RGB HWC, or their number is not the model's batch length.
        """
        if "N" not in self.spec.layout:
            raise InputError(f"tensor {self.spec.name}: no batch axis", got=f"layout {self.spec.layout}")
        self._check_count(len(images))
        axis = self.spec.layout.index("N")
        shape = (*self._shape[:axis], len(images), *self._shape[axis + 1 :])
        tensor = np.empty(shape, dtype=self.spec.dtype)
        view = tensor.transpose(self._to_nhwc)
        return tensor, tuple(self._fill(image, view[i : i + 1]) for i, image in enumerate(images))

    def _check_count(self, count: int) -> None:
        wanted = self.spec.length("N") if "N" in self.spec.layout else 1
        if count == 0 or wanted not in (None, count):
            raise InputError(
                f"tensor {self.spec.name}: number of images", got=count, allowed=str(wanted or "at least 1")
            )

    def _fill(self, image: Array | Frame, out: Array) -> Geometry:
        """Write one image into a view with axes (N)HWC."""
        out = out[0] if out.ndim == 4 else out
        if isinstance(image, Frame) and self._as_they_are:
            return frame_pixels(image, self.preprocessing, out)[1]
        if isinstance(image, Frame):
            room = np.empty(self._pixels_shape, np.uint8).transpose(self._pixels_axes)
            pixels, geometry = frame_pixels(image, self.preprocessing, room)
        else:
            pixels, geometry = self.preprocessing.pixels(image)
        if self._shift is not None:
            self._add(self._shift, pixels, out.view(np.uint8))
        elif self.spec.is_integer:
            self._look_up(pixels, out)
        elif self.spec.dtype == "float32":
            self._normalize(pixels, out)
        else:
            out[...] = self.preprocessing.real(pixels)
        return geometry

    def _add(self, shift: np.uint8, pixels: Array, out: Array) -> None:
        if out.flags.c_contiguous:
            np.add(pixels, shift, out=out)
            return
        for channel in range(out.shape[2]):
            np.add(pixels[..., channel], shift, out=out[..., channel])

    def _look_up(self, pixels: Array, out: Array) -> None:
        if self._same_table and out.flags.c_contiguous:
            out[...] = self.table[0].take(pixels)
            return
        for channel, table in enumerate(self.table):
            out[..., channel] = table.take(pixels[..., channel])

    def _normalize(self, pixels: Array, out: Array) -> None:
        if self._as_they_are:
            out[...] = pixels
            return
        if out.flags.c_contiguous and pixels.flags.c_contiguous:  # one long row is several times faster than triples
            rows = out.reshape(out.shape[0], -1)
            np.subtract(pixels.reshape(rows.shape), self._mean, out=rows, dtype=np.float32)
            rows /= self._std
            return
        for channel in range(out.shape[2]):
            plane = out[..., channel]
            np.subtract(pixels[..., channel], self._mean[channel], out=plane, dtype=np.float32)
            plane /= self._std[channel]

    def _find_shift(self) -> np.uint8 | None:
        """The number that, added modulo 256 to a pixel value, gives its stored value; None when there is no such."""
        if self.table.dtype.itemsize != 1:
            return None
        stored = self.table.view(np.uint8)
        shift = np.uint8(stored[0, 0])
        return shift if (stored == np.arange(256, dtype=np.uint8) + shift).all() else None


def _check_spec(preprocessing: Preprocessing, spec: TensorSpec) -> None:
    if not spec.layout:
        raise ConfigError(
            f"input {spec.name}: unknown layout", got=f"shape {list(spec.shape)}", next_step="declare it, e.g. NHWC"
        )
    if not set("HWC") <= set(spec.layout) <= set("NHWC"):
        raise ConfigError(f"input {spec.name}: not an image", got=f"layout {spec.layout}", allowed=("NHWC", "NCHW"))
    if spec.dtype == "bool":
        raise ConfigError(f"input {spec.name}: not an image", got="dtype bool")
    wanted = {"H": preprocessing.height, "W": preprocessing.width, "C": preprocessing.channels}
    for axis, size in wanted.items():
        if spec.length(axis) not in (None, size):
            raise ConfigError(
                f"input {spec.name}: the model and its preprocessing disagree on {axis}",
                got=f"{spec.length(axis)} in the model {list(spec.shape)} {spec.layout}, {size} in the preprocessing",
            )


def _table_spec(preprocessing: Preprocessing, spec: TensorSpec) -> TensorSpec:
    """The spec of the table: per-channel parameters, if any, run along its axis 0."""
    quant = spec.quant
    if quant is not None and quant.axis is not None:
        if spec.layout[quant.axis] != "C":
            raise ConfigError(f"input {spec.name}: quantized along {spec.layout[quant.axis]}", allowed="C")
        quant = QuantParams(quant.scale, quant.zero_point, 0)
    return replace(spec, shape=(preprocessing.channels, 256), layout="", quant=quant)
