"""Layers of Keras 3 as layers of tf_keras: the same class with the same settings, or none at all.

What has a counterpart is a list; a setting that tf_keras does not know must have no effect. Initial values are left
out, because every weight comes from the file.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

from edgevision.converters.keras3_activations import FUSED
from edgevision.converters.keras3_graph import untranslatable
from edgevision.optional import require

_SAME = """
Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D
AveragePooling2D AveragePooling3D BatchNormalization Bidirectional CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D
Conv2DTranspose Conv3D Conv3DTranspose Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Dot
Dropout ELU EinsumDense Embedding Flatten GRU GaussianDropout GaussianNoise GlobalAveragePooling1D
GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
GroupNormalization LSTM LayerNormalization LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum
MultiHeadAttention Multiply Normalization PReLU Permute ReLU RepeatVector Rescaling Reshape Resizing SeparableConv1D
SeparableConv2D SimpleRNN Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D Subtract TimeDistributed
UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
"""
SAME = frozenset(_SAME.split())
"""Classes that tf_keras has under the same name, with the same meaning."""

RENAMED = {"LeakyReLU": {"negative_slope": "alpha"}}
"""Class -> settings that tf_keras has under another name."""

WITHOUT_EFFECT = frozenset(("seed", "flash_attention", "renorm_momentum", "synchronized", "fill_mode", "fill_value"))
"""Settings that change no answer: of random numbers, of the way it is computed, of others that are off."""

RECURRENT = ("GRU", "LSTM", "SimpleRNN")

POLICIES = ("float32", "float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")


def is_augmentation(kind: str) -> bool:
    """Whether a layer changes images in training only, and so is left out.

    >>> is_augmentation("RandomFlip"), is_augmentation("Resizing")
    (True, False)
    """
    return kind.startswith("Random") or kind in ("AugMix", "CutMix", "Identity", "MixUp", "RandAugment")


def build_layer(name: str, kind: str, config: Mapping[str, Any]) -> tuple[Any, Any]:
    """Make a layer of tf_keras from the config of one of Keras 3.

    Args:
        name: Name of the layer.
        kind: Its class.
        config: Its arguments, as the file has them.

    Returns:
        The layer; and the activation that has to follow as a layer of its own: None, a name, or the config of one.

    Raises:
        UntranslatableError: tf_keras has no such layer, or does not know a setting.
    """
    if kind not in SAME:
        raise untranslatable(name, kind, "tf_keras has no such layer")
    if config.get("data_format") == "channels_first":
        raise untranslatable(name, kind, "its channels come first; on processors they come last")
    layer_class = getattr(require("tf_keras").layers, kind)
    known = _parameters(layer_class)
    arguments: dict[str, Any] = {"name": name}
    activation = None
    for key, value in config.items():
        key = RENAMED.get(kind, {}).get(key, key)
        if key == "activation" and kind not in RECURRENT:
            arguments[key], activation = _activation(value)
        elif key in known:
            if not key.endswith("_initializer") and key != "name":
                arguments[key] = _setting(name, kind, key, value)
        elif value not in (None, False, "channels_last") and key not in WITHOUT_EFFECT:
            raise untranslatable(name, kind, f"tf_keras does not have its setting {key}={value!r:.60}")
    try:
        return layer_class(**arguments), activation
    except (TypeError, ValueError) as exc:
        raise untranslatable(name, kind, str(exc).splitlines()[0][:120]) from exc


@cache
def _parameters(layer_class: Any) -> set[str]:
    """Return the names of the arguments that a class of tf_keras takes."""
    base = require("tf_keras").layers.Layer
    classes = [cls for cls in layer_class.__mro__ if issubclass(cls, base) and cls is not base]
    found = {name for cls in classes for name in inspect.signature(cls.__init__).parameters}
    recurrent = {"zero_output_for_mask"} if layer_class.__name__ in RECURRENT else set()
    return (found - {"self", "args", "kwargs"}) | {"name", "dtype", "trainable"} | recurrent


def _activation(value: Any) -> tuple[str, Any]:
    """Return what stays inside the layer, and what follows it."""
    if isinstance(value, dict) and value.get("class_name") == "function":
        value = value["config"]
    value = {None: "linear", "swish": "silu", "hard_swish": "hard_silu"}.get(value, value) if _plain(value) else value
    return (value, None) if _plain(value) and value in FUSED else ("linear", value)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _setting(name: str, kind: str, key: str, value: Any) -> Any:
    if key == "dtype":
        policy = value["config"].get("name") if isinstance(value, dict) else value
        if policy not in POLICIES:
            raise untranslatable(name, kind, f"tf_keras has no numbers of this kind: {policy}")
        return policy
    if key in ("activation", "recurrent_activation"):
        if value not in FUSED:
            raise untranslatable(name, kind, f"its activation {value} means something else in tf_keras")
        return value
    if key in ("layer", "backward_layer") and isinstance(value, dict):
        inner, following = build_layer(value["config"]["name"], value["class_name"], value["config"])
        if following is not None:
            raise untranslatable(name, kind, f"the activation {following} of its inner layer")
        return inner
    if key.endswith(("_regularizer", "_constraint")) and isinstance(value, dict):
        room = require("tf_keras").regularizers if key.endswith("regularizer") else require("tf_keras").constraints
        made = getattr(room, value["class_name"], None)
        if made is None:
            raise untranslatable(name, kind, f"tf_keras does not have {value['class_name']}")
        return made(**value["config"])
    return value
