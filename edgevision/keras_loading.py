"""The one way in for Keras files: checked first, then loaded without their training state or pruning wrappers.

tf_keras reads what it and Keras up to 2 wrote. Keras 3 reads what Keras 3 wrote, from a copy whose config is the one
that was checked; `edgevision.converters.keras3_import` makes tf_keras models of those.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from edgevision.errors import ArtifactError, BackendUnavailableError, EdgeVisionError, reason_of
from edgevision.keras_safety import KerasFile, check_keras_file
from edgevision.optional import require

WRAPPERS = frozenset(("PruneLowMagnitude", "QuantizeLayer", "QuantizeWrapper", "QuantizeWrapperV2"))
"""Layers of the model optimization toolkit, which tf_keras does not know by itself."""


class Step(Protocol):
    """A context in which vendor code runs; what that raises becomes an error of class ``error``."""

    def __call__(
        self, what: str, *, error: type[EdgeVisionError], next_step: str | None
    ) -> AbstractContextManager[None]:
        """Return the context of the step ``what``."""


@contextmanager
def _plain_step(what: str, *, error: type[EdgeVisionError], next_step: str | None) -> Iterator[None]:
    """Map exceptions and leave the process's output alone, as fits a runtime inside someone's application."""
    try:
        yield
    except (EdgeVisionError, MemoryError):
        raise
    except Exception as exc:
        raise error(f"{what} failed: {reason_of(exc)}", next_step=next_step) from exc


def load_keras_model(file: Path, *, step: Step = _plain_step) -> Any:
    """Load one ``.keras`` or HDF5 file as a tf_keras model, not compiled, without pruning wrappers.

    Args:
        file: The model file; it is refused before anything in it is built when it could run code.
        step: The context that tf_keras loads it in.

    Raises:
        ArtifactError: It would run code, is damaged, was written by Keras 3, or has no fixed input.
        BackendUnavailableError: The extra ``train`` is not installed, or ``compress`` for a model with its wrappers.
    """
    checked = check_keras_file(file)
    if checked.is_keras_3:
        raise ArtifactError(f"{file.name} is a Keras 3 model", got=f"Keras {checked.keras_version}", allowed="tf_keras")
    wrappers = _wrappers_in(checked.config)
    with step(f"loading {file.name}", error=ArtifactError, next_step="save it again with tf_keras"):
        model = _load(file, wrappers)
    if not model.inputs:
        raise ArtifactError(
            f"{file.name}: a model without a fixed input", got="it was saved before its input's shape was known",
            next_step="give it an Input layer, and save it again",
        )  # fmt: skip
    return model


def load_keras3_model(file: Path, checked: KerasFile, *, step: Step = _plain_step) -> Any:
    """Load one file of Keras 3 with Keras 3, not compiled, from a copy that has the checked config.

    Args:
        file: The model file.
        checked: What `edgevision.keras_safety.check_keras_file` said about it.
        step: The context that Keras loads it in.

    Returns:
        The ``keras.Model``, whose ``inputs`` and ``outputs`` are lists.

    Raises:
        ArtifactError: It is damaged, or has no fixed input.
        BackendUnavailableError: Keras 3 is not installed, or computes with something other than TensorFlow.
    """
    keras = require("keras")
    if keras.backend.backend() != "tensorflow":
        raise BackendUnavailableError(
            "Keras 3 does not compute with TensorFlow here", got=keras.backend.backend(),
            next_step="set the environment variable KERAS_BACKEND=tensorflow",
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        copy = _checked_copy(file, checked, Path(folder))
        next_step = "save it again with Keras 3"
        with step(f"loading {file.name} with Keras 3", error=ArtifactError, next_step=next_step), _without_warnings():
            model = keras.models.load_model(copy, compile=False, safe_mode=True)
            if getattr(model, "inputs", None):
                return keras.Model(list(model.inputs), list(model.outputs), name=model.name)
    raise ArtifactError(
        f"{file.name}: a model without a fixed input", got="it was saved before its input's shape was known",
        next_step="give it an Input layer, and save it again",
    )  # fmt: skip


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep what Keras 3 thinks of the names of somebody's inputs to itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _checked_copy(file: Path, checked: KerasFile, folder: Path) -> Path:
    """Copy the file, its config replaced by the checked one, so that nothing else can be loaded."""
    config = json.dumps(checked.config)
    if checked.kind == "hdf5":
        copy = folder / "model.h5"
        shutil.copyfile(file, copy)
        with require("h5py").File(copy, "r+") as model:
            model.attrs["model_config"] = config
            model.attrs.pop("training_config", None)
        return copy
    copy = folder / "model.keras"
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            target.writestr(name, config if name == "config.json" else source.read(name))
    return copy


def _load(file: Path, wrappers: set[str]) -> Any:
    keras = require("tf_keras")
    if not wrappers:
        return keras.models.load_model(file, compile=False, safe_mode=True)
    toolkit = require("tensorflow_model_optimization")
    with toolkit.quantization.keras.quantize_scope(), toolkit.sparsity.keras.prune_scope():
        model = keras.models.load_model(file, compile=False, safe_mode=True)
    return toolkit.sparsity.keras.strip_pruning(model) if "PruneLowMagnitude" in wrappers else model


def _wrappers_in(config: Any) -> set[str]:
    """Return the classes of the model optimization toolkit that a model's config names."""
    values = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    found = {name for value in values for name in _wrappers_in(value)}
    return found | {config} & WRAPPERS if isinstance(config, str) else found
