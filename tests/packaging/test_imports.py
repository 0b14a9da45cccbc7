"""Importing is cheap: nothing heavy is loaded until a function needs it."""

import subprocess
import sys

HEAVY = {
    "tensorflow", "tf_keras", "keras", "tensorflow_model_optimization", "openvino", "nncf", "onnx", "onnxruntime",
    "cv2", "scipy", "sklearn", "optuna", "ai_edge_litert", "tflite_runtime", "ai_edge_quantizer", "model_api",
}  # fmt: skip


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after `statement`."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr[-2000:]
    rows = [line for line in run.stderr.splitlines() if line.startswith("import time:")]
    return {row.rpartition("|")[2].strip().split(".")[0] for row in rows}


def test_import_edgevision_is_light():
    loaded = loaded_by("import edgevision")
    assert loaded & (HEAVY | {"numpy", "PIL", "click"}) == set()
    assert "edgevision" in loaded


def test_no_module_loads_anything_heavy_when_imported(sources):
    modules = [s.module for s in sources if not s.module.endswith("__main__")]
    assert loaded_by(f"import importlib\nfor m in {modules}: importlib.import_module(m)") & HEAVY == set()


def test_all_names_exist(sources):
    import importlib

    absent = [
        f"{s.module}.{name}"
        for s in sources
        if not s.module.endswith("__main__")
        for name in getattr(importlib.import_module(s.module), "__all__", ())
        if not hasattr(importlib.import_module(s.module), name)
    ]
    assert absent == []
