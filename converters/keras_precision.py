"""Models that were trained in mixed precision, as the converters take them: computing in float32.

Micikevicius et al., "Mixed Precision Training" (ICLR 2018): the weights are float32 anyway, 16-bit numbers are how a
GPU trains. A file for a device has numbers of its own, by its scheme.
"""

from __future__ import annotations

from typing import Any

from edgevision.converters.vendor import vendor_step

NARROW = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16")
"""Names of Keras's dtype policies that compute in 16 bits."""


def in_float32(model: Any) -> Any:
    """Return the model with every layer computing in float32: itself where that is so.

    Args:
        model: A functional or sequential tf_keras model, with others inside it or not; it is left as it is.

    Raises:
        ConversionError: Its layers cannot be built again.
    """
    if not any(_is_narrow(layer) for layer in model.submodules):
        return model
    with vendor_step(f"widening {model.name} to float32"):
        wide = type(model).from_config(_widened(model.get_config()))
        wide.set_weights(model.get_weights())
    return wide


def _is_narrow(layer: Any) -> bool:
    return getattr(layer, "compute_dtype", None) in ("float16", "bfloat16")


def _widened(config: Any) -> Any:
    """Return a layer's or a model's config with its dtype policies replaced."""
    if isinstance(config, dict):
        return {key: _wide(value) if key == "dtype" else _widened(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(map(_widened, config))
    return config


def _wide(dtype: Any) -> Any:
    """Return a dtype policy, by its name or with its config, that computes in 32 bits where it did in 16."""
    name = dtype["config"].get("name") if isinstance(dtype, dict) and "config" in dtype else dtype
    return "float32" if name in NARROW else dtype
