import os
import subprocess
import sys

import pytest

from edgevision import optional
from edgevision.errors import BackendUnavailableError


def test_require_imports_modules_and_submodules():
    import json.decoder

    assert optional.require("json.decoder") is json.decoder


@pytest.mark.parametrize(
    ("module", "extra"), [("tf_keras.layers", "train"), ("openvino", "openvino"), ("nncf", "compress")]
)
def test_a_missing_package_names_its_install_command(monkeypatch, module, extra):
    for name in [name for name in sys.modules if name.partition(".")[0] == module.partition(".")[0]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if "editable" not in str(finder)])
    with pytest.raises(BackendUnavailableError) as caught:
        optional.require(module)
    assert f'pip install "edgevision[{extra}]"' in str(caught.value)
    assert isinstance(caught.value.__cause__, ImportError)
    assert not optional.available(module)


def test_a_package_that_is_broken_inside_is_told_from_a_missing_one(tmp_path, monkeypatch):
    (tmp_path / "broken_inside.py").write_text("import surely_not_installed\n")
    (tmp_path / "broken_library.py").write_text("raise ImportError('libx.so: cannot open\\nsecond line')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendUnavailableError, match="broken_inside is installed but does not load"):
        optional.require("broken_inside")
    with pytest.raises(BackendUnavailableError, match=r"libx\.so: cannot open; reinstall"):
        optional.require("broken_library")


def test_available_does_not_import(tmp_path, monkeypatch):
    (tmp_path / "explosive.py").write_text("raise SystemExit\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert optional.available("explosive")
    assert optional.available("explosive.part")
    assert "explosive" not in sys.modules
    assert not optional.available("surely_not_installed")


def test_version():
    assert optional.version("numpy").split(".")[0].isdigit()
    assert optional.version("surely-not-installed") is None


def test_versions_are_of_what_is_installed():
    found = optional.versions("pillow", "surely-not-installed", "numpy")
    assert list(found) == ["pillow", "numpy"]
    assert found["numpy"] == optional.version("numpy")


def test_what_openvino_and_nncf_do_here_is_told_to_nobody():
    code = (
        "import sys; from edgevision.optional import require; require('openvino'); require('nncf')\n"
        "from nncf.telemetry import telemetry; from openvino.tools.ovc import telemetry as other\n"
        "print(type(telemetry).__name__, type(other).__module__, sys.modules['openvino_telemetry'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    pytest.importorskip("nncf", reason="the extra compress is not installed")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["MagicMock", "openvino.tools.ovc.telemetry_stub", "None"]
