"""A trained model in, a smaller one or an artifact out: one method or format per file."""

from edgevision.converters.base import Conversion, ConversionReport, convert
from edgevision.converters.keras_import import SourceModel, load_source, save_keras_artifact

__all__ = ["Conversion", "ConversionReport", "SourceModel", "convert", "load_source", "save_keras_artifact"]
