"""Packages that not every installation has, imported where they are used and nowhere else."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from typing import Any

from edgevision.errors import BackendUnavailableError, reason_of

EXTRA_OF = {
    "tensorflow": "train",
    "tf_keras": "train",
    "keras": "train",
    "h5py": "train",
    "tensorboard": "train",
    "tensorflow_model_optimization": "compress",
    "nncf": "compress",
    "ai_edge_quantizer": "compress",
    "optuna": "compress",
    "tomli_w": "compress",
    "openvino": "openvino",
    "tflite_runtime": "tflite-runtime",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "tf2onnx": "onnx",
    "av": "camera",
    "paho": "camera",
    "prometheus_client": "camera",
    "asyncssh": "ssh",
    "packaging": "ssh",
    "mlperf_loadgen": "loadgen",
    "ethosu": "vela",
    "jinja2": "report",
    "markupsafe": "report",
    "matplotlib": "report",
}
"""Import name of a package (its first component) -> the extra of edgevision that installs it."""

TELEMETRY = "openvino_telemetry"
WITH_TELEMETRY = ("openvino", "nncf")
"""Packages that would tell their makers of their use with `TELEMETRY`, each message from a process of its own."""


def install_command(module: str) -> str:
    """Return the command that installs what ``module`` belongs to.

    >>> install_command("openvino.runtime")
    'pip install "edgevision[openvino]"'
    """
    extra = EXTRA_OF.get(module.partition(".")[0])
    return f'pip install "edgevision[{extra}]"' if extra else "pip install --force-reinstall edgevision"


def require(module: str) -> Any:
    """Import and return ``module`` ("tf_keras", "openvino.properties", …).

    Raises:
        BackendUnavailableError: It is not installed, or is installed and fails to load; the message has the
            command that installs it.
    """
    if module.partition(".")[0] in WITH_TELEMETRY:
        sys.modules.setdefault(TELEMETRY, None)  # type: ignore[arg-type]  # what Python takes for not installed
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name is None or not (module == exc.name or module.startswith(exc.name + ".")):
            raise _does_not_load(module, exc) from exc
        raise BackendUnavailableError(
            f"{exc.name} is not installed", next_step=f"install it: {install_command(module)}"
        ) from exc
    except (ImportError, OSError, AttributeError, RuntimeError) as exc:
        raise _does_not_load(module, exc) from exc


def _does_not_load(module: str, exc: BaseException) -> BackendUnavailableError:
    return BackendUnavailableError(
        f"{module} is installed but does not load: {reason_of(exc)}",
        next_step=f"reinstall it: {install_command(module)}",
    )


def available(module: str) -> bool:
    """Whether ``module`` is installed, without importing it or its parents."""
    root = module.partition(".")[0]
    if root in sys.modules:
        return sys.modules[root] is not None
    return importlib.util.find_spec(root) is not None


def version(distribution: str) -> str | None:
    """Return the installed version of a distribution ("tf-keras"), or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions(*distributions: str) -> dict[str, str]:
    """Return the installed versions of distributions, in the order asked; those that are not here are left out."""
    found = {name: version(name) for name in distributions}
    return {name: number for name, number in found.items() if number is not None}
