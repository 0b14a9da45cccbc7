"""Faces brought upright and to one place by their landmarks, as embedding models were trained with."""

from __future__ import annotations

import numpy as np
from PIL import Image

from edgevision.errors import InputError
from edgevision.tensors import Array

ARCFACE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
"""Where ArcFace (J. Deng et al., arXiv:1801.07698) has both eyes, nose and corners of the mouth in 112×112 pixels."""


TEMPLATES = {5: ARCFACE, 6: np.concatenate([ARCFACE[:3], ARCFACE[3:].mean(axis=0, keepdims=True)])}
"""Number of landmarks -> where the first of them belong: YuNet's five; BlazeFace's eyes, nose and mouth."""


def similarity(source: Array, target: Array) -> Array:
    """Return the turn, scale and shift, (2, 3), that brings points (K, 2) closest to others, in least squares.

    S. Umeyama, PAMI 1991. Points are x, y.

    Raises:
        InputError: Fewer than two points, lengths that differ, or points that are all one.
    """
    one, other = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if one.shape != other.shape or one.ndim != 2 or one.shape[1] != 2 or len(one) < 2:
        raise InputError("similarity: two lists of as many points", got=f"{list(one.shape)} and {list(other.shape)}")
    from_middle, to_middle = one - one.mean(axis=0), other - other.mean(axis=0)
    spread = (from_middle**2).sum()
    if not spread > 0:
        raise InputError("similarity: points that are all one")
    left, singular, right = np.linalg.svd(to_middle.T @ from_middle)
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0])
    turn = (left * signs) @ right * ((singular * signs).sum() / spread)
    return np.concatenate([turn, (other.mean(axis=0) - turn @ one.mean(axis=0))[:, None]], axis=1)


def align(image: Array, points: Array, template: Array = ARCFACE, size: int = 112) -> Array:
    """Return the part of an image, uint8 RGB (size, size, 3), in which landmarks lie as in a template.

    Args:
        image: uint8 RGB HWC.
        points: Landmarks (K, 2) of x, y in its pixels.
        template: Where they should lie (K, 2), in a picture of 112 pixels.
        size: Side of the result, pixels.
    """
    there = similarity(np.asarray(template) * (size / 112), points)
    # Pillow takes the way back: from a pixel of the result to the image, from pixel corners.
    data = (*there[0], *there[1])
    aligned = Image.fromarray(image).transform((size, size), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    return np.asarray(aligned)


def align_face(image: Array, keypoints: Array, size: int = 112) -> Array:
    """Return a face upright, uint8 RGB (size, size, 3), from the landmarks of YuNet (5) or BlazeFace (6).

    Args:
        image: uint8 RGB HWC.
        keypoints: The face's landmarks (K, 2) of x, y in its pixels, in the order of the detector's decoder.
        size: Side of the result, pixels.

    Raises:
        InputError: Another number of landmarks, landmarks that are all one point, or NaN or infinite.
    """
    template = TEMPLATES.get(len(keypoints))
    if template is None:
        raise InputError("align: landmarks of a face", got=len(keypoints), allowed=list(TEMPLATES))
    points = np.asarray(keypoints, np.float64)[: len(template)]
    if not np.isfinite(points).all() or not np.ptp(points, axis=0).any():
        raise InputError("align: landmarks of a face", got=np.round(points, 1).tolist(), allowed="places in the image")
    return align(image, points, template, size)
