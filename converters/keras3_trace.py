"""Models of Keras 3 as TensorFlow functions: for conversion and post-training quantization of files as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgevision.converters.tracing import Traced, trace
from edgevision.converters.vendor import vendor_step
from edgevision.keras_loading import load_keras3_model
from edgevision.keras_safety import check_keras_file
from edgevision.optional import require

if TYPE_CHECKING:
    from edgevision.converters.file_source import FileSource


def trace_keras3(source: FileSource, batch: int) -> Traced:
    """Load a file of Keras 3, after the check of its config, and trace it with a fixed batch.

    Raises:
        ArtifactError: It would run code, or is damaged.
        ConversionError: It cannot be traced.
    """
    model = load_keras3_model(source.path, check_keras_file(source.path), step=vendor_step)

    tf = require("tensorflow")

    def call(*tensors: Any) -> list[Any]:
        flat: list[Any] = tf.nest.flatten(model(list(tensors), training=False))
        return flat

    owner = tf.Module()
    owner.held = [variable.value for variable in model.variables]  # found there, and so frozen; not in a Keras 3 model
    return trace(source.name, call, owner, source.inputs, source.outputs, batch)
