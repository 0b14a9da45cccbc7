"""edgevision: make a vision model small, prove that it still works, and run it on the device.

The names below are loaded when they are first used, so that importing the package costs next to nothing. A verb with a
module of its own name lives there: ``from edgevision.predict import predict``.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # `typing` takes longer to load than all that is here
if TYPE_CHECKING:
    from edgevision.artifact import Artifact as Artifact
    from edgevision.artifact import write_artifact as write_artifact
    from edgevision.calibration import CalibrationDataset as CalibrationDataset
    from edgevision.compress.recipe import CompressionRecipe as CompressionRecipe
    from edgevision.converters.base import convert as convert
    from edgevision.converters.channel_pruning import prune_channels as prune_channels
    from edgevision.converters.clustering import cluster as cluster
    from edgevision.converters.file_source import open_source as open_source
    from edgevision.converters.keras_import import load_source as load_source
    from edgevision.converters.pruning import prune as prune
    from edgevision.converters.quantization import quantize_aware as quantize_aware
    from edgevision.data.dataset import ImageDataset as ImageDataset
    from edgevision.data.images import load_image as load_image
    from edgevision.data.locate import open_dataset as open_dataset
    from edgevision.detector import Detector as Detector
    from edgevision.errors import EdgeVisionError as EdgeVisionError
    from edgevision.export import make_golden as make_golden
    from edgevision.golden import Golden as Golden
    from edgevision.manifest import Manifest as Manifest
    from edgevision.metrics.classification import classification_metrics as classification_metrics
    from edgevision.preprocessing import Preprocessing as Preprocessing
    from edgevision.runtimes.base import load as load
    from edgevision.tasks.classification import Prediction as Prediction
    from edgevision.tasks.classification import classify as classify
    from edgevision.tensors import QuantParams as QuantParams
    from edgevision.tensors import TensorSpec as TensorSpec
    from edgevision.tensors import dequantize as dequantize
    from edgevision.tensors import quantize as quantize
    from edgevision.verify.sealing import seal as seal

    __version__: str

_HOME = {
    "Artifact": "edgevision.artifact",
    "CalibrationDataset": "edgevision.calibration",
    "CompressionRecipe": "edgevision.compress.recipe",
    "Detector": "edgevision.detector",
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
    "cluster": "edgevision.converters.clustering",
    "convert": "edgevision.converters.base",
    "dequantize": "edgevision.tensors",
    "load": "edgevision.runtimes.base",
    "load_image": "edgevision.data.images",
    "load_source": "edgevision.converters.keras_import",
    "make_golden": "edgevision.export",
    "open_dataset": "edgevision.data.locate",
    "open_source": "edgevision.converters.file_source",
    "prune": "edgevision.converters.pruning",
    "prune_channels": "edgevision.converters.channel_pruning",
    "quantize": "edgevision.tensors",
    "quantize_aware": "edgevision.converters.quantization",
    "seal": "edgevision.verify.sealing",
    "write_artifact": "edgevision.artifact",
}
"""Public name -> the module that it is loaded from."""

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("edgevision")
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'edgevision' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
