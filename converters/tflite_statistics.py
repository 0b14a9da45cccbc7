"""The activations of a float ``.tflite``, on calibration images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from edgevision.converters.activation_statistics import Statistics, check_calibrated_input, gather
from edgevision.converters.vendor import vendor_step
from edgevision.optional import require

if TYPE_CHECKING:
    from edgevision.calibration import CalibrationDataset
    from edgevision.tensors import Array


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
        check_calibrated_input([(entry["name"], np.dtype(entry["dtype"]).name) for entry in inputs])
        index, shape = inputs[0]["index"], tuple(int(length) for length in inputs[0]["shape"])

        def run(batch: Array) -> Iterator[tuple[str, Array]]:
            interpreter.set_tensor(index, batch)
            interpreter.invoke()
            for tensor, name in activations.items():
                yield name, interpreter.get_tensor(tensor)

        return gather(activations.values(), shape, calibration, run)
