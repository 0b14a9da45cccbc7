"""Which runtimes there are: rows of data, and one import when a row is used.

A package of someone else adds a runtime with an entry point in the group ``edgevision.runtimes`` whose object is a
`Row`. Entry points are looked at only when runtimes are listed.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgevision.errors import BackendUnavailableError, ConfigError

ENTRY_POINTS = "edgevision.runtimes"


@dataclass(frozen=True)
class Row:
    """One runtime.

    Attributes:
        name: What users call it.
        target: ``module:attribute`` of the runtime.
        formats: Artifact formats that it runs; empty for one that takes any, and only when asked for by name.
        devices: Kinds of device that it drives ("cpu", "gpu", "npu", "coral", …).
        options: Names that its ``options`` may have.
        extra: The extra of edgevision that installs its package; None when the base install has it.
        types: What those of ``options`` are that are no text: bool, int, list (of texts) or dict (of texts).
    """

    name: str
    target: str
    formats: tuple[str, ...]
    devices: tuple[str, ...]
    options: tuple[str, ...] = ("threads", "batch")
    extra: str | None = None
    types: Mapping[str, type] = field(default_factory=dict)

    def option_type(self, name: str) -> type:
        """Return what an option is: bool, int, str, list (of texts) or dict (of texts)."""
        return {"threads": int, "batch": int, **self.types}.get(name, str)


RUNTIMES = (
    Row(
        "tflite",
        "edgevision.runtimes.tflite:TFLiteRuntime",
        ("tflite",),
        ("cpu",),
        ("threads", "batch", "package", "resolver", "delegate", "delegate_options"),
        types={"delegate_options": dict},
    ),
    # It takes a file that is not compiled as well, to say how it is compiled.
    Row(
        "edgetpu",
        "edgevision.runtimes.edgetpu:EdgeTPURuntime",
        ("edgetpu", "tflite"),
        ("coral",),
        ("threads", "batch", "package", "delegate", "delegate_options"),
        "tflite-runtime",
    ),
    Row(
        "onnxruntime",
        "edgevision.runtimes.onnxruntime:ONNXRuntime",
        ("onnx",),
        ("cpu",),
        ("threads", "batch", "providers", "graph_optimization"),
        "onnx",
        {"providers": list},
    ),
    Row(
        "openvino",
        "edgevision.runtimes.openvino:OpenVINORuntime",
        ("openvino", "onnx"),
        ("cpu", "gpu", "npu", "auto", "hetero", "multi"),
        ("threads", "batch", "precision", "pinning", "low_precision", "cache_dir"),
        "openvino",
        {"pinning": bool, "low_precision": bool},
    ),
    Row("tensorrt", "edgevision.runtimes.tensorrt:TensorRTRuntime", ("tensorrt",), ("gpu", "dla")),
    Row("keras", "edgevision.runtimes.keras:KerasRuntime", ("keras",), ("cpu",), extra="train"),
    Row("firmware", "edgevision.runtimes.firmware:FirmwareRuntime", ("c",), ("cpu",)),
    Row("null", "edgevision.runtimes.null:NullRuntime", (), ("cpu",)),
)
"""The runtimes of edgevision; of those that have a format on a device, the first one that is installed is preferred."""


def runtime_rows() -> tuple[Row, ...]:
    """Return the rows of edgevision, then those of other packages by name.

    An entry point that does not load, is not a `Row`, or takes a name that is taken is left out with a warning.
    """
    rows = list(RUNTIMES)
    for point in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        try:
            row = point.load()
        except Exception as exc:  # someone else's code: whatever it raises, the runtimes of edgevision stay usable
            _leave_out(point.name, f"{type(exc).__name__}: {exc}")
            continue
        if not isinstance(row, Row):
            _leave_out(point.name, f"{point.value} is not a Row")
        elif any(row.name == other.name for other in rows):
            _leave_out(point.name, f"the name {row.name} is taken")
        else:
            rows.append(row)
    return tuple(rows)


def resolve(target: str) -> Any:
    """Import and return what ``module:attribute`` names.

    Raises:
        ConfigError: It is not of that form, or the module has no such attribute.
        BackendUnavailableError: The module does not import.
    """
    module, colon, attribute = target.partition(":")
    if not (module and colon and attribute):
        raise ConfigError("target", got=target, allowed="module:attribute")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as exc:
        raise BackendUnavailableError(f"{target} does not import: {exc}") from exc
    except AttributeError as exc:
        raise ConfigError(f"module {module} has no attribute {attribute}") from exc


def _leave_out(name: str, reason: str) -> None:
    warnings.warn(f"runtime {name} is left out: {reason}", RuntimeWarning, stacklevel=3)
