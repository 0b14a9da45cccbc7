"""A ``.tflite`` file as its schema describes it: its inputs and outputs, its operators, their names and types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevision.converters.flatbuffer import pack_model
from edgevision.converters.keras_import import layout_of
from edgevision.errors import ConfigError, ConversionError
from edgevision.optional import require
from edgevision.tensors import QuantParams, TensorSpec

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "CONV_3D", "FULLY_CONNECTED", "BATCH_MATMUL")
"""Operators that take weights as their second input."""


NOT_COMPUTING = ("QUANTIZE", "DEQUANTIZE", "SHAPE", "RANK")
"""Operators that floats go in or out of, and that compute with none."""

SHOWN = ("float32", "float16", "int8", "uint8", "int16", "int32")
"""Types of activations that can be looked at."""


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        kind: its name in the schema ("CONV_2D").
        outputs: names of the tensors that it makes.
        weights: name of its constant weights; None where it has none.
        dtypes: types of the tensors that it takes and makes, constants apart.
        weights_dtype: type of its weights.
    """

    kind: str
    outputs: tuple[str, ...]
    weights: str | None
    dtypes: frozenset[str]
    weights_dtype: str | None

    @property
    def computes_in_float(self) -> bool:
        """Whether float32 goes in or comes out, and not only to be cast."""
        return "float32" in self.dtypes and self.kind not in NOT_COMPUTING

    @property
    def paths(self) -> tuple[str, ...]:
        """What its tensors are named after, the outputs first: the converter joins names with semicolons."""
        names = (*self.outputs, *((self.weights,) if self.weights else ()))
        return tuple(path for name in names for path in name.split(";") if path)


class TFLiteFile:
    """One model, unpacked for changes."""

    def __init__(self, content: bytes) -> None:
        """Unpack ``content``."""
        self._schema = require("ai_edge_litert.schema_py_generated")
        self._model = self._schema.ModelT.InitFromObj(self._schema.Model.GetRootAsModel(content, 0))
        self._graph = self._model.subgraphs[0]
        for buffer in self._model.buffers:
            if buffer.offset > 1:  # ai-edge-quantizer puts larger weights behind the flatbuffer
                buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
                buffer.offset = buffer.size = 0
        self._dtypes = _names(self._schema.TensorType, str.lower)
        self._kinds = _names(self._schema.BuiltinOperator)

    def arrange(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Give the inputs and outputs of the signature this order, and their tensors these names.

        A file without a signature gets one. TensorFlow's converter makes such files of models that it cannot save, some
        with a transposed convolution among them: inputs come as they were traced, outputs sorted by their names.

        Raises:
            ConversionError: the signature has other names.
        """
        if not self._model.signatureDefs:
            self._model.signatureDefs = [self._signature(inputs, sorted(outputs))]
        signature = self._model.signatureDefs[0]
        self._graph.inputs = self._indices(signature.inputs, inputs)
        self._graph.outputs = self._indices(signature.outputs, outputs)
        self.name_ends(inputs, outputs)

    def name_ends(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Give the inputs and outputs these names, in the order of the file, in the signature too."""
        names = dict(zip([*self._graph.inputs, *self._graph.outputs], [*inputs, *outputs], strict=True))
        for index, name in names.items():
            self._graph.tensors[index].name = name.encode()
        signature = self._model.signatureDefs[0]
        for entry in (*signature.inputs, *signature.outputs):
            entry.name = names[int(entry.tensorIndex)].encode()

    def show_activations(self) -> None:
        """Make the results of all operators the outputs, in their order; a signature no longer fits and goes."""
        tensors = self._graph.tensors
        made = [int(index) for operator in self._graph.operators for index in operator.outputs]
        self._graph.outputs = [index for index in made if self._dtypes[tensors[index].type] in SHOWN]
        self._model.signatureDefs = []

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What the model takes, in the order of the file."""
        return tuple(self._spec(self._graph.tensors[index]) for index in self._graph.inputs)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What the model gives, in the order of the file."""
        return tuple(self._spec(self._graph.tensors[index]) for index in self._graph.outputs)

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The operators of the main graph, in the order in which they run."""
        return tuple(self._operator(self._graph, operator) for operator in self._graph.operators)

    @property
    def side_operators(self) -> tuple[Operator, ...]:
        """The operators of the graphs that loops and branches run."""
        graphs = self._model.subgraphs[1:]
        return tuple(self._operator(graph, operator) for graph in graphs for operator in graph.operators)

    @property
    def bad_constants(self) -> tuple[str, ...]:
        """Names of the constants of the main graph that have a NaN, and of weights that have an infinite value."""
        weights = {operator.weights for operator in self.operators}
        found = []
        for tensor in self._graph.tensors:
            name, dtype = tensor.name.decode(), self._dtypes[tensor.type]
            if dtype in ("float16", "float32") and self._is_constant(tensor):
                values = np.frombuffer(self._model.buffers[tensor.buffer].data.tobytes(), dtype)
                if np.isnan(values).any() or (name in weights and not np.isfinite(values).all()):
                    found.append(name)
        return tuple(found)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of the file."""
        return tuple(self._graph.tensors[index].name.decode() for index in self._graph.inputs)

    @property
    def float_activations(self) -> dict[int, str]:
        """Index and name of each float32 tensor of the main graph that is not a constant."""
        tensors = enumerate(self._graph.tensors)
        return {
            index: tensor.name.decode()
            for index, tensor in tensors
            if self._dtypes[tensor.type] == "float32" and not self._is_constant(tensor)
        }

    @property
    def ranks(self) -> dict[str, int]:
        """Name and number of axes of each tensor of the main graph."""
        return {tensor.name.decode(): _length(tensor.shape) for tensor in self._graph.tensors}

    def check_float(self) -> None:
        """Raise ConfigError where the file has quantized tensors."""
        for tensor in self._graph.tensors:
            if self._dtypes[tensor.type] in ("int4", "int8", "uint8", "int16") and _quant(tensor.quantization):
                raise ConfigError(
                    "the model is quantized already", got=f"{tensor.name.decode()} {self._dtypes[tensor.type]}",
                    next_step="start from the float model",
                )  # fmt: skip

    def normalize(self) -> None:
        """Make a file of any age and maker one that ai-edge-quantizer understands.

        Every tensor gets a name of its own, operators their code where files from before 2020 have it elsewhere, and
        float16 constants that are only widened become float32.
        """
        for code in self._model.operatorCodes:
            code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
        taken: set[bytes] = set()
        for graph in self._model.subgraphs:
            for position, tensor in enumerate(graph.tensors):
                name = tensor.name or b"tensor"
                tensor.name = name if tensor.name and name not in taken else _free(name, position, taken)
                taken.add(tensor.name)
        self._widen_constants()

    def name_ends_as(self, other: TFLiteFile) -> None:
        """Give the inputs and outputs the names that they have in another file of the same model."""
        for mine, theirs in ((self._graph.inputs, other._graph.inputs), (self._graph.outputs, other._graph.outputs)):
            for index, wanted in zip(mine, theirs, strict=True):
                tensor, name = self._graph.tensors[index], other._graph.tensors[wanted].name
                for same in self._graph.tensors:
                    if same.name == name:
                        same.name = tensor.name
                tensor.name = name

    def to_bytes(self) -> bytes:
        """Pack the model again."""
        return pack_model(self._model)

    def _operator(self, graph: Any, operator: Any) -> Operator:
        code = self._model.operatorCodes[operator.opcodeIndex]
        kind = self._kinds.get(max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM")
        outputs = [graph.tensors[index] for index in operator.outputs]
        inputs = [graph.tensors[index] for index in operator.inputs if index >= 0]
        moving = [*outputs, *(tensor for tensor in inputs if not self._is_constant(tensor))]
        weights = graph.tensors[operator.inputs[1]] if kind in WEIGHTED else None
        if weights is not None and not self._is_constant(weights):
            weights = None
        return Operator(
            kind,
            tuple(tensor.name.decode() for tensor in outputs),
            weights and weights.name.decode(),
            frozenset(self._dtypes[tensor.type] for tensor in moving),
            weights and self._dtypes[weights.type],
        )

    def _widen_constants(self) -> None:
        """Replace each DEQUANTIZE of a float16 constant by a float32 constant."""
        kept, widened = [], []
        for operator in self._graph.operators:
            source, target = (self._graph.tensors[ends[0]] for ends in (operator.inputs, operator.outputs))
            kind = self._operator(self._graph, operator).kind
            if kind == "DEQUANTIZE" and self._dtypes[source.type] == "float16" and self._is_constant(source):
                half = np.frombuffer(self._model.buffers[source.buffer].data.tobytes(), np.float16)
                data = np.frombuffer(half.astype(np.float32).tobytes(), np.uint8)
                target.buffer = len(self._model.buffers)
                self._model.buffers.append(self._schema.BufferT(data=data))
                widened.append(source)
            else:
                kept.append(operator)
        self._graph.operators = kept
        used = {self._graph.tensors[index].buffer for operator in kept for index in operator.inputs if index >= 0}
        for tensor in widened:
            if tensor.buffer not in used:
                self._model.buffers[tensor.buffer].data = None

    def _is_constant(self, tensor: Any) -> bool:
        data = self._model.buffers[tensor.buffer].data
        return data is not None and len(data) > 0

    def _signature(self, inputs: Sequence[str], outputs: Sequence[str]) -> Any:
        """Return a signature that gives the ends of the main graph these names, in their order."""
        named = zip([*self._graph.inputs, *self._graph.outputs], [*inputs, *outputs], strict=True)
        entries = [self._schema.TensorMapT(name=name.encode(), tensorIndex=int(index)) for index, name in named]
        return self._schema.SignatureDefT(
            inputs=entries[: len(inputs)],
            outputs=entries[len(inputs) :],
            signatureKey=b"serving_default",
            subgraphIndex=0,
        )

    def _indices(self, entries: Sequence[Any], names: Sequence[str]) -> list[int]:
        known = {entry.name.decode(): int(entry.tensorIndex) for entry in entries}
        if sorted(known) != sorted(names):
            raise ConversionError("the converted model has other tensors", got=sorted(known), allowed=sorted(names))
        return [known[name] for name in names]

    def _spec(self, tensor: Any) -> TensorSpec:
        shape = tuple(int(length) for length in tensor.shape)
        return TensorSpec(
            tensor.name.decode(), shape, self._dtypes[tensor.type], layout_of(len(shape)), _quant(tensor.quantization)
        )


def _quant(stored: Any) -> QuantParams | None:
    if stored is None or stored.scale is None or len(stored.scale) == 0:
        return None
    axis = int(stored.quantizedDimension) if len(stored.scale) > 1 else None
    return QuantParams(tuple(map(float, stored.scale)), tuple(map(int, stored.zeroPoint)), axis)


def _free(name: bytes, position: int, taken: set[bytes]) -> bytes:
    """Return a name that is not taken yet."""
    name += b"_%d" % position
    while name in taken:
        name += b"_"
    return name


def _length(shape: Any) -> int:
    return 0 if shape is None else len(shape)


def _names(enumeration: Any, change: Callable[[str], str] = str) -> dict[int, str]:
    """Return the names of a schema's enumeration by their numbers."""
    return {value: change(name) for name, value in vars(enumeration).items() if isinstance(value, int)}
