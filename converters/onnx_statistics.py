"""The activations of a float ``.onnx``, on calibration images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from edgevision.converters.activation_statistics import Statistics, check_calibrated_input, gather
from edgevision.converters.onnx_file import dtype_of, shape_of
from edgevision.converters.vendor import vendor_step
from edgevision.optional import require

if TYPE_CHECKING:
    from edgevision.calibration import CalibrationDataset
    from edgevision.tensors import Array


def measure(model: Any, activations: Sequence[str], calibration: CalibrationDataset) -> Statistics:
    """Run a float model on every calibration image and count what each activation takes on.

    Args:
        model: An ``onnx.ModelProto`` with one input, float32, all of whose shapes are fixed.
        activations: Names of the tensors to look at; the input may be among them.
        calibration: The images; a model with a larger batch gets each of them several times.

    Raises:
        CalibrationError: Images of another shape than the input, constant ones, or an activation that is NaN.
        ConversionError: The model does not run, or takes several inputs.
    """
    check_calibrated_input([(entry.name, dtype_of(entry)) for entry in model.graph.input])
    (entry,) = model.graph.input
    inside = [name for name in activations if name != entry.name]
    vendor = require("onnxruntime")
    with vendor_step("running the float model on calibration images"):
        session = vendor.InferenceSession(_showing(model, inside), _settings(vendor), ["CPUExecutionProvider"])

        def run(batch: Array) -> Iterator[tuple[str, Array]]:
            if entry.name in activations:
                yield entry.name, batch
            yield from zip(inside, session.run(inside, {entry.name: batch}), strict=True)

        shape = tuple(length or 1 for length in shape_of(entry))
        return gather(activations, shape, calibration, run)


def _showing(model: Any, names: Sequence[str]) -> bytes:
    """Return the model's file with these tensors among its outputs."""
    shown = type(model)()
    shown.CopyFrom(model)
    there = {entry.name for entry in shown.graph.output}
    shown.graph.output.extend(entry for entry in model.graph.value_info if entry.name in set(names) - there)
    content: bytes = shown.SerializeToString()
    return content


def _settings(vendor: Any) -> Any:
    """Return options under which every operator computes what it says, none merged with another."""
    settings = vendor.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.graph_optimization_level = vendor.GraphOptimizationLevel.ORT_DISABLE_ALL
    return settings
