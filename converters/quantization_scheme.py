"""tfmot's default 8-bit scheme, as quantization-aware training uses it: its layers, and what their weights keep."""

from __future__ import annotations

from copy import copy
from typing import Any

from edgevision.converters.kernel_quantizer import KernelQuantizer
from edgevision.errors import ConfigError
from edgevision.optional import require

FUSED_ACTIVATIONS = ("linear", "relu", "swish", "gelu", "softmax", "sigmoid", "tanh", "NoOpActivation")
"""What tfmot quantizes inside a convolution or dense layer."""
ACTIVATIONS = (*FUSED_ACTIVATIONS, "relu6")
"""What it quantizes as a layer of its own."""
BATCH_NORMS = ("BatchNormalization", "SyncBatchNormalization")
FOLDING = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense")
"""What a batch norm is folded into."""
WEIGHTED = ("Conv2D", "Conv2DTranspose", "DepthwiseConv2D", "Dense")
"""What has a kernel that tfmot's scheme rounds."""
KEPT = ("Conv2D", "Conv2DTranspose", "Dense")
"""What zeros and clusters are kept in."""


class EightBits:
    """tfmot's default 8-bit scheme, with quantizers of our own for kernels.

    tfmot's own prune-preserving scheme refuses models with other trainable layers, such as a batch norm on its own.
    """

    def __init__(self, keep_sparsity: bool, keep_clusters: bool) -> None:
        tfmot = require("tensorflow_model_optimization")
        self._default = tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme()
        self._registry = self._default.get_quantize_registry()
        self._keep_sparsity = keep_sparsity
        self._keep_clusters = keep_clusters
        self._quantizers: list[KernelQuantizer] = []

    def get_layout_transformer(self) -> EightBits:
        """Return what rearranges layers for tfmot: this object."""
        return self

    def apply(self, model: Any, layer_quantize_map: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Rearrange layers as tfmot's scheme does, and give weights their rounding back that it forgets.

        Before a ReLU in a layer of its own it takes all quantization away from a convolution or dense layer, where it
        means its output alone.

        Args:
            model: The annotated Keras model.
            layer_quantize_map: Name of a layer to what tfmot knows of it, ``quantize_config`` among it.
        """
        model, known = self._default.get_layout_transformer().apply(model, layer_quantize_map)
        for layer in model.layers:
            given = known.get(layer.name, {}).get("quantize_config")
            if type(given).__name__ == "NoOpQuantizeConfig" and type(layer).__name__ in WEIGHTED:
                known[layer.name]["quantize_config"] = self._weights_alone(layer)
        return model, known

    def get_quantize_registry(self) -> EightBits:
        """Return what tfmot asks about layers: this object."""
        return self

    def supports(self, layer: Any) -> bool:
        """Whether the layer can compute in the scheme."""
        return bool(self._registry.supports(layer)) and self._activation_refusal(layer) is None

    def get_quantize_config(self, layer: Any) -> Any:
        """Return how the layer is quantized."""
        config = self._registry.get_quantize_config(layer)
        kind = type(layer).__name__
        if kind in WEIGHTED:
            quantizer = KernelQuantizer(
                config.weight_quantizer,
                zeros=self._keep_sparsity and kind in KEPT,
                clusters=self._keep_clusters and kind in KEPT,
            )
            config = copy(config)  # tfmot has one object for all layers of a kind
            config.weight_quantizer = quantizer
            self._quantizers.append(quantizer)
        return config

    def _weights_alone(self, layer: Any) -> Any:
        """Return how a layer is quantized whose output is rounded behind the ReLU that follows.

        No converter merges that ReLU with a transposed convolution, which needs a rounded output of its own.
        """
        config = copy(self.get_quantize_config(layer))
        if layer.activation.__name__ == "linear" and type(layer).__name__ != "Conv2DTranspose":
            config.activation_attrs = []
        return config

    def check_clusters(self, name: str) -> None:
        """Raise ConfigError when clusters are to be kept and no layer has any."""
        if self._keep_clusters and not any(quantizer.clustered for quantizer in self._quantizers):
            raise ConfigError(
                f"{name} has no clustered layer to keep", next_step="cluster it first (edgevision cluster)"
            )

    def settle(self) -> None:
        """Write zeros and clusters into the weights as they are kept."""
        for quantizer in self._quantizers:
            quantizer.settle()

    def refusal(self, layer: Any) -> str | None:
        """Return why this layer stays in float, or None."""
        kind = type(layer).__name__
        if hasattr(layer, "layers"):
            return "a model inside the model: tfmot quantizes flat models only"
        if kind in BATCH_NORMS:
            return None if folds(layer) else f"{kind}: not right after a convolution or dense layer, so it stays float"
        if kind != "SeparableConv2D" and not self._registry.supports(layer):  # tfmot splits that one into two it has
            return f"{kind}: tfmot's 8-bit scheme does not have it"
        return self._activation_refusal(layer)

    def _activation_refusal(self, layer: Any) -> str | None:
        kind = type(layer).__name__
        activation = getattr(layer, "activation", None)
        name = getattr(activation, "__name__", type(activation).__name__)
        known = ACTIVATIONS if kind == "Activation" else FUSED_ACTIVATIONS
        if activation is None or name in known:
            return None
        return f"{kind}: tfmot's 8-bit scheme does not have the activation {name}"


def folds(layer: Any) -> bool:
    """Whether a batch norm comes right after the one layer that it can be folded into."""
    previous = before(layer)
    return (
        type(previous).__name__ in FOLDING
        and len(previous.outbound_nodes) == 1
        and getattr(previous.activation, "__name__", None) == "linear"
    )


def before(layer: Any) -> Any:
    """Return the layer that this one comes after."""
    return layer.inbound_nodes[0].inbound_layers
