"""Images, which come height, width, channels here, in the order that a model from elsewhere wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevision.calibration import CalibrationDataset
from edgevision.errors import ConfigError

if TYPE_CHECKING:
    from edgevision.tensors import Array, TensorSpec


def image_shape(spec: TensorSpec) -> tuple[int | None, ...]:
    """Return the shape of one sample of an input, height, width and channels in this order where it is an image.

    Raises:
        ConfigError: An input of four axes whose layout is unknown.

    >>> from edgevision.tensors import TensorSpec
    >>> image_shape(TensorSpec("x", (1, 3, 240, 320), "float32", "NCHW"))
    (240, 320, 3)
    """
    if len(spec.shape) == 4 and not spec.layout:
        raise ConfigError(
            f"the layout of the input {spec.name} is unknown", got=f"shape {list(spec.shape)}",
            allowed=("NHWC", "NCHW"), next_step="declare it: edgevision adopt MODEL --layout …",
        )  # fmt: skip
    if sorted(spec.layout) != sorted("NHWC"):
        return spec.shape[1:]
    return tuple(spec.length(axis) for axis in "HWC")


def arranged(calibration: CalibrationDataset, layout: str) -> CalibrationDataset:
    """Return calibration data whose inputs have a model's layout; the samples are the same."""
    if sorted(layout) != sorted("NHWC") or layout == "NHWC":
        return calibration
    axes = ["HWC".index(axis) for axis in layout if axis != "N"]

    def transform(sample: Array) -> Array:
        return np.ascontiguousarray(np.transpose(calibration.transform(sample), axes))

    return CalibrationDataset(calibration.samples, transform)
