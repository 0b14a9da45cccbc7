import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import edgevision


def fresh(statement):
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement], capture_output=True, text=True, check=True, timeout=60
    )
    rows = (line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if line.startswith("import time:"))
    return {row.partition(".")[0] for row in rows}, run.stdout


def test_importing_loads_nothing_heavy_not_even_numpy():
    loaded, _ = fresh("import edgevision")
    assert "edgevision" in loaded
    assert not loaded & {
        "tensorflow",
        "tf_keras",
        "openvino",
        "cv2",
        "scipy",
        "numpy",
        "PIL",
        "click",
        "importlib.metadata",
    }


def test_names_load_when_they_are_used():
    loaded, _ = fresh("import edgevision; edgevision.EdgeVisionError")
    assert "numpy" not in loaded
    loaded, out = fresh("import edgevision; print(edgevision.TensorSpec.__name__, 'TensorSpec' in vars(edgevision))")
    assert "numpy" in loaded
    assert out == "TensorSpec True\n"


def test_every_public_name_is_there_and_few():
    assert edgevision.__all__ == sorted(set(edgevision.__all__))
    assert len(edgevision.__all__) <= 30
    for name in edgevision.__all__:
        assert getattr(edgevision, name) is not None
        assert name in dir(edgevision)


def test_no_public_name_is_hidden_by_a_module_of_that_name():
    for name in edgevision.__all__:
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"edgevision.{name}")


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(edgevision.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.name: node.module for node in imports for alias in node.names}
    assert seen == edgevision._HOME


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = edgevision.nonsense


def test_the_version_is_the_installed_one():
    from importlib.metadata import version

    assert edgevision.__version__ == version("edgevision")
