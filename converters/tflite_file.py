"""A ``.tflite`` file as its schema describes it: the names and order of its inputs and outputs, and their types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgevision.converters.flatbuffer import pack_model
from edgevision.converters.keras_import import layout_of
from edgevision.errors import ConversionError
from edgevision.optional import require
from edgevision.tensors import QuantParams, TensorSpec

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "CONV_3D", "FULLY_CONNECTED", "BATCH_MATMUL")
"""Operators that take weights as their second input."""


class TFLiteFile:
    """One model with a signature, unpacked for changes."""

    def __init__(self, content: bytes) -> None:
        """Unpack ``content``."""
        self._schema = require("tensorflow.lite.python.schema_py_generated")
        self._model = self._schema.ModelT.InitFromObj(self._schema.Model.GetRootAsModel(content, 0))
        self._graph = self._model.subgraphs[0]
        types = vars(self._schema.TensorType).items()
        self._dtypes = {value: name.lower() for name, value in types if isinstance(value, int)}

    def arrange(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Give the inputs and outputs of the signature this order, and their tensors these names.

        Raises:
            ConversionError: the signature has other names.
        """
        signature = self._model.signatureDefs[0]
        self._graph.inputs = self._indices(signature.inputs, inputs)
        self._graph.outputs = self._indices(signature.outputs, outputs)
        for index, name in zip([*self._graph.inputs, *self._graph.outputs], [*inputs, *outputs], strict=True):
            self._graph.tensors[index].name = name.encode()

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What the model takes, in the order of the file."""
        return tuple(self._spec(self._graph.tensors[index]) for index in self._graph.inputs)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What the model gives, in the order of the file."""
        return tuple(self._spec(self._graph.tensors[index]) for index in self._graph.outputs)

    @property
    def float_weights(self) -> tuple[str, ...]:
        """Names of the constant weights of convolutions and matrix products that are float32."""
        kinds = {getattr(self._schema.BuiltinOperator, name) for name in WEIGHTED}
        found = []
        for operator in self._graph.operators:
            code = self._model.operatorCodes[operator.opcodeIndex]
            if max(code.builtinCode, code.deprecatedBuiltinCode) in kinds:
                weights = self._graph.tensors[operator.inputs[1]]
                constant = self._model.buffers[weights.buffer].data is not None
                if constant and self._dtypes[weights.type] == "float32":
                    found.append(weights.name.decode())
        return tuple(found)

    def to_bytes(self) -> bytes:
        """Pack the model again."""
        return pack_model(self._model)

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
