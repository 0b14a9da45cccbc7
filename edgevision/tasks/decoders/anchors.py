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

    Args:
        size: Height and width of the input, pixels.
        strides: Stride of each layer; layers of one stride that follow each other share their cells.
        min_scale: Scale of the first layer, a share of the input.
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
        parts.append(_grid(size, stride, [(1.0, 1.0)] * len(shapes) if fixed else shapes))
    return _frozen(parts)


@lru_cache(maxsize=8)
def sized_anchors(size: Size, strides: tuple[int, ...], sizes: tuple[tuple[float, ...], ...]) -> Array:
    """Return square anchors of given sides.

    Args:
        size: Height and width of the input, pixels.
        strides: Stride of each layer.
        sizes: Sides of each layer's anchors, pixels.
    """
    both = zip(strides, sizes, strict=True)
    return _frozen([_grid(size, stride, [(s / size[1], s / size[0]) for s in sides]) for stride, sides in both])


def _shapes(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(scale * math.sqrt(ratio), scale / math.sqrt(ratio)) for scale, ratio in pairs]


def _grid(size: Size, stride: int, shapes: Sequence[tuple[float, float]]) -> Array:
    """Anchors of these widths and heights in the middle of each cell, row by row, those of a cell together."""
    rows, columns = -(-size[0] // stride), -(-size[1] // stride)
    y, x = np.mgrid[:rows, :columns]
    centres = np.stack([(x + 0.5) / columns, (y + 0.5) / rows], axis=-1).reshape(-1, 1, 2)
    sides = np.asarray(shapes, np.float64)[None]
    anchors: Array = np.concatenate(np.broadcast_arrays(centres, sides), axis=-1).reshape(-1, 4)
    return anchors


def _frozen(parts: Sequence[Array]) -> Array:
    anchors: Array = np.concatenate(parts).astype(np.float32)
    anchors.flags.writeable = False
    return anchors
