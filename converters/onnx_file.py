"""What is done to an ONNX model once a tool has made it: names that stay, and checks before anything is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from edgevision.errors import ConversionError
from edgevision.optional import require
from edgevision.tensors import TensorSpec

_NOISE = re.compile(r"__\d+|^(Stateful)?PartitionedCall/")
"""What names have beside those of layers: tf2onnx's number, which counts on within a process, and the trace's call."""


def name_tensors(model: Any, ends: Mapping[str, str]) -> None:
    """Give inputs and outputs their names, and everything else one that does not depend on what was converted before.

    Args:
        model: An ``onnx.ModelProto``; it is changed.
        ends: Name of an input or output in it -> the name that it gets.
    """
    tensors, nodes = _Names(ends), _Names({})
    for graph in _graphs(model.graph):
        for node in graph.node:
            node.input[:] = [tensors[name] for name in node.input]
            node.output[:] = [tensors[name] for name in node.output]
            node.name = nodes[node.name]
        for entry in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
            entry.name = tensors[entry.name]


class _Names(dict[str, str]):
    """Name -> new name, made when it is first asked for: without what is not the layer's, and not yet taken."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__({"": "", **given})  # an input that is left out has no name
        self._taken = dict.fromkeys(given.values(), 1)

    def __missing__(self, name: str) -> str:
        plain = made = _NOISE.sub("", name)
        while made in self._taken:
            self._taken[plain] += 1
            made = f"{plain}_{self._taken[plain]}"
        self._taken[made] = 1
        self[name] = made
        return made


def arrange_ends(graph: Any, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Bring a graph's inputs and outputs into this order."""
    for entries, names in ((graph.input, inputs), (graph.output, outputs)):
        found = {entry.name: entry for entry in entries}
        ordered = [found[name] for name in names]
        del entries[:]
        entries.extend(ordered)


def shape_of(entry: Any) -> tuple[int | None, ...]:
    """Return the shape of an input or output; None where an axis is open."""
    return tuple(axis.dim_value or None for axis in entry.type.tensor_type.shape.dim)


def fix_shapes(model: Any, inputs: Sequence[TensorSpec], batch: int) -> None:
    """Fix the batch of a model's inputs, and with it the shapes that follow from them.

    Args:
        model: An ``onnx.ModelProto``; it is changed.
        inputs: What its inputs are, with the layouts that say where the batch is (without one: the first axis).
        batch: Length of the batch axis.

    Raises:
        ConversionError: Another axis is open, or the file has a fixed batch of another length.
    """
    specs = {spec.name: spec for spec in inputs}
    constants = {tensor.name for tensor in model.graph.initializer}  # older files list them as inputs too
    entries = [entry for entry in model.graph.input if entry.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(entries)
    for entry in model.graph.input:
        spec = specs[entry.name]
        axis = spec.layout.find("N") if spec.layout else 0
        lengths = entry.type.tensor_type.shape.dim
        if spec.shape[axis] not in (None, batch):
            raise ConversionError(
                f"{entry.name}: the file has a fixed batch", got=batch, allowed=str(spec.shape[axis]),
                next_step="export it with an open batch",
            )  # fmt: skip
        lengths[axis].dim_value = batch
        if any(not length.dim_value for length in lengths):
            raise ConversionError(
                f"input {entry.name} has an open dimension beside the batch", got=list(spec.shape),
                next_step="export the model with a fixed size",
            )  # fmt: skip
    for entry in (*model.graph.value_info, *model.graph.output):
        entry.type.tensor_type.ClearField("shape")
    inferred = require("onnx.shape_inference").infer_shapes(model, strict_mode=True, data_prop=True)
    model.CopyFrom(inferred)


def complete_shapes(model: Any) -> None:
    """Give every tensor of the main graph its shape, by running the model once where inference does not find it.

    Shapes that a graph computes (Shape, Gather, Concat, Reshape, as PyTorch exports them) are known to who runs it.

    Args:
        model: An ``onnx.ModelProto`` whose inputs have fixed shapes; it is changed.
    """
    graph = model.graph
    known = {entry.name for entry in (*graph.value_info, *graph.output) if _has_shape(entry)}
    names = [name for node in graph.node for name in node.output if name and name not in known]
    if not names:
        return
    vendor, helper = require("onnxruntime"), require("onnx.helper")
    shown = type(model)()
    shown.CopyFrom(model)
    del shown.graph.output[:]
    shown.graph.output.extend(require("onnx").ValueInfoProto(name=name) for name in names)
    settings = vendor.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.graph_optimization_level = vendor.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = vendor.InferenceSession(shown.SerializeToString(), settings, ["CPUExecutionProvider"])
    feed = {entry.name: np.zeros([length or 1 for length in shape_of(entry)], dtype_of(entry)) for entry in graph.input}
    found = dict(zip(names, session.run(names, feed), strict=True))
    entries = {entry.name: entry for entry in (*graph.value_info, *graph.output)}
    for name, value in found.items():
        if not isinstance(value, np.ndarray):
            continue  # a sequence, or text
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        made = helper.make_tensor_value_info(name, kind, value.shape)
        if name in entries:
            entries[name].CopyFrom(made)
        else:
            graph.value_info.append(made)


def _has_shape(entry: Any) -> bool:
    kind = entry.type.tensor_type
    return bool(kind.HasField("shape")) and all(axis.dim_value or axis.HasField("dim_value") for axis in kind.shape.dim)


def dtype_of(entry: Any) -> str:
    """Return the type of an input or output, as numpy calls it."""
    return str(np.dtype(require("onnx.helper").tensor_dtype_to_np_dtype(entry.type.tensor_type.elem_type)).name)


def check_operators(model: Any, name: str) -> None:
    """Raise ConversionError, naming them, for operators that ONNX does not have: tf2onnx leaves them as they were."""
    has: Callable[..., bool] = require("onnx.defs").has
    nodes = [node for graph in _graphs(model.graph) for node in graph.node]
    unknown = sorted({node.op_type for node in nodes if not has(node.op_type, node.domain)})
    if unknown:
        raise ConversionError(
            f"ONNX conversion of {name} failed: operators that the format does not have: {', '.join(unknown)}"
        )


def check_constants(model: Any, name: str) -> None:
    """Raise ConversionError, naming them, when constants are NaN, or those of two and more axes infinite."""
    array = require("onnx.numpy_helper").to_array
    bad = []
    for graph in _graphs(model.graph):
        for tensor in graph.initializer:
            values = array(tensor)
            if np.issubdtype(values.dtype, np.floating) and (
                np.isnan(values).any() or (values.ndim > 1 and np.isinf(values).any())
            ):
                bad.append(tensor.name)
    if bad:
        shown = ", ".join(bad[:3]) + (f" and {len(bad) - 3} more" if len(bad) > 3 else "")
        raise ConversionError(
            f"{name}: weights are NaN or infinite", got=shown, next_step="train it again, with a lower rate"
        )


def _graphs(graph: Any) -> Iterator[Any]:
    """Yield a graph, then those of its branches and loops."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _graphs(inner)
