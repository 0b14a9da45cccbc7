"""A copy of a model file whose outputs are its activations, in the order in which they are computed.

As an output, an activation keeps a runtime from merging what comes before with what comes after: a difference that only
the merging makes cannot be seen in such a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from edgevision.artifact import Artifact
from edgevision.converters.onnx_file import dtype_of
from edgevision.converters.tflite_file import TFLiteFile
from edgevision.converters.vendor import vendor_step
from edgevision.errors import IncompatibleModelError, check_choice
from edgevision.optional import require


def show_every_layer(artifact: Artifact, folder: Path) -> Artifact:
    """Write the model file with its activations as outputs, and describe it; its preprocessing and inputs are kept.

    In TFLite and OpenVINO these are the results of all operators that compute with the input; in ONNX those in float,
    or, where the model is quantized, those in integers, between which runtimes compute in integers.

    Args:
        artifact: A model in one of the formats of `WRITERS`; files of its own, which are not changed.
        folder: Gets the file.

    Raises:
        ConfigError: Another format.
        IncompatibleModelError: The file cannot be taken apart, or has no activation of a fixed shape.
        BackendUnavailableError: What takes it apart is not installed.
    """
    check_choice("format whose layers can be shown", artifact.manifest.format, tuple(WRITERS))
    with vendor_step(f"taking {artifact.model_file.name} apart", error=IncompatibleModelError):
        file = WRITERS[artifact.manifest.format](artifact.model_file, folder)
    manifest = artifact.manifest
    return Artifact.describe(file, preprocessing=manifest.preprocessing, inputs=manifest.inputs, scheme=manifest.scheme)


def _tflite(path: Path, folder: Path) -> Path:
    model = TFLiteFile(path.read_bytes())
    model.show_activations()
    file = folder / "layers.tflite"
    file.write_bytes(model.to_bytes())
    return file


def _openvino(path: Path, folder: Path) -> Path:
    vendor = require("openvino")
    model = vendor.Core().read_model(path)
    fed = {operation.get_friendly_name() for operation in model.get_parameters()}
    results = []
    for operation in model.get_ordered_ops():
        name = operation.get_friendly_name()
        if not any(port.get_source_output().get_node().get_friendly_name() in fed for port in operation.inputs()):
            continue
        fed.add(name)
        if operation.get_type_name() == "Result":
            continue
        for number, port in enumerate(operation.outputs()):
            if port.get_partial_shape().is_static and port.get_element_type().is_real():
                port.get_tensor().set_names({f"{name}:{number}" if number else name})
                results.append(vendor.opset13.result(port))
    shown = vendor.Model(results, model.get_sinks(), model.get_parameters(), model.get_friendly_name())
    file = folder / "layers.xml"
    vendor.save_model(shown, file, compress_to_fp16=False)
    return file


def _onnx(path: Path, folder: Path) -> Path:
    model = require("onnx").load(path)
    graph = require("onnx.shape_inference").infer_shapes(model, data_prop=True).graph
    known = {entry.name: entry for entry in (*graph.value_info, *graph.output)}
    quantized = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    constants = {entry.name for entry in graph.initializer}
    fed = [node for node in quantized or graph.node if not set(node.input) <= constants]
    made = [name for node in fed for name in node.output]
    shown = [known[name] for name in made if name in known and (quantized or dtype_of(known[name]) == "float32")]
    del model.graph.output[:]
    model.graph.output.extend(shown)
    file = folder / "layers.onnx"
    file.write_bytes(model.SerializeToString())
    return file


WRITERS: Mapping[str, Callable[[Path, Path], Path]] = {"tflite": _tflite, "openvino": _openvino, "onnx": _onnx}
"""Format -> what writes its file with every activation among the outputs."""
