"""What values flow through a float ``.tflite``: the distribution of each activation on calibration images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from edgevision.converters.histogram import Histogram
from edgevision.converters.vendor import vendor_step
from edgevision.errors import CalibrationError, ConversionError
from edgevision.optional import require

if TYPE_CHECKING:
    from edgevision.calibration import CalibrationDataset
    from edgevision.tensors import Array

Statistics = Mapping[str, Histogram]
"""Name of a tensor -> the distribution of its values."""


def measure(content: bytes, activations: Mapping[int, str], calibration: CalibrationDataset) -> Statistics:
    """Run a float model on every calibration image and count what each activation takes on.

    Args:
        content: The ``.tflite`` file; it has one input, float32.
        activations: Index -> name of the tensors to look at.
        calibration: The images; a model with a larger batch gets each of them several times.

    Raises:
        CalibrationError: Images of another shape than the input, constant ones, or an activation that is NaN.
        ConversionError: The model does not run, or takes several inputs.
    """
    library = require("ai_edge_litert.interpreter")
    with vendor_step("running the float model on calibration images"):
        interpreter = library.Interpreter(
            model_content=content,
            num_threads=1,
            experimental_op_resolver_type=library.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
        inputs = interpreter.get_input_details()
        if len(inputs) != 1 or inputs[0]["dtype"] is not np.float32:
            got = ", ".join(f"{entry['name']} {np.dtype(entry['dtype']).name}" for entry in inputs)
            raise ConversionError("calibration with images takes a model with one float32 input", got=got)
        index, shape = inputs[0]["index"], tuple(int(length) for length in inputs[0]["shape"])
        statistics = {name: Histogram() for name in activations.values()}
        for sample in calibration:
            if sample.shape[1:] != shape[1:]:
                raise CalibrationError(
                    "calibration samples of another shape than the input", got=sample.shape[1:], allowed=f"{shape[1:]}"
                )
            interpreter.set_tensor(index, np.repeat(sample, shape[0], axis=0))
            interpreter.invoke()
            for tensor, name in activations.items():
                _add(statistics[name], name, interpreter.get_tensor(tensor))
    return statistics


def _add(histogram: Histogram, name: str, values: Array) -> None:
    try:
        histogram.add(values)
    except ValueError as exc:
        raise CalibrationError(
            f"the activation {name} is NaN on a calibration image", next_step="look at the model and at its input range"
        ) from exc
