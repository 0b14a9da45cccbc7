"""Anchors of single-shot detectors: boxes (N, 4) of centre x, centre y, width, height, as shares of the input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np

from edgevision.tensors import Array

Size = tuple[int, int]


@lru_cache(maxsize=8)
def scaled_anchors(
    size: Size,
    strides: tuple[int, ...],
    min_scale: float,
    max_scale: float,
    aspect_ratios: tuple[float, ...],
    between: bool,
    reduce_lowest: bool,
    fixed: bool,
) -> Array:
    """Return anchors whose scales grow evenly from layer to layer (W. Liu et al., SSD, arXiv:1512.02325, section 2.2).

    Scales are shares of the input's shorter side, as in TensorFlow's Object Detection API: an anchor of ratio 1 is a
    square in pixels.

    Args:
        size: Height and width of the input, pixels.
        strides: Stride of each layer; layers of one stride that follow each other share their cells.
        min_scale: Scale of the first layer, a share of the shorter side.
        max_scale: Scale of the last.
        aspect_ratios: Width over height of the anchors.
        between: Whether there is also a square one between this layer's scale and the next.
        reduce_lowest: Whether the first layer has only scale 0.1, and ratios 2 and 0.5 of its own scale.
        fixed: Whether each anchor is as large as the input, and only its place counts (BlazeFace).
    """
    steps = max(len(strides) - 1, 1)
    scales = [min_scale + (max_scale - min_scale) * layer / steps for layer in range(len(strides))] + [1.0]
    numbered = enumerate(strides)
    parts = []
    for stride, layers in groupby(numbered, key=lambda entry: entry[1]):
        shapes: list[tuple[float, float]] = []
        for layer, _ in layers:
            if layer == 0 and reduce_lowest:
                shapes += _shapes([(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)])
                continue
            shapes += _shapes([(scales[layer], ratio) for ratio in aspect_ratios])
            if between:
                shapes += _shapes([(math.sqrt(scales[layer] * scales[layer + 1]), 1.0)])
        across, down = min(size) / size[1], min(size) / size[0]
        sides = [(1.0, 1.0)] * len(shapes) if fixed else [(width * across, height * down) for width, height in shapes]
        parts.append(_grid(_centres(size, stride), sides))
    return _frozen(parts)


@lru_cache(maxsize=8)
def sized_anchors(size: Size, strides: tuple[int, ...], sizes: tuple[tuple[float, ...], ...]) -> Array:
    """Return square anchors of given sides, cut to the input, whose cells are a whole stride apart.

    An input that the stride does not divide has a last cell that begins in it and ends outside.

    Args:
        size: Height and width of the input, pixels.
        strides: Stride of each layer.
        sizes: Sides of each layer's anchors, pixels.
    """
    parts = []
    for stride, sides in zip(strides, sizes, strict=True):
        centres = _centres(size, stride) * [_cells(size[1], stride) * stride / size[1],
                                            _cells(size[0], stride) * stride / size[0]]  # fmt: skip
        parts.append(_grid(centres, [(side / size[1], side / size[0]) for side in sides]).clip(0, 1))
    return _frozen(parts)


def _shapes(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(scale * math.sqrt(ratio), scale / math.sqrt(ratio)) for scale, ratio in pairs]


def _cells(length: int, stride: int) -> int:
    return -(-length // stride)


def _centres(size: Size, stride: int) -> Array:
    """Middles of cells that share the input evenly, row by row: x, y as shares of it, (cells, 2)."""
    rows, columns = _cells(size[0], stride), _cells(size[1], stride)
    y, x = np.mgrid[:rows, :columns]
    centres: Array = np.stack([(x + 0.5) / columns, (y + 0.5) / rows], axis=-1).reshape(-1, 2)
    return centres


def _grid(centres: Array, shapes: Sequence[tuple[float, float]]) -> Array:
    """Anchors of these widths and heights at each centre, those of a cell together."""
    sides = np.asarray(shapes, np.float64)[None]
    anchors: Array = np.concatenate(np.broadcast_arrays(centres[:, None], sides), axis=-1).reshape(-1, 4)
    return anchors


def _frozen(parts: Sequence[Array]) -> Array:
    anchors: Array = np.concatenate(parts).astype(np.float32)
    anchors.flags.writeable = False
    return anchors
