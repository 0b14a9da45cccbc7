"""MODEL, as users type it: an artifact directory, the manifest in it, a bare model file, or 'sample'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgevision.artifact import Artifact
    from edgevision.converters.file_source import Source
    from edgevision.converters.keras_import import SourceModel

ISOLATED_S = 120.0
"""A model that has not inferred once after so many seconds is not run."""


def open_model(path: Path) -> Artifact:
    """Open an artifact and check its hashes, or describe a bare model file; raises ArtifactError."""
    from edgevision.artifact import Artifact
    from edgevision.manifest import MANIFEST

    path = model_place(path)
    if path.is_file() and path.name != MANIFEST:
        return Artifact.describe(path)
    return Artifact.open(path)


def open_to_run(
    path: Path, runtimes: Sequence[str], device: str, options: Mapping[str, Any], isolate: bool | None
) -> Artifact:
    """Open a model as `open_model`, and let it load and infer once in a process of its own, on each of the runtimes.

    Args:
        path: The model.
        runtimes: What will run it; none for the first that fits.
        device: Where.
        options: Options of the runtimes.
        isolate: Whether to; None for bare files, which nobody here made.

    Raises:
        EdgeVisionError: It does not load or run there, or the process died of it.
    """
    from edgevision.benchmark.child import run_fresh

    artifact = open_model(path)
    if isolate or (isolate is None and artifact.bare):
        for name in runtimes or (None,):
            run_fresh(artifact, name, device, options, timeout_s=ISOLATED_S)
    return artifact


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
