"""TensorRT on a real GPU and DLA: a Jetson, or a PC with an NVIDIA GPU. Nobody has run these yet: here is none.

They need TensorRT's Python package or trtexec, and for the runtime the package; the extras train and onnx to make the
models, or EDGEVISION_PLANS: a folder with plans that another machine made (`edgevision convert --to tensorrt-plan`).
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.building import build_here
from edgevision.converters.tensorrt.build import release_here
from edgevision.converters.tensorrt.calibration_table import CalibrationTable
from edgevision.converters.tensorrt.plan import read_plan
from edgevision.converters.tensorrt.settings import DLA_AGAIN, DLA_UNTIL, EngineSettings
from edgevision.converters.tensorrt.trtexec import find_trtexec
from edgevision.cuda import Cuda
from edgevision.devices import discover
from edgevision.engine import ENGINE_FILE, EngineDocument, device_of
from edgevision.errors import EdgeVisionError, IncompatibleModelError, InputError
from edgevision.optional import available
from edgevision.runtimes import load
from edgevision.verify import verify


def missing() -> str | None:
    """Why TensorRT cannot be used here, or None."""
    try:
        release_here()
        Cuda()
    except EdgeVisionError as exc:
        found = "; ".join(f"{d.device}: {d.reason}" for d in discover() if d.device in ("gpu", "dla", "jetson"))
        return f"{exc} ({found})"
    return None


REASON = missing()
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"no TensorRT that can be used: {REASON}")
INT8 = "static_wi8_ai8"
WITHOUT_PACKAGE = "the Python package tensorrt is not here: sudo apt install python3-libnvinfer"


@pytest.fixture(scope="session")
def plan(tmp_path_factory):
    """plan(scheme, **settings) -> a plan of ResNet-8 with golden samples."""

    def make(scheme, method="min_max", **settings):
        ready = os.environ.get("EDGEVISION_PLANS")
        if ready and not settings:
            return Artifact.open(Path(ready) / f"resnet8-tensorrt-plan-{scheme}")
        pytest.importorskip("tf2onnx", reason="the extras train and onnx are not installed, and no EDGEVISION_PLANS")
        pytest.importorskip("tf_keras", reason="the extra train is not installed, and no EDGEVISION_PLANS")
        from edgevision.converters.keras_import import load_source
        from edgevision.data.locate import open_dataset
        from edgevision.export import export, make_golden
        from edgevision.shipped import shipped_model

        source = load_source(shipped_model())
        golden = make_golden(source, open_dataset("sample", "test"))
        return export(
            source, tmp_path_factory.mktemp("plan"), to=["tensorrt-plan"], scheme=scheme, calibration_method=method,
            calibration_data=open_dataset("sample", "train"), golden=golden, engine=EngineSettings(**settings),
        )[0].artifact  # fmt: skip

    return make


@pytest.fixture(scope="session")
def release():
    return ".".join(map(str, release_here()))


def needs_dla():
    version = release_here()
    if DLA_UNTIL < version < DLA_AGAIN:
        pytest.skip(f"TensorRT {version} has no DLA")
    states = [f"{d.name}: {d.reason}" for d in discover() if d.device == "dla" and d.state == "available"]
    if not states:
        pytest.skip("no DLA here: AGX Orin, Orin NX and Xavier have one")


def needs_package():
    if not available("tensorrt"):
        pytest.skip(WITHOUT_PACKAGE)


def float_agreement(artifact):
    """Share of the golden samples on which the engine's best class is the float model's."""
    golden, to_input = artifact.golden(), None
    with load(artifact, device_of(artifact)) as model:
        to_input = artifact.manifest.preprocessing.bind(model.inputs[0])
        best = [int(model.infer([to_input(sample)[0]])[0].argmax()) for sample in golden.samples]
    return float(np.mean(np.array(best) == golden.float_outputs[0].argmax(1)))


def test_the_gpu_is_described():
    cuda = Cuda()
    assert cuda.name and cuda.multiprocessors > 0
    major, minor = map(int, cuda.compute_capability.split("."))
    assert major >= 5 and minor >= 0


@pytest.mark.parametrize(("scheme", "least"), [("float32", 1.0), ("float16", 0.9), (INT8, 0.75)])
def test_an_engine_answers_as_the_float_model(plan, tmp_path, scheme, least):
    needs_package()
    made = build_here(plan(scheme), tmp_path).artifact
    assert made.manifest.runtimes["tensorrt"]["parity"]["device"] == "gpu"
    assert float_agreement(made) >= least
    assert verify(made, device="gpu").verdict == "holds"


def test_a_float32_engine_is_float32(plan, tmp_path):
    """Without TF32: within 1e-4 of the float model's probabilities."""
    needs_package()
    made = build_here(plan("float32"), tmp_path).artifact
    golden = made.golden()
    with load(made, "gpu") as model:
        to_input = made.manifest.preprocessing.bind(model.inputs[0])
        given = np.concatenate([model.infer([to_input(sample)[0]])[0] for sample in golden.samples])
    np.testing.assert_allclose(given, golden.float_outputs[0], atol=1e-4)


def test_the_contract_of_infer(plan, tmp_path):
    needs_package()
    made = build_here(plan("float16"), tmp_path).artifact
    with load(made, "gpu") as first, load(made, "gpu") as second:
        spec = first.inputs[0]
        inputs = [np.random.default_rng(0).normal(size=spec.shape).astype(np.float32)]
        (one,), (two,) = first.infer(inputs), second.infer(inputs)
        np.testing.assert_array_equal(one, two)
        kept = one.copy()
        first.infer([inputs[0] * 0])
        np.testing.assert_array_equal(one, kept)
        with pytest.raises(InputError):
            first.infer([inputs[0].astype(np.float64)])
    first.close()


def test_an_engine_of_another_release_is_refused(plan, tmp_path):
    needs_package()
    made = build_here(plan("float16"), tmp_path).artifact
    document = EngineDocument.from_json((made.path / ENGINE_FILE).read_bytes())
    other = EngineDocument(type(document.facts)(**{**vars(document.facts), "tensorrt": "7.1.3"}), document.by)
    changed = Artifact(made.path, made.manifest)
    (made.path / ENGINE_FILE).write_text(other.to_json())
    with pytest.raises(IncompatibleModelError, match="edgevision compile"):
        load(changed, "gpu")


def test_the_timing_cache_makes_the_second_build_faster(plan, tmp_path):
    import time

    cache, seconds = tmp_path / "timing.cache", []
    for turn in range(2):
        start = time.perf_counter()
        build_here(plan("float16", timing_cache=str(cache)), tmp_path / str(turn))
        seconds.append(time.perf_counter() - start)
    assert cache.stat().st_size > 0 and seconds[1] < seconds[0]


def test_tensorrt_s_own_calibrator(plan, tmp_path, release):
    needs_package()
    if release_here() >= (11, 0, 0):
        pytest.skip(f"TensorRT {release} has no calibrator")
    made = build_here(plan(INT8, "entropy", int8_from="calibrator"), tmp_path).artifact
    table = CalibrationTable.parse(read_plan(made).table)
    assert table.version == release_here() and table.calibrator == "EntropyCalibration2" and "image" in table.scales
    assert float_agreement(made) >= 0.75


def test_a_table_of_ours_is_taken(plan, tmp_path, release):
    needs_package()
    if release_here() >= (11, 0, 0):
        pytest.skip(f"TensorRT {release} reads no calibration table")
    assert float_agreement(build_here(plan(INT8, int8_from="table"), tmp_path).artifact) >= 0.75


@pytest.mark.parametrize("scheme", ["float16", INT8])
def test_the_dla_runs_most_of_it(plan, tmp_path, release, scheme):
    needs_dla()
    made = build_here(plan(scheme, dla=0, tensorrt_version=release), tmp_path)
    assert made.report.mapped >= 1, made.report
    if available("tensorrt"):
        assert float_agreement(made.artifact) >= 0.75


def test_the_script_of_a_plan_builds(plan, tmp_path):
    if find_trtexec() is None:
        pytest.skip("no trtexec here")
    folder = tmp_path / "plan"
    subprocess.run(["cp", "-r", str(plan("float16").path), str(folder)], check=True)
    done = subprocess.run(["sh", str(folder / "build.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document = EngineDocument.from_json((folder / ENGINE_FILE).read_bytes())
    cuda = Cuda()
    assert (document.facts.gpu, document.facts.compute_capability) == (cuda.name, cuda.compute_capability)
    assert document.facts.multiprocessors == cuda.multiprocessors
    assert (folder / "model.engine").read_bytes()[:4] == b"ftrt"
