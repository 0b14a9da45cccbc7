"""The specifications that the doctor may try: conventions that models were trained with, not a fine grid.

A loss that falls a little where the contrast is a little lower is no sign that a model was trained that way; that it
falls for another convention is. So normalizations are those that people use, and what cannot be told apart is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgevision.preprocessing import Preprocessing
from edgevision.resize import FILTERS, fit
from edgevision.tensors import Array, TensorSpec, integer_range

Normalization = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation in pixel units, for R, G and B or for grey."""

FIELDS = ("normalization", "color", "resize", "filter")
"""What is searched, one after the other."""

EQUAL: Mapping[str, tuple[float, float]] = {
    "0 to 1": (0.0, 255.0),
    "-1 to 1": (127.5, 127.5),
    "0 to 255": (0.0, 1.0),
    "-1 to 1 by 128": (128.0, 128.0),
    "-128 to 127": (128.0, 1.0),
    "-0.5 to 0.5": (127.5, 255.0),
    "-2 to 2": (128.0, 64.0),
}
"""Name -> (mean, std) of all channels."""

COLORED: Mapping[str, Normalization] = {
    "ImageNet mean and std": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "ImageNet mean": ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
    "CLIP mean and std": ((122.771, 116.746, 104.0937), (68.5005, 66.6322, 70.3231)),
    "CIFAR-10 mean and std": ((125.307, 122.961, 113.8575), (62.985, 62.0925, 66.708)),
}
"""Name -> means and standard deviations of R, G and B. "ImageNet mean" in BGR is Caffe's."""

GREY: Mapping[str, Normalization] = {
    "ImageNet mean and std": ((114.495,), (57.63,)),
    "MNIST mean and std": ((33.3285,), (78.5655,)),
}

RESIZES: tuple[tuple[str, int], ...] = (("stretch", 0), ("letterbox", 0), ("letterbox", 114), ("center_crop", 0))
"""Resize policy and the grey level around what is letterboxed."""

_SHAPES = 8
_MISS = 0.01
"""Share of a quantized input's range by which a normalization's may differ: images for calibration rarely miss more."""

STORED, MEASURED, DECLARED = "pixels as the input stores them", "mean and std of these images", "as declared"


@dataclass(frozen=True)
class Space:
    """What may be tried for each field.

    Attributes:
        normalizations: Name -> mean and std in the order R, G, B.
        colors: Channel orders.
        resizes: Resize policies with the grey level around a letterboxed image.
        filters: Resize filters.
        hints: What the file itself says for, the least first: the normalization under which an integer input stores
            the pixels as they are, then those whose values fill the range that it can hold. None for other inputs.
        geometries: How many combinations of resize policy and filter make different pixels of the images.
    """

    normalizations: Mapping[str, Normalization]
    colors: tuple[str, ...]
    resizes: tuple[tuple[str, int], ...]
    filters: tuple[str, ...] = FILTERS
    hints: tuple[Normalization, ...] = ()
    geometries: int = len(RESIZES) * len(FILTERS)

    @property
    def size(self) -> int:
        """How many specifications with different inputs the search could come to: what p values are corrected for."""
        reversible = sum(len(set(mean)) > 1 or len(set(std)) > 1 for mean, std in self.normalizations.values())
        orders = len(self.normalizations) * len(self.colors) + reversible * (len(self.colors) > 1) * 2
        return orders * self.geometries

    def name(self, spec: Preprocessing) -> str:
        """What people call the normalization of a specification."""
        for name, normalization in self.normalizations.items():
            if normalization == normalization_of(spec):
                return name
        return "means of the other channel order"

    def rivals(self, spec: Preprocessing, field: str) -> Iterator[Preprocessing]:
        """Yield the specifications that differ from ``spec`` in one of `FIELDS` only."""
        if field == "normalization":
            others = [normalized(spec, *pair) for pair in self.normalizations.values()]
            if len(self.colors) > 1:
                others.append(replace(spec, mean=spec.mean[::-1], std=spec.std[::-1]))
        elif field == "color":
            others = [recolored(spec, color) for color in self.colors]
        elif field == "resize":
            others = [replace(spec, resize=how, pad_value=pad) for how, pad in self.resizes]
        else:
            others = [replace(spec, filter=name) for name in self.filters]
        yield from (other for other in dict.fromkeys(others) if other != spec)


def make_space(spec: TensorSpec, images: list[Array], declared: Preprocessing | None) -> Space:
    """Return what to try for a model input.

    Args:
        spec: The input, with its layout.
        images: Some images, uint8 RGB HWC, whose mean and standard deviation are tried too.
        declared: The specification that is said to be right, whose values are tried where they are not usual.
    """
    channels = spec.length("C") or 3
    named = {name: ((mean,) * channels, (std,) * channels) for name, (mean, std) in EQUAL.items()}
    named |= GREY if channels == 1 else COLORED
    named[MEASURED] = _measured(images, channels)
    stored, resizes = _stored(spec, channels), RESIZES
    hints: tuple[Normalization, ...] = ()
    if stored is not None:
        hints = (stored, *_filling(spec, named))
        named = _with(STORED, stored, named)
    if declared is not None:
        named = _with(DECLARED, normalization_of(declared), named)
        resizes = tuple(dict.fromkeys([*resizes, (declared.resize, declared.pad_value)]))
    geometries = _geometries(images, spec.length("H") or 1, spec.length("W") or 1, resizes)
    return Space(named, ("GRAY",) if channels == 1 else ("RGB", "BGR"), resizes, hints=hints, geometries=geometries)


def starts(space: Space, height: int, width: int, declared: Preprocessing | None) -> list[Preprocessing]:
    """Return where the search begins: every normalization in every channel order, the geometry as declared."""
    base = declared or Preprocessing(height, width, color=space.colors[0])
    bases = [base, *(normalized(base, *pair) for pair in space.normalizations.values())]
    return list(dict.fromkeys(recolored(spec, color) for color in (base.color, *space.colors) for spec in bases))


def normalization_of(spec: Preprocessing) -> Normalization:
    """Return mean and std in the order R, G, B."""
    return (spec.mean[::-1], spec.std[::-1]) if spec.color == "BGR" else (spec.mean, spec.std)


def normalized(spec: Preprocessing, mean: tuple[float, ...], std: tuple[float, ...]) -> Preprocessing:
    """Return ``spec`` with another mean and std, given in the order R, G, B."""
    turn = -1 if spec.color == "BGR" else 1
    return replace(spec, mean=mean[::turn], std=std[::turn])


def recolored(spec: Preprocessing, color: str) -> Preprocessing:
    """Return ``spec`` with another channel order; mean and std go with their channels."""
    return normalized(replace(spec, color=color), *normalization_of(spec))


def adapted(spec: Preprocessing, field: str, other: Preprocessing) -> Preprocessing:
    """Return ``spec`` with one of `FIELDS` as ``other`` has it."""
    if field == "normalization":
        return normalized(spec, *normalization_of(other))
    if field == "color":
        return recolored(spec, other.color)
    if field == "resize":
        return replace(spec, resize=other.resize, pad_value=other.pad_value)
    return replace(spec, filter=other.filter)


def _stored(spec: TensorSpec, channels: int) -> Normalization | None:
    """The normalization under which the stored input is the pixel value, or that minus 128 where it is signed."""
    if spec.quant is None or len(spec.quant.scale) != 1:
        return None
    mean = float(spec.quant.zero_point[0] - integer_range(spec.dtype)[0])
    std = float(f"{1 / spec.quant.scale[0]:.7g}")  # as exact as the float32 in the file
    return (mean,) * channels, (std,) * channels


def _filling(spec: TensorSpec, named: Mapping[str, Normalization]) -> list[Normalization]:
    """The normalizations of black and white whose range is that of a quantized input, the best fit last."""
    assert spec.quant is not None
    low, high = (
        float(spec.quant.scale[0]) * (end - float(spec.quant.zero_point[0])) for end in integer_range(spec.dtype)
    )
    misses = {}
    for mean, std in named.values():
        pairs = list(zip(mean, std, strict=True))
        least, most = min(-m / s for m, s in pairs), max((255 - m) / s for m, s in pairs)
        misses[mean, std] = max(abs(least - low), abs(most - high)) / (high - low)
    return sorted((pair for pair, miss in misses.items() if miss <= _MISS), key=lambda pair: -misses[pair])


def _geometries(images: list[Array], height: int, width: int, resizes: tuple[tuple[str, int], ...]) -> int:
    """How many different results the policies and filters have, on images of up to `_SHAPES` shapes."""
    by_shape = list({image.shape: image for image in images}.values())[:_SHAPES]
    found = {
        b"".join(fit(image, height, width, how, name, pad)[0].tobytes() for image in by_shape)
        for how, pad in resizes
        for name in FILTERS
    }
    return len(found)


def _with(name: str, value: Normalization, others: Mapping[str, Normalization]) -> dict[str, Normalization]:
    return dict(others) if value in others.values() else {name: value, **others}


def _measured(images: list[Array], channels: int) -> Normalization:
    pixels = np.concatenate(
        [image.reshape(-1, 3)[:: max(1, image.shape[0] * image.shape[1] // 4096)] for image in images]
    )
    values = pixels.mean(axis=1, keepdims=True) if channels == 1 else pixels
    mean, std = values.mean(axis=0), np.maximum(values.std(axis=0), 1.0)
    return tuple(round(float(value), 3) for value in mean), tuple(round(float(value), 3) for value in std)
