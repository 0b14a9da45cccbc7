"""Operations of Keras 3 (``x + 3``, ``keras.ops.mean``) as layers of tf_keras where there is one, else of TensorFlow.

Layers come first, because pruning and quantization know layers: a product with constants becomes a Rescaling, a mean
over height and width a GlobalAveragePooling2D.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevision.converters.keras3_activations import Namer, apply_activation, layer
from edgevision.optional import require


@dataclass(frozen=True)
class Operation:
    """One call of an operation.

    Attributes:
        kind: Its class in Keras 3.
        config: Its settings.
        args: Its arguments: tensors, numbers, arrays, slices.
        name: Names the layers that it becomes; the empty text stands for the operation itself.
    """

    kind: str
    config: Mapping[str, Any]
    args: Sequence[Any]
    name: Namer

    def layer(self, kind: str, tensors: Any, *args: Any, **settings: Any) -> Any:
        """Be this layer."""
        return layer(kind, self.name(""), tensors, *args, **settings)

    def tensorflow(self, function: str, *args: Any, **settings: Any) -> Any:
        """Be the function ``tf.<function>``, as a layer that tf_keras saves by the function's name."""
        target = require("tensorflow")
        for part in function.split("."):
            target = getattr(target, part)
        kinds = require("tf_keras.src.layers.core.tf_op_layer")
        kind = kinds.SlicingOpLambda if function == "__operators__.getitem" else kinds.TFOpLambda
        return kind(target, name=self.name(""))(*args, **settings)


def translate_operation(operation: Operation) -> Any | None:
    """Return what the operation gives, or None when it cannot be translated."""
    made = _MADE.get(operation.kind)
    if made is not None:
        return made(operation)
    plain = set(operation.config) <= {"name", "dtype", "axis"} and operation.config.get("axis", -1) == -1
    if operation.kind in _ACTIVATIONS and plain:
        return apply_activation(_ACTIVATIONS[operation.kind], operation.args[0], operation.name)
    if operation.kind in _FUNCTIONS:
        return operation.tensorflow(_FUNCTIONS[operation.kind], *operation.args)
    return None


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and not isinstance(value, np.ndarray)


def _per_channel(constant: Any, tensor: Any) -> Any | None:
    """Return a constant as one number or a list of one per channel; None when it differs along another axis."""
    array = np.asarray(constant)
    if array.size == 1 and array.ndim <= len(tensor.shape):
        return float(array.reshape(()))
    along_last = array.ndim <= len(tensor.shape) and array.size == array.shape[-1] == tensor.shape[-1]
    return [float(value) for value in array.reshape(-1)] if along_last else None


def _arithmetic(kind: str, function: str) -> Callable[[Operation], Any]:
    def made(operation: Operation) -> Any:
        first, second = operation.args[:2]
        if _is_tensor(first) and _is_tensor(second):
            if kind and len(first.shape) == len(second.shape) and first.dtype == second.dtype:
                return operation.layer(kind, [first, second])
            return operation.tensorflow(function, first, second)
        tensor, constant = (first, second) if _is_tensor(first) else (second, first)
        value = _per_channel(constant, tensor) if tensor.dtype.is_floating else None
        scaled = None if value is None else _rescaling(operation.kind, value, tensor is first)
        if scaled is not None:
            return operation.layer("Rescaling", tensor, *scaled)
        return operation.tensorflow(function, *(_constant(item, tensor) for item in (first, second)))

    return made


def _rescaling(kind: str, value: Any, tensor_first: bool) -> tuple[Any, Any] | None:
    """Return scale and offset of the Rescaling that an operation with a constant is; None when it is none."""
    if kind == "Add":
        return 1.0, value
    if kind == "Multiply":
        return value, 0.0
    if kind == "Subtract":
        return (1.0, np.negative(value).tolist()) if tensor_first else (-1.0, value)
    if kind in ("Divide", "TrueDivide") and tensor_first:
        return np.reciprocal(value).tolist(), 0.0
    return None


def _constant(value: Any, tensor: Any) -> Any:
    return value if _is_tensor(value) else np.asarray(value, tensor.dtype.as_numpy_dtype)


def _relu(operation: Operation) -> Any:
    return operation.layer("ReLU", operation.args[0])


def _clip(operation: Operation) -> Any:
    low, high = operation.config["x_min"], operation.config["x_max"]
    if low == 0 and isinstance(high, int | float) and high > 0:
        return operation.layer("ReLU", operation.args[0], float(high))
    return operation.tensorflow("clip_by_value", operation.args[0], low, high)


def _gelu(operation: Operation) -> Any:
    if operation.config.get("approximate", True):
        return operation.tensorflow("nn.gelu", operation.args[0], approximate=True)
    return operation.layer("Activation", operation.args[0], "gelu")


def _pooled(kind: str, function: str) -> Callable[[Operation], Any]:
    def made(operation: Operation) -> Any:
        tensor, axis = operation.args[0], operation.config.get("axis")
        keepdims = bool(operation.config.get("keepdims"))
        rank = len(tensor.shape)
        axes = list(range(rank)) if axis is None else [item % rank for item in np.atleast_1d(axis).tolist()]
        if kind and rank == 4 and sorted(axes) == [1, 2]:
            return operation.layer(kind, tensor, keepdims=keepdims)
        return operation.tensorflow(function, tensor, axis=sorted(axes), keepdims=keepdims)

    return made


def _reshape(operation: Operation) -> Any:
    tensor, shape = operation.args[0], list(operation.config["newshape"])
    sizes, rest = list(tensor.shape[1:]), shape[1:]
    keeps_batch = shape[0] in (-1, None) and None not in sizes and np.prod(rest) == np.prod(sizes) and min(rest) > 0
    if keeps_batch:
        return operation.layer("Reshape", tensor, tuple(rest))
    return operation.tensorflow("reshape", tensor, shape)


def _reshaped_to(operation: Operation, shape: Sequence[int | None], function: str, axis: Any) -> Any:
    tensor = operation.args[0]
    if None not in shape[1:] and tensor.shape[0] is None and shape[0] is None:
        return operation.layer("Reshape", tensor, tuple(shape[1:]))
    return operation.tensorflow(function, tensor, axis=axis)


def _expand_dims(operation: Operation) -> Any:
    shape, axis = list(operation.args[0].shape), operation.config["axis"]
    if not isinstance(axis, int):
        return None
    axis %= len(shape) + 1
    return _reshaped_to(operation, [*shape[:axis], 1, *shape[axis:]], "expand_dims", axis)


def _squeeze(operation: Operation) -> Any:
    shape, axis = list(operation.args[0].shape), operation.config.get("axis")
    ones = [i for i, size in enumerate(shape) if size == 1] if axis is None else np.atleast_1d(axis) % len(shape)
    axes = [int(item) for item in ones]
    return _reshaped_to(operation, [size for i, size in enumerate(shape) if i not in axes], "squeeze", axes)


def _transpose(operation: Operation) -> Any:
    tensor, axes = operation.args[0], operation.config.get("axes")
    axes = list(axes or reversed(range(len(tensor.shape))))
    if axes[0] == 0 and len(axes) > 1:
        return operation.layer("Permute", tensor, tuple(axes[1:]))
    return operation.tensorflow("transpose", tensor, axes)


def _pad(operation: Operation) -> Any:
    tensor, width = operation.args[0], operation.config["pad_width"]
    width = [[int(part) for part in pair] for pair in np.broadcast_to(width, (len(tensor.shape), 2))]
    value = operation.args[1] if len(operation.args) > 1 else 0
    mode = operation.config.get("mode", "constant")
    if mode not in ("constant", "reflect", "symmetric"):
        return None
    if mode == "constant" and value == 0 and len(width) == 4 and not any(width[0] + width[3]):
        return operation.layer("ZeroPadding2D", tensor, tuple(map(tuple, width[1:3])))
    return operation.tensorflow("pad", tensor, width, mode=mode.upper(), constant_values=value)


def _slice(operation: Operation) -> Any:
    key = operation.args[1]
    key = tuple(key) if isinstance(key, list) else key
    return operation.tensorflow("__operators__.getitem", operation.args[0], key)


def _pool(kind: str) -> Callable[[Operation], Any]:
    def made(operation: Operation) -> Any:
        config, tensor = operation.config, operation.args[0]
        if config.get("data_format") == "channels_first" or len(tensor.shape) not in (3, 4, 5):
            return None
        layer_kind = f"{kind}Pooling{len(tensor.shape) - 2}D"
        return operation.layer(layer_kind, tensor, config["pool_size"], config["strides"], config["padding"])

    return made


def _resize(operation: Operation) -> Any:
    config = operation.config
    plain = not any(config.get(key) for key in ("antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio"))
    if not plain or config.get("data_format") == "channels_first":
        return None
    height, width = config["size"]
    return operation.layer("Resizing", operation.args[0], height, width, config.get("interpolation", "bilinear"))


def _split(operation: Operation) -> Any:
    sections, axis = operation.config["indices_or_sections"], operation.config["axis"]
    tensor = operation.args[0]
    if not isinstance(sections, int):
        size = tensor.shape[axis]
        sections = None if size is None else np.diff([0, *sections, size]).tolist()
    return None if sections is None else operation.tensorflow("split", tensor, sections, axis)


def _cast(operation: Operation) -> Any:
    tensor, dtype = operation.args[0], operation.config["dtype"]
    if tensor.dtype.name == dtype:
        return tensor
    return operation.tensorflow("cast", tensor, dtype)


_ACTIVATIONS = {
    "Exp": "exponential",
    "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_silu",
    "HardTanh": "hard_tanh",
    "LogSigmoid": "log_sigmoid",
    "LogSoftmax": "log_softmax",
    "Relu6": "relu6",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Silu": "silu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
    "TanhShrink": "tanh_shrink",
}
"""Operation -> the activation that it is."""

_FUNCTIONS = {
    "Abs": "math.abs",
    "Absolute": "math.abs",
    "Ceil": "math.ceil",
    "Cos": "math.cos",
    "Erf": "math.erf",
    "Floor": "math.floor",
    "Log": "math.log",
    "Log1p": "math.log1p",
    "Matmul": "linalg.matmul",
    "Power": "math.pow",
    "Reciprocal": "math.reciprocal",
    "Rsqrt": "math.rsqrt",
    "Sign": "math.sign",
    "Sin": "math.sin",
    "Sqrt": "math.sqrt",
    "Square": "math.square",
}
"""Operation -> the function of TensorFlow that takes the same arguments."""

_MADE: Mapping[str, Callable[[Operation], Any]] = {
    "Add": _arithmetic("Add", "math.add"),
    "AveragePool": _pool("Average"),
    "Cast": _cast,
    "Clip": _clip,
    "Concatenate": lambda op: op.layer("Concatenate", list(op.args[0]), axis=op.config["axis"]),
    "Divide": _arithmetic("", "math.divide"),
    "Elu": lambda op: op.layer("ELU", op.args[0], alpha=op.config.get("alpha", 1.0)),
    "ExpandDims": _expand_dims,
    "Flip": lambda op: op.tensorflow("reverse", op.args[0], np.atleast_1d(op.config["axis"]).tolist()),
    "Gelu": _gelu,
    "GetItem": _slice,
    "Identity": lambda op: op.args[0],
    "LeakyRelu": lambda op: op.layer("LeakyReLU", op.args[0], alpha=op.config.get("negative_slope", 0.2)),
    "Max": _pooled("GlobalMaxPooling2D", "math.reduce_max"),
    "MaxPool": _pool("Max"),
    "Maximum": _arithmetic("Maximum", "math.maximum"),
    "Mean": _pooled("GlobalAveragePooling2D", "math.reduce_mean"),
    "Min": _pooled("", "math.reduce_min"),
    "Minimum": _arithmetic("Minimum", "math.minimum"),
    "Multiply": _arithmetic("Multiply", "math.multiply"),
    "Negative": lambda op: op.layer("Rescaling", op.args[0], -1.0),
    "Pad": _pad,
    "Relu": _relu,
    "Reshape": _reshape,
    "Resize": _resize,
    "Softmax": lambda op: op.layer("Softmax", op.args[0], axis=op.config.get("axis", -1)),
    "Split": _split,
    "Squeeze": _squeeze,
    "Stack": lambda op: op.tensorflow("stack", list(op.args[0]), axis=op.config["axis"]),
    "StopGradient": lambda op: op.args[0],
    "Subtract": _arithmetic("Subtract", "math.subtract"),
    "Sum": _pooled("", "math.reduce_sum"),
    "Transpose": _transpose,
    "TrueDivide": _arithmetic("", "math.divide"),
}
"""Operation -> what makes it."""
