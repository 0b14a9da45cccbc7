"""From an artifact to a C++ project: the model's files, sources with a C interface, examples, selftest, build files."""

from __future__ import annotations

import re
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from edgevision.artifact import Artifact, write_artifact
from edgevision.converters.linux.config import CONFIG, TABLE, config, table
from edgevision.converters.linux.model import Model, settled
from edgevision.converters.linux.selftest import selftest
from edgevision.errors import ConfigError
from edgevision.files import check_place
from edgevision.manifest import LineageStep
from edgevision.optional import versions

_MARKED = ("CMakeLists.txt", "README.md")
"""Files with marks such as @name@."""


def linux_project(
    model: str | Path | Artifact, out: str | Path, *, name: str = "model", overwrite: bool = False
) -> Artifact:
    """Write an artifact as a C++ project for Linux, ``<out>/<name>-linux``, which is itself an artifact.

    The same artifact gives the same bytes. Sources do not depend on the model: what they need of the manifest stands in
    ``model/ev.conf``, so that one library opens the models of several projects.

    Args:
        model: An artifact of format openvino, onnx (both run on OpenVINO's C runtime) or tflite (LiteRT's C library).
        out: The folder that gets it.
        name: Of the project: 1 to 31 lower-case letters, digits, _ and -, a letter first.
        overwrite: Whether a project that is there may be replaced.

    Returns:
        The project, as an artifact of the same format: ``edgevision predict``, ``evaluate`` and ``verify`` take it.

    Raises:
        ConfigError: A name that makes no sense, or a place that is taken.
        ArtifactError: The artifact is damaged, or its preprocessing or task is unknown.
        IncompatibleModelError: Its format, task or decoder is not there in C++; the message says which are.
    """
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_-]{0,30}", name):
        raise ConfigError(
            "name of the project", got=repr(name),
            allowed="1 to 31 lower-case letters, digits, _ and -, a letter first: cam",
        )  # fmt: skip
    place = Path(out) / f"{name}-linux"
    check_place(place, overwrite)
    source = _opened(model)
    ready = settled(source)
    files = _files(ready, name)
    manifest = source.manifest
    step = LineageStep("firmware", {"target": "linux", "name": name}, versions("edgevision"))
    fields = {
        **{key: value for key, value in vars(manifest).items() if key not in ("files", "golden")},
        "lineage": (*manifest.lineage, step),
    }
    return write_artifact(place, fields, files, source.golden(), overwrite)


def _opened(model: str | Path | Artifact) -> Artifact:
    if isinstance(model, Artifact):
        return model
    path = Path(model)
    return Artifact.open(path) if path.is_dir() or path.name == "manifest.json" else Artifact.describe(path)


def _files(model: Model, name: str) -> dict[str, bytes]:
    source = model.source
    beside = {PurePosixPath(file.name).name: file.read_bytes() for file in source.model_files}
    beside[TABLE] = table(model)
    found = {f"model/{file}": content for file, content in beside.items()}
    found[f"model/{CONFIG}"] = config(model, beside).encode()
    found |= {f"selftest/{file}": content for file, content in selftest(model).items()}
    marks = {
        "name": name,
        "runtime": model.runtime,
        "configure": "" if model.runtime == "openvino" else " -DEDGEVISION_LITERT=FOLDER",
        "task": str(source.manifest.task),
    }
    root = resources("edgevision.converters.linux") / "sources"
    for file, content in _tree(root, PurePosixPath()):
        found[str(file)] = _filled(content, marks) if str(file) in _MARKED else content
    return found


def _tree(folder: Traversable, path: PurePosixPath) -> list[tuple[PurePosixPath, bytes]]:
    """Every file below a folder of the package, by name, with its path there."""
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        below = path / entry.name
        found += _tree(entry, below) if entry.is_dir() else [(below, entry.read_bytes())]
    return found


def _filled(content: bytes, marks: dict[str, str]) -> bytes:
    text = content.decode()
    for mark, value in marks.items():
        text = text.replace(f"@{mark}@", value)
    return text.encode()
