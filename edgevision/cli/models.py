"""MODEL, as users type it: an artifact directory, the manifest in it, a bare model file, or 'sample'."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgevision.artifact import Artifact
    from edgevision.converters.keras_import import SourceModel


def open_model(path: Path) -> Artifact:
    """Open an artifact and check its hashes, or describe a bare model file; raises ArtifactError."""
    from edgevision.artifact import Artifact
    from edgevision.manifest import MANIFEST

    path = model_place(path)
    if path.is_file() and path.name != MANIFEST:
        return Artifact.describe(path)
    return Artifact.open(path)


def open_source(path: Path) -> SourceModel:
    """Load a Keras model to convert from; raises as `edgevision.converters.keras_import.load_source`."""
    from edgevision.converters.keras_import import load_source

    return load_source(model_place(path))


def model_place(path: Path) -> Path:
    """The path; or the shipped model's for 'sample' where no such file is."""
    from edgevision.shipped import SHIPPED, shipped_model

    return shipped_model() if str(path) == SHIPPED and not path.exists() else path
