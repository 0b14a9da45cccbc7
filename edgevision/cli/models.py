"""MODEL, as users type it: an artifact directory, the manifest in it, a bare model file, or 'sample'."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgevision.artifact import Artifact
    from edgevision.converters.file_source import Source
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
    """Load a Keras model to change; raises as `edgevision.converters.keras_import.load_source`."""
    from edgevision.converters.keras_import import load_source

    return load_source(model_place(path))


def open_any_source(path: Path) -> Source:
    """Load a model to convert from, and say where it is taken as it is because tf_keras does not have a layer.

    Raises as `edgevision.converters.file_source.open_source`.
    """
    from edgevision.cli.output import note
    from edgevision.converters.file_source import FileSource
    from edgevision.converters.file_source import open_source as open_file

    source = open_file(model_place(path))
    if isinstance(source, FileSource) and source.reason:
        note(f"edgevision: {source.reason}; it is converted as Keras 3 has it")
    return source


def model_place(path: Path) -> Path:
    """The path; or the shipped model's for 'sample' where no such file is."""
    from edgevision.shipped import SHIPPED, shipped_model

    return shipped_model() if str(path) == SHIPPED and not path.exists() else path
