"""Does a Keras file consist of layers only? Read from its config, before anything that could run code loads it.

Loaders build whatever the config names: a Lambda's bytecode, any function of any module, a TensorFlow symbol that
writes files. tf_keras' safe mode does not cover HDF5 files, and covers only Lambda elsewhere. So everything here is a
list of what is allowed, and the rest is refused.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgevision.errors import ArtifactError
from edgevision.keras_names import (
    ACTIVATIONS,
    CLASSES,
    FUNCTION_MODULES,
    safe_module,
    safe_operation,
    safe_tensorflow_op,
)
from edgevision.optional import require

__all__ = ["KerasFile", "check_keras_file"]

ZIP_MAGIC = b"PK\x03\x04"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
MAX_CONFIG_BYTES = 64 << 20


@dataclass(frozen=True)
class KerasFile:
    """What a model file says about itself, after the check.

    Attributes:
        config: The model's config, as JSON gave it, without its losses and optimizer, which are never loaded; for
            Keras 3 also without those of models inside the model, so that it is this config that may be loaded.
        keras_version: The version of Keras that wrote it; "" when it does not say.
        kind: "zip" (.keras) or "hdf5".
    """

    config: Mapping[str, Any]
    keras_version: str
    kind: str

    @property
    def is_keras_3(self) -> bool:
        """Whether Keras 3 (or a later one) wrote it, whose configs tf_keras does not read."""
        major = self.keras_version.partition(".")[0]
        return major.isdigit() and int(major) >= 3


def check_keras_file(path: str | Path) -> KerasFile:
    """Read the config of a ``.keras`` or HDF5 model and refuse what could run code; no class is built.

    Args:
        path: A model file saved by tf_keras, Keras up to 2, or Keras 3.

    Raises:
        ArtifactError: Missing, damaged, no Keras model, or it has a Lambda, a custom object, an unknown module, a
            TensorFlow function that does more than compute, or weights in other files.
        BackendUnavailableError: h5py is not installed (it comes with the extra ``train``).
    """
    path = Path(path)
    kind = _kind(path)
    config, writer = _zip_config(path) if kind == "zip" else _hdf5_config(path)
    config = {key: value for key, value in config.items() if key != "compile_config"}  # never loaded: compile=False
    file = KerasFile(config, writer, kind)
    try:
        file = replace(file, config=_without_training(config)) if file.is_keras_3 else file
        for item in _dicts(file.config):
            _check_object(path, item)
    except RecursionError as exc:
        raise _damaged(path, "its config is nested too deeply") from exc
    return file


def _kind(path: Path) -> str:
    if path.is_dir():
        raise ArtifactError(
            f"{path.name} is a directory, not a Keras file",
            next_step="a SavedModel can run code: save the model as .keras or .h5",
        )
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as exc:
        raise ArtifactError(f"cannot read {path}", got=exc.strerror or exc) from exc
    zipped = zipfile.is_zipfile(path)
    if magic.startswith(ZIP_MAGIC) and path.suffix != ".keras":
        raise ArtifactError(f"{path.name} is no HDF5 file", got="a zip archive", next_step="name a Keras 3 file .keras")
    if magic.startswith(ZIP_MAGIC) and zipped:
        return "zip"
    if magic == HDF5_MAGIC and not zipped:
        return "hdf5"
    # A file that is both would be checked as one and loaded as the other.
    reason = "it is cut short or damaged" if magic.startswith(ZIP_MAGIC) else f"it begins with {magic!r}"
    raise ArtifactError(f"{path.name} is not a Keras model", got=reason, allowed=("a .keras file", "an HDF5 file"))


def _zip_config(path: Path) -> tuple[dict[str, Any], str]:
    """Return the config, and the version of Keras that wrote it ("" when it does not say)."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            if set(names) != MEMBERS or len(names) != len(MEMBERS):
                raise ArtifactError(f"{path.name} is not a .keras model", got=names[:5], allowed=sorted(MEMBERS))
            if max(archive.getinfo(name).file_size for name in ("config.json", "metadata.json")) > MAX_CONFIG_BYTES:
                raise _damaged(path, "its config is larger than 64 MiB")
            text, weights = archive.read("config.json"), archive.read("model.weights.h5")
            metadata = json.loads(archive.read("metadata.json"))
    except ArtifactError:
        raise
    except Exception as exc:  # zipfile lets zlib.error, OSError, EOFError, RuntimeError and others through
        raise _damaged(path, exc) from exc
    _open_hdf5(path, io.BytesIO(weights))
    return _parse(path, text), str(metadata.get("keras_version", "")) if isinstance(metadata, dict) else ""


def _hdf5_config(path: Path) -> tuple[dict[str, Any], str]:
    text, writer = _open_hdf5(path, path)
    if text is None:
        raise ArtifactError(
            f"{path.name} has no model in it", got="weights only", next_step="save the whole model: model.save(...)"
        )
    return _parse(path, text), writer


def _open_hdf5(path: Path, source: Any) -> tuple[Any, str]:
    """Return the attributes model_config (or None) and keras_version (or ""); refuse links to other files."""
    h5py = require("h5py")
    try:
        with h5py.File(source, "r") as file:
            _check_links(path, h5py, file)
            writer = file.attrs.get("keras_version", "")
            return file.attrs.get("model_config"), writer.decode() if isinstance(writer, bytes) else str(writer)
    except ArtifactError:
        raise
    except Exception as exc:  # h5py lets OSError, KeyError, RuntimeError and ValueError through on damaged files
        raise _damaged(path, exc) from exc


def _check_links(path: Path, h5py: Any, group: Any) -> None:
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ArtifactError(f"{path.name} refers to another file or place", got=f"link {name}")
        item = group[name]
        if isinstance(item, h5py.Group):
            _check_links(path, h5py, item)
        elif getattr(item, "external", None) or getattr(item, "is_virtual", False):
            raise ArtifactError(f"{path.name} keeps weights in another file", got=f"data set {name}")


def _parse(path: Path, text: Any) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, TypeError, RecursionError) as exc:
        raise _damaged(path, "its config is not JSON") from exc
    if not isinstance(config, dict) or not isinstance(config.get("config"), (dict, list)):
        raise _damaged(path, "its config describes no model")
    return config


def _without_training(value: Any) -> Any:
    """Leave losses and optimizers out, those of models inside the model too."""
    if isinstance(value, dict):
        return {key: _without_training(item) for key, item in value.items() if key != "compile_config"}
    return [_without_training(item) for item in value] if isinstance(value, list) else value


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _dicts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _dicts(item)


def _check_object(path: Path, item: dict[str, Any]) -> None:
    if "class_name" not in item:
        return
    class_name, module, called = item["class_name"], item.get("module"), item.get("config")
    name = item["config"].get("name") if isinstance(item.get("config"), dict) else None
    where = f"{class_name} {name!r}" if name else str(class_name)
    if class_name in ("Lambda", "__lambda__"):
        raise _unsafe(path, f"{where}: its code travels in the file")
    if class_name == "function":
        texts = isinstance(module, str) and isinstance(called, str)
        if not texts or module not in FUNCTION_MODULES or called not in ACTIVATIONS:
            raise _unsafe(path, f"function {module}.{called}")
        return
    if safe_operation(module, class_name) and item.get("registered_name") in (None, class_name):
        return
    if not isinstance(class_name, str) or class_name not in CLASSES:
        raise _unsafe(path, f"{where}: no built-in layer or part of one")
    if not safe_module(module):
        raise _unsafe(path, f"{where} of module {module}")
    if item.get("registered_name") not in (None, class_name):
        raise _unsafe(path, f"{where} registered as {item['registered_name']}")
    if class_name in ("TFOpLambda", "SlicingOpLambda"):
        config = item.get("config")
        function = config.get("function") if isinstance(config, dict) else None
        if not safe_tensorflow_op(function):
            raise _unsafe(path, f"{where} calls tf.{function}")


def _unsafe(path: Path, what: str) -> ArtifactError:
    return ArtifactError(
        f"{path.name} is not loaded: it could run code",
        got=what,
        next_step="rebuild the model from built-in layers and save it again",
    )


def _damaged(path: Path, reason: object) -> ArtifactError:
    return ArtifactError(f"{path.name} is damaged", got=str(reason).splitlines()[0] if str(reason) else "no content")
