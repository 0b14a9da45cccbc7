"""Activations of Keras 3 that tf_keras lacks, or has under the same name with another meaning, built from layers.

Keras 3's ``hard_sigmoid`` is relu6(x + 3) / 6; that of tf_keras is clip(0.2 x + 0.5, 0, 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgevision.optional import require

FUSED = frozenset(
    ("linear", "relu", "elu", "exponential", "gelu", "leaky_relu", "log_softmax", "mish", "selu", "sigmoid", "silu",
     "softmax", "softplus", "softsign", "tanh")
)  # fmt: skip
"""Names that mean the same in both, and stay inside the layer that has them."""

Namer = Callable[[str], str]
"""Returns the name of a new layer from what it is."""


def layer(kind: str, name: str, tensors: Any, *args: Any, **settings: Any) -> Any:
    """Put a layer of tf_keras behind a tensor, or several; it computes in their type. Returns its output."""
    first = tensors[0] if isinstance(tensors, list) else tensors
    settings = {"dtype": first.dtype.name, **settings} if first.dtype.is_floating else settings
    return getattr(require("tf_keras").layers, kind)(*args, name=name, **settings)(tensors)


def apply_activation(kind: str, tensor: Any, name: Namer) -> Any | None:
    """Put an activation behind a tensor, as layers of its own.

    Args:
        kind: Its name in Keras 3.
        tensor: The tensor.
        name: Names the layers.

    Returns:
        The activated tensor; None when there is no such activation.
    """
    if kind in FUSED:
        return layer("Activation", name(kind), tensor, kind)
    made = _BUILT.get(kind)
    return None if made is None else made(tensor, name)


def _relu6(tensor: Any, name: Namer) -> Any:
    return layer("ReLU", name("relu6"), tensor, 6.0)


def _hard_sigmoid(tensor: Any, name: Namer) -> Any:
    shifted = layer("Rescaling", name("plus_3"), tensor, 1.0, 3.0)
    return layer("Rescaling", name("hard_sigmoid"), _relu6(shifted, name), 1.0 / 6.0)


def _hard_silu(tensor: Any, name: Namer) -> Any:
    return layer("Multiply", name("hard_silu"), [tensor, _hard_sigmoid(tensor, name)])


def _hard_tanh(tensor: Any, name: Namer) -> Any:
    shifted = layer("Rescaling", name("plus_1"), tensor, 1.0, 1.0)
    return layer("Rescaling", name("hard_tanh"), layer("ReLU", name("relu2"), shifted, 2.0), 1.0, -1.0)


def _log_sigmoid(tensor: Any, name: Namer) -> Any:
    negative = layer("Rescaling", name("negative"), tensor, -1.0)
    return layer("Rescaling", name("log_sigmoid"), layer("Activation", name("softplus"), negative, "softplus"), -1.0)


def _tanh_shrink(tensor: Any, name: Namer) -> Any:
    return layer("Subtract", name("tanh_shrink"), [tensor, layer("Activation", name("tanh"), tensor, "tanh")])


_BUILT: Mapping[str, Callable[[Any, Namer], Any]] = {
    "relu6": _relu6,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": _hard_silu,
    "hard_swish": _hard_silu,
    "hard_tanh": _hard_tanh,
    "log_sigmoid": _log_sigmoid,
    "tanh_shrink": _tanh_shrink,
}
