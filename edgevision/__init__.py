"""edgevision: make a vision model small, prove that it still works, and run it on the device.

The names below are loaded when they are first used, so that importing the package costs next to nothing. Verbs live in
the module of the same name: ``from edgevision.predict import predict``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgevision.artifact import Artifact as Artifact
    from edgevision.artifact import write_artifact as write_artifact
    from edgevision.calibration import CalibrationDataset as CalibrationDataset
    from edgevision.data.dataset import ImageDataset as ImageDataset
    from edgevision.data.images import load_image as load_image
    from edgevision.data.locate import open_dataset as open_dataset
    from edgevision.errors import EdgeVisionError as EdgeVisionError
    from edgevision.golden import Golden as Golden
    from edgevision.manifest import Manifest as Manifest
    from edgevision.metrics.classification import classification_metrics as classification_metrics
    from edgevision.preprocessing import Preprocessing as Preprocessing
    from edgevision.tasks.classification import Prediction as Prediction
    from edgevision.tasks.classification import classify as classify
    from edgevision.tensors import QuantParams as QuantParams
    from edgevision.tensors import TensorSpec as TensorSpec
    from edgevision.tensors import dequantize as dequantize
    from edgevision.tensors import quantize as quantize

    __version__: str

_HOME = {
    "Artifact": "edgevision.artifact",
    "CalibrationDataset": "edgevision.calibration",
    "EdgeVisionError": "edgevision.errors",
    "Golden": "edgevision.golden",
    "ImageDataset": "edgevision.data.dataset",
    "Manifest": "edgevision.manifest",
    "Prediction": "edgevision.tasks.classification",
    "Preprocessing": "edgevision.preprocessing",
    "QuantParams": "edgevision.tensors",
    "TensorSpec": "edgevision.tensors",
    "classification_metrics": "edgevision.metrics.classification",
    "classify": "edgevision.tasks.classification",
    "dequantize": "edgevision.tensors",
    "load_image": "edgevision.data.images",
    "open_dataset": "edgevision.data.locate",
    "quantize": "edgevision.tensors",
    "write_artifact": "edgevision.artifact",
}
"""Public name -> the module that it is loaded from."""

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("edgevision")
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'edgevision' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
