"""Arguments of a command that runs elsewhere: what is a file or folder here is sent first."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.artifact import Artifact
from edgevision.data.folders import is_seen
from edgevision.data.locate import open_images
from edgevision.errors import DatasetError
from edgevision.manifest import MANIFEST
from edgevision.shipped import SHIPPED


@dataclass(frozen=True)
class Shipped:
    """An argument that is a file or folder here and will be one there.

    Attributes:
        place: Where it is here, for messages.
        files: Path in the folder there -> the file here.
        name: The file that is meant; None for the folder.
    """

    place: str
    files: Mapping[str, Path]
    name: str | None = None


Argument = str | Shipped


def artifact_arguments(artifact: Artifact) -> list[Argument]:
    """Return MODEL: the files of an artifact with its manifest, or of a bare model."""
    if artifact.bare:
        files = {path.name: path for path in artifact.model_files}
        return [Shipped(str(artifact.model_file), files, artifact.model_file.name)]
    files = {path.relative_to(artifact.path).as_posix(): path for path in artifact.files}
    return [Shipped(str(artifact.path), {MANIFEST: artifact.path / MANIFEST, **files})]


def data_arguments(location: str | None, split: str | None) -> list[Argument]:
    """Return ``--data`` and ``--split``; none without a location.

    Raises:
        DatasetError: Nothing there, or nothing readable, or no such split.
    """
    if location is None:
        return []
    return ["--data", _images(location, split), *(("--split", split) if split is not None else ())]


def _images(location: str, split: str | None) -> Argument:
    path = Path(location)
    if location == SHIPPED:
        return location  # every edgevision has it
    if location == "cifar10" and not path.exists():
        raise DatasetError(
            "a device is not made to download CIFAR-10", got="cifar10", next_step="give --data the archive or folder"
        )
    open_images(location, split)
    if path.suffix.lower() == ".json":
        raise DatasetError(
            "the images of an annotation file are beside it", got=location, next_step="name the folder that has both"
        )
    if path.is_file():
        return Shipped(location, {path.name: path}, path.name)
    found = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    inside = {file.relative_to(path).as_posix(): file for file in found}
    return Shipped(location, {name: file for name, file in inside.items() if is_seen(name)})


def running_arguments(
    device: str, runtimes: Sequence[str], options: Mapping[str, Any] | None, isolate: bool | None
) -> list[Argument]:
    """Return what says how a model runs, as `edgevision.cli.options.runtime_options` reads it.

    Paths in options are paths there.
    """
    others = dict(options or {})
    threads, precision = others.pop("threads", 1), others.pop("precision", None)
    return [
        *(part for name in runtimes for part in ("--runtime", name)),
        *("--device", device),
        *("--threads", "all" if threads is None else str(threads)),
        *(("--precision", str(precision)) if precision is not None else ()),
        *(part for name, value in others.items() for text in _option_texts(name, value) for part in ("--option", text)),
        *(() if isolate is None else ("--isolate" if isolate else "--no-isolate",)),
    ]


def _option_texts(name: str, value: Any) -> list[str]:
    """Return an option of a runtime as ``--option`` takes it."""
    if isinstance(value, Mapping):
        return [f"{name}.{key}={entry}" for key, entry in value.items()]
    if isinstance(value, bool):
        return [f"{name}={str(value).lower()}"]
    return [f"{name}={','.join(map(str, value)) if isinstance(value, (list, tuple)) else value}"]
