"""What values flow through a float model: the distribution of each activation on calibration images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from edgevision.converters.histogram import Histogram
from edgevision.errors import CalibrationError, ConversionError

if TYPE_CHECKING:
    from edgevision.calibration import CalibrationDataset
    from edgevision.tensors import Array

Statistics = Mapping[str, Histogram]
"""Name of a tensor -> the distribution of its values."""

Run = Callable[["Array"], Iterable[tuple[str, "Array"]]]
"""One batch of inputs -> the name and the values of each activation."""


def check_calibrated_input(inputs: Collection[tuple[str, str]]) -> None:
    """Raise ConversionError unless a model has one input, float32: what images are calibrated with.

    Args:
        inputs: Name and dtype of each input.
    """
    if [dtype for _, dtype in inputs] != ["float32"]:
        got = ", ".join(f"{name} {dtype}" for name, dtype in inputs)
        raise ConversionError("calibration with images takes a model with one float32 input", got=got)


def gather(names: Iterable[str], shape: tuple[int, ...], calibration: CalibrationDataset, run: Run) -> Statistics:
    """Run a model on every calibration image and count what each activation takes on.

    Args:
        names: The activations.
        shape: Of the model's input; a batch larger than 1 gets each image that many times.
        calibration: The images.
        run: What runs the model.

    Raises:
        CalibrationError: Images of another shape than the input, constant ones, or an activation that is NaN.
    """
    statistics = {name: Histogram() for name in names}
    for sample in calibration:
        if sample.shape[1:] != shape[1:]:
            raise CalibrationError(
                "calibration samples of another shape than the input", got=sample.shape[1:], allowed=f"{shape[1:]}"
            )
        for name, values in run(np.repeat(sample, shape[0], axis=0)):
            _add(statistics[name], name, values)
    return statistics


def _add(histogram: Histogram, name: str, values: Array) -> None:
    try:
        histogram.add(values)
    except ValueError as exc:
        raise CalibrationError(
            f"the activation {name} is NaN on a calibration image", next_step="look at the model and at its input range"
        ) from exc
