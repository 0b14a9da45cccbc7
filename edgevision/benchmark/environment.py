"""The machine and the software that figures were taken on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from edgevision.devices.cpu import cpu_facts
from edgevision.devices.sensors import machine_state, maximum_frequency_mhz
from edgevision.optional import versions

PACKAGES = (
    "edgevision", "numpy", "ai-edge-litert", "tflite-runtime", "openvino", "onnxruntime", "nncf", "tensorflow",
    "tf-keras", "mlcommons-loadgen",
)  # fmt: skip

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_WAIT_POLICY", "GOMP_CPU_AFFINITY", "KMP_AFFINITY", "KMP_BLOCKTIME",
    "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TBB_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
    "XNNPACK_NUM_THREADS",
)  # fmt: skip
"""Environment variables that change how many threads a library takes, and where they run."""


def fingerprint() -> dict[str, Any]:
    """Return what is known of this machine now, as JSON; what the system does not expose is None, or an empty mapping.

    Frequencies are in MHz, temperatures in degrees Celsius, limits those of the container, affinity the numbers of
    the cores that this process may run on.
    """
    cpu = cpu_facts().to_dict()
    state = machine_state()
    affinity = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return {
        "processor": cpu,
        "frequency_mhz": state.frequency_mhz,
        "maximum_frequency_mhz": maximum_frequency_mhz(Path("/")),
        "temperatures_c": dict(state.temperatures_c),
        "load_average": state.load_average,
        "affinity": affinity,
        "thread_variables": {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        "system": platform.platform(terse=True),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": versions(*PACKAGES),
    }
