"""Models on an Edge TPU, up to the vendor's call: tflite-runtime is real, libedgetpu and the Edge TPU are stood in for.

`edgetpu_library.c` has libedgetpu's C interface and a delegate of TFLite's own ABI. Each case runs in a process of its
own, beside which no TensorFlow is loaded.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgevision.artifact import Artifact
from edgevision.errors import ConfigError, DeviceNotFoundError, IncompatibleModelError
from edgevision.installed import library_file, owner_of
from edgevision.libedgetpu import accepted, mismatch
from edgevision.optional import available, version
from edgevision.runtimes import available_runtimes, load

if not available("tflite_runtime"):
    pytest.skip("tflite-runtime is not installed: it runs the models of an Edge TPU", allow_module_level=True)

SAYS = "BuildLabel(COMPILER=6.3.0 20170516,DATE=redacted,TIME=redacted), RuntimeVersion(14)"
CASES = """
import json, os, sys
import numpy as np
from edgevision.artifact import Artifact
from edgevision.errors import EdgeVisionError
from edgevision.runtimes import load


def run(model, library, device, times, package):
    said = {"answers": [], "errors": []}
    try:
        with load(Artifact.describe(model), device, options={"delegate": library, "package": package}) as loaded:
            said["facts"] = dict(loaded.facts)
            said["mapped"] = loaded.report().mapped
            inputs = [np.zeros(spec.shape, spec.dtype) for spec in loaded.inputs]
            for _ in range(times):
                try:
                    said["answers"].append([[list(a.shape), int(a.min()), int(a.max())] for a in loaded.infer(inputs)])
                except EdgeVisionError as exc:
                    said["errors"].append([type(exc).__name__, str(exc)])
    except EdgeVisionError as exc:
        said["errors"].append([type(exc).__name__, str(exc)])
    return said


told = {}
for name, (plays, arguments) in json.loads(sys.argv[1]).items():
    os.environ.update(plays)
    told[name] = run(*arguments)
    for key in plays:
        del os.environ[key]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def coral(shared_data):
    return shared_data / "models/coral"


@pytest.fixture(scope="module")
def told(coral, tpu_library, tmp_path_factory):
    """told(cases) -> what each said, all in one process."""
    usb = tmp_path_factory.mktemp("usb")

    def case(name="split_concat_edgetpu", device="coral:usb:0", times=1, path="", package=None, **plays):
        played = {"EDGETPU_SAYS": SAYS, "EDGETPU_AT": f"usb={usb}", "EDGETPU_WANTED": device.removeprefix("coral:")}
        chosen = str(tpu_library) if path == "" else path
        return {**played, **plays}, [str(coral / f"{name}.tflite"), chosen, device, times, package]

    def run(cases):
        asked = {name: case(**plays) for name, plays in cases.items()}
        done = subprocess.run([sys.executable, "-c", CASES, json.dumps(asked)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-1000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


RUN = {
    "mobilenet": {"name": "mobilenet_v1_0.25_128_quant_edgetpu"},
    "several outputs": {},
    "litert": {"package": "ai-edge-litert"},
    "deeplab": {"name": "deeplabv3_mnv2_dm05_pascal_quant_edgetpu"},
    "pcie": {
        "device": "coral:pci:1", "EDGETPU_AT": "pci=/dev/apex_0,usb=/sys/bus/usb/devices/2-1,pci=/dev/apex_1",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def said(told):
    return told({**{name: plays for name, (plays, *_) in REFUSED.items()}, **RUN})


@pytest.mark.parametrize("name", ["mobilenet", "several outputs"])
def test_a_compiled_model_is_handed_to_the_delegate(said, name):
    found = said[name]
    assert found["errors"] == [] and found["mapped"] == 1
    (answers,) = found["answers"]
    assert len(answers) == (1 if name == "mobilenet" else 5)
    assert all(answer[1:] == [7, 7] for answer in answers)
    facts = found["facts"]
    assert (facts["runtime"], facts["package"], facts["device"]) == ("edgetpu", "tflite-runtime", "coral:usb:0")
    assert facts["libedgetpu"] == SAYS and len(facts["caching_tokens"]) == 1


def test_the_newer_package_is_tried_in_a_process_of_its_own_first(said):
    """Where there is no tflite-runtime: for Python 3.12 and newer."""
    found = said["litert"]
    assert found["errors"] == [] and found["facts"]["package"] == "ai-edge-litert"
    assert all(answer[1:] == [7, 7] for answer in found["answers"][0])
    crash = said["litert crash"]["errors"][0][1]
    assert "crashes with ai-edge-litert" in crash and "use tflite-runtime" in crash


def test_what_the_compiler_left_runs_on_the_processor(said):
    """The largest of equal scores is class 0, which ARG_MAX finds on the processor."""
    assert said["deeplab"]["answers"] == [[[[1, 513, 513], 0, 0]]]
    facts = said["deeplab"]["facts"]
    assert (facts["parameter_bytes_on_chip"], facts["parameter_bytes_streamed"]) == (766_720, 0)


def test_the_second_one_on_pcie(said):
    assert said["pcie"]["errors"] == [] and said["pcie"]["facts"]["device_path"] == "/dev/apex_1"


REFUSED = {
    "not here": ({"device": "coral:usb:1"}, "DeviceNotFoundError", "allowed: coral:usb:0"),
    "none": ({"EDGETPU_AT": ""}, "DeviceNotFoundError", "edgevision devices says what is missing"),
    "other bus": ({"device": "coral:pci:0"}, "DeviceNotFoundError", "got coral:pci:0"),
    "old library": (
        {"EDGETPU_SAYS": "BuildLabel(N/A), RuntimeVersion(12)"},
        "IncompatibleModelError", "compiled for Edge TPU runtime 13: got 12; allowed: 13 or newer; install a newer",
    ),
    "busy": ({"EDGETPU_BUSY": "1"}, "BackendUnavailableError", "another process may hold it"),
    "crash": ({"EDGETPU_CRASHES": "1"}, "BackendUnavailableError", "SIGSEGV in a trial; install a libedgetpu that"),
    "litert crash": (
        {"package": "ai-edge-litert", "EDGETPU_CRASHES": "1"}, "BackendUnavailableError", "SIGSEGV in a trial",
    ),
    "package": ({"package": "tensorflow"}, "ConfigError", "allowed: tflite-runtime, ai-edge-litert"),
    "no library": ({"path": None}, "BackendUnavailableError", "libedgetpu.so.1 is not installed; install it: sudo apt"),
    "no such file": ({"path": "/nowhere/libedgetpu.so.1"}, "BackendUnavailableError", "is not installed"),
    "another library": ({"path": "libc.so.6"}, "BackendUnavailableError", "libc.so.6 is no libedgetpu"),
    "not a library": ({"path": __file__}, "BackendUnavailableError", "does not load"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_each_stage_says_what_is_wrong_and_what_helps(said, case):
    _, kind, text = REFUSED[case]
    if case == "no library" and library_file("libedgetpu.so.1"):
        pytest.skip("a real libedgetpu is installed here")
    assert said[case]["answers"] == []
    ((name, message),) = said[case]["errors"]
    assert name == kind and text in message


def test_an_edge_tpu_that_vanishes_during_inference(told):
    """The first error says so, and nothing is asked of the vendor's library after it."""
    found = told({"once": {"times": 4, "EDGETPU_FAILS_AT": "2", "EDGETPU_VANISHES": "1"}})["once"]
    assert len(found["answers"]) == 1
    assert [name for name, _ in found["errors"]] == ["InferenceError"] * 3
    assert "coral:usb:0 vanished during inference" in found["errors"][0][1]
    assert "plug it in again" in found["errors"][0][1] and "load the model again" in found["errors"][0][1]
    assert "failed before" in found["errors"][1][1]


def test_an_inference_that_fails_on_one_that_is_still_there(told):
    found = told({"once": {"times": 2, "EDGETPU_FAILS_AT": "2"}})["once"]
    assert len(found["answers"]) == 1 and "coral:usb:0 failed during inference" in found["errors"][0][1]
    assert "USB transfer error 5" in found["errors"][0][1]


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/usr/bin/setpriv").exists(), reason="root may open everything")
def test_a_node_that_may_not_be_opened(coral, tpu_library, tmp_path):
    """As the user nobody, where the tests run as root."""
    node = tmp_path / "apex_0"
    node.touch(mode=0o000)
    code = (
        "import sys; from edgevision.runtimes.edgetpu_library import EdgeTpuLibrary\n"
        "from edgevision.device_string import parse_device\n"
        "try: EdgeTpuLibrary(sys.argv[1]).seat(parse_device('coral:pci:0'))\n"
        "except Exception as exc: print(type(exc).__name__, exc)"
    )
    as_nobody = ["setpriv", "--reuid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
    for folder in (tpu_library.parent, *tpu_library.parent.parents[:3], *tmp_path.parents[:3], tmp_path):
        folder.chmod(folder.stat().st_mode | 0o055)
    plays = {"EDGETPU_SAYS": SAYS, "EDGETPU_AT": f"pci={node}"}
    done = subprocess.run(
        [*as_nobody, sys.executable, "-c", code, tpu_library], env={**os.environ, **plays}, capture_output=True,
        text=True,
    )  # fmt: skip
    if "Permission denied" in done.stderr:
        pytest.skip("the user nobody may not read this checkout")
    assert done.stdout.startswith("DeviceNotFoundError coral:pci:0 is here and may not be opened"), done.stderr


def test_a_model_that_is_not_compiled(coral):
    artifact = Artifact.describe(coral / "mobilenet_v1_0.25_128_quant.tflite")
    with pytest.raises(IncompatibleModelError, match="edgevision compile MODEL --target edgetpu"):
        load(artifact, "coral:usb:0")


def test_a_compiled_model_on_the_processor(coral):
    artifact = Artifact.describe(coral / "mobilenet_v1_0.25_128_quant_edgetpu.tflite")
    with pytest.raises(DeviceNotFoundError, match="runs on coral"):
        load(artifact)
    assert available_runtimes(artifact, "coral:usb") == ("edgetpu",)


@pytest.mark.parametrize(("chosen", "text"), [({"device": "usb:1"}, "device string's"), ("Max", "a mapping")])
def test_options_that_make_no_sense(coral, chosen, text):
    artifact = Artifact.describe(coral / "split_concat_edgetpu.tflite")
    with pytest.raises(ConfigError, match=text):
        load(artifact, "coral:usb:0", options={"delegate_options": chosen})


@pytest.mark.parametrize(
    ("package", "tflite", "works"),
    [
        ("14.1", "2.5.0.post1", False), ("15.0", "2.1.0.post1", False), ("15.0", "2.5.0", True),
        ("16.0", "2.5.0.post1", True), ("16.0", "2.11.0", True), ("16.0", "2.12.0", False), ("16.0", "2.14.0", False),
        ("16.0tf2.13.1-2.bookworm", "2.15.0", True), ("16.0tf2.13.1-2.bookworm", "2.16.1", False),
        ("16.0tf2.17.0-1.bookworm", "2.14.0", True), ("16.0TF2.17.0-1", "2.5.0", False),
        ("16.0tf2.19.1-1", "2.14.0", False), ("16.0tf2.19.1-1", "2.19.0", True), ("17.0", "2.14.0", True),
    ],
)  # fmt: skip
def test_pairs_of_libedgetpu_and_tflite_runtime(package, tflite, works):
    assert (mismatch(package, tflite) is None) == works


def test_a_package_of_debian_is_asked_for_its_version_before_a_delegate_is_made(coral, tpu_library, monkeypatch):
    """Refused by the versions alone: this library would work."""
    from edgevision.errors import BackendUnavailableError
    from edgevision.runtimes import edgetpu
    from edgevision.runtimes import edgetpu_library as library_module

    monkeypatch.setattr(edgetpu, "tflite_library", lambda package: None)
    monkeypatch.setattr(library_module, "owner_of", lambda path, *names: "16.0")
    monkeypatch.setenv("EDGETPU_SAYS", SAYS)
    here = version("tflite-runtime")
    if mismatch("16.0", here) is None:
        pytest.skip(f"tflite-runtime {here} works with libedgetpu 16.0")
    artifact = Artifact.describe(coral / "split_concat_edgetpu.tflite")
    with pytest.raises(BackendUnavailableError, match=r"libedgetpu 16\.0 works with tflite-runtime 2\.5 to 2\.11"):
        load(artifact, "coral:usb:0", options={"delegate": str(tpu_library)})
    assert accepted("16.0") == ((2, 5), (2, 11))


def test_who_owns_a_library(tmp_path):
    library = tmp_path / "usr/lib/libedgetpu.so.1.0"
    library.parent.mkdir(parents=True)
    library.touch()
    info = tmp_path / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (info / "libedgetpu1-std:arm64.list").write_text(f"/.\n{library}\n")
    status = "Package: libedgetpu1-std\nStatus: install ok installed\nVersion: 16.0tf2.16.1-1\n"
    (info.parent / "status").write_text(status)
    names = ("libedgetpu1-max", "libedgetpu1-std")
    assert owner_of(library, *names, root=tmp_path) == "16.0tf2.16.1-1"
    assert owner_of(tmp_path / "usr/local/lib/libedgetpu.so.1.0", *names, root=tmp_path) is None
