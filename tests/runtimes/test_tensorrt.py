"""The runtime tensorrt, up to the vendor's call: TensorRT, CUDA and a GPU are not here. A package and a library in
their places (tests/stand_ins) compute in the host's memory; that an engine runs is for tests/hardware.
"""

import json
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from edgevision.artifact import Artifact, write_artifact
from edgevision.cuda import Cuda, PinnedBuffer
from edgevision.engine import ENGINE_FILE, EngineDocument, EngineFacts, device_of, rebuild_command
from edgevision.errors import (
    ArtifactError,
    BackendUnavailableError,
    ConfigError,
    DeviceNotFoundError,
    IncompatibleModelError,
    InferenceError,
    InputError,
)
from edgevision.jetson import jetpack_of, l4t_here, module_here, parse_l4t
from edgevision.runtimes import available_runtimes, load
from edgevision.tensors import TensorSpec

LEFT, RIGHT = TensorSpec("left", (1, 3), "float32", "NC"), TensorSpec("right", (1, 2, 2, 1), "float32", "NHWC")
DOUBLED, LOWERED = (
    TensorSpec("doubled", (1, 3), "float32", "NC"),
    TensorSpec("lowered", (1, 2, 2, 1), "float32", "NHWC"),
)
ORIN = EngineFacts("Orin", "8.7", 16, "10.3.0", None, None)
INPUTS = [np.array([[1, 2, 3]], np.float32), np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)]


@pytest.fixture
def engine(tmp_path):
    """engine(facts, dla, content) -> an engine's artifact; facts None for one of someone else."""

    def make(facts=ORIN, dla=None, content=b"ftrt an engine", name="contract"):
        files = {"model.engine": content}
        if facts is not None:
            files[ENGINE_FILE] = EngineDocument(facts, "python", dla).to_json().encode()
        fields = {"format": "tensorrt", "name": name, "inputs": (LEFT, RIGHT), "outputs": (DOUBLED, LOWERED)}
        return write_artifact(tmp_path / "made" / name, fields, files, overwrite=True)

    return make


def test_without_the_package_it_says_how_to_get_it(engine):
    artifact = engine()
    assert "tensorrt" not in available_runtimes(artifact, "gpu")
    with pytest.raises(BackendUnavailableError, match=r"needs tensorrt, which is not installed.*python3-libnvinfer"):
        load(artifact, "gpu")


def test_an_engine_is_not_for_the_processor(engine):
    with pytest.raises(DeviceNotFoundError, match="on cpu; it runs on dla, gpu"):
        load(engine(), "cpu")


def test_tensors_go_through_pinned_buffers_in_the_manifest_s_order(engine, stand_in):
    with load(engine(), "gpu") as model:
        assert [spec.name for spec in model.outputs] == ["doubled", "lowered"]  # the engine has them the other way
        before = [array.copy() for array in INPUTS]
        doubled, lowered = model.infer(INPUTS)
        again = model.infer([INPUTS[0] * 0, INPUTS[1]])
        np.testing.assert_array_equal(doubled, INPUTS[0] * 2 + 1)  # the caller's own: the second call left it alone
        np.testing.assert_array_equal(lowered, INPUTS[1] - 1)
        np.testing.assert_array_equal(again[0], np.ones((1, 3)))
        for array, was in zip(INPUTS, before, strict=True):
            np.testing.assert_array_equal(array, was)
        assert (model.facts["runtime"], model.facts["gpu"], model.facts["compute_capability"]) == (
            "tensorrt", "Orin", "8.7",
        )  # fmt: skip
        assert model.facts["version"] == "10.3.0"


def test_arrays_need_not_be_contiguous_but_of_the_right_type(engine, stand_in):
    with load(engine(), "gpu") as model:
        wide = np.arange(8, dtype=np.float32).reshape(1, 2, 4, 1)[:, :, ::2]
        np.testing.assert_array_equal(model.infer([INPUTS[0], wide])[1], wide - 1)
        with pytest.raises(InputError, match="float64"):
            model.infer([INPUTS[0].astype(np.float64), wide])


def test_closing_frees_everything_once_and_then_refuses(engine, stand_in):
    _, library = stand_in
    before = library.stand_in_live()
    model = load(engine(), "gpu")
    assert library.stand_in_live() == before + 9  # a stream, and for each of four tensors a buffer on either side
    model.close()
    model.close()
    assert library.stand_in_live() == before
    with pytest.raises(InferenceError, match="closed"):
        model.infer(INPUTS)


@pytest.mark.parametrize("allocations", range(9))
def test_no_memory_half_way_through_leaves_nothing(engine, stand_in, allocations):
    _, library = stand_in
    artifact, before = engine(), library.stand_in_live()
    library.stand_in_break_after(allocations)
    with pytest.raises(InferenceError, match="status 2: out of memory"):
        load(artifact, "gpu")
    library.stand_in_break_after(-1)
    assert library.stand_in_live() == before


@pytest.mark.parametrize("calls", range(5))
def test_a_gpu_that_vanishes_is_an_inference_error_with_the_next_step(engine, stand_in, calls):
    _, library = stand_in
    with load(engine(), "gpu") as model:
        model.infer(INPUTS)
        library.stand_in_break_after(calls)
        with pytest.raises(InferenceError, match="unspecified launch failure; load the model again"):
            model.infer(INPUTS)


def test_an_inference_that_does_not_start_is_an_error(engine, stand_in):
    stand_in[0].SAYS["start"] = False
    with load(engine(), "gpu") as model, pytest.raises(InferenceError, match="did not start"):
        model.infer(INPUTS)


def test_threads_take_turns(engine, stand_in):
    wrong = []

    def work(value):
        left = np.full((1, 3), value, np.float32)
        for _ in range(50):
            wrong.append(bool((model.infer([left, INPUTS[1]])[0] != 2 * value + 1).any()))

    with load(engine(), "gpu:1") as model:
        threads = [threading.Thread(target=work, args=(value,)) for value in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == [False] * 200


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"gpu": "Xavier"}, "GPU Orin here, built with Xavier"),
        ({"compute_capability": "7.2"}, "compute capability 8.7 here, built with 7.2"),
        ({"multiprocessors": 8}, "multiprocessors 16 here, built with 8"),
        ({"tensorrt": "8.6.2"}, "TensorRT 10.3.0 here, built with 8.6.2"),
        ({"l4t": "36.4.3"}, "L4T none here, built with 36.4.3"),
    ],
)
def test_elsewhere_it_is_refused_with_the_command_that_builds_it(engine, stand_in, change, what):
    artifact = engine(replace(ORIN, **change), name="a model")
    with pytest.raises(IncompatibleModelError, match="the engine is of another machine") as refusal:
        load(artifact, "gpu")
    place = artifact.path.resolve()
    command = f"edgevision compile '{place}' --target tensorrt --out {place.parent} --overwrite"
    assert what in str(refusal.value) and str(refusal.value).endswith(command)
    assert rebuild_command(artifact) == command


def test_the_board_is_told_but_not_compared(engine, stand_in):
    load(engine(replace(ORIN, module="a carrier board of someone else")), "gpu").close()


def test_an_engine_of_someone_else_is_for_tensorrt_to_refuse(engine, stand_in):
    load(engine(None), "gpu").close()
    with pytest.raises(IncompatibleModelError, match=r"TensorRT refuses model.engine"):
        load(engine(None, content=b"ftrt damaged"), "gpu")


def test_a_dla_engine_is_loaded_onto_its_kind_of_device(engine, stand_in):
    package, _ = stand_in
    artifact = engine(dla=1)
    assert (device_of(artifact), device_of(engine(name="gpu"))) == ("dla:1", "gpu")
    load(artifact, "dla:1").close()
    assert package.NOTES["dla_core"] == 1
    with pytest.raises(IncompatibleModelError, match="built for another device: got gpu; allowed: dla:1"):
        load(artifact, "gpu")
    with pytest.raises(DeviceNotFoundError, match="got dla:2; allowed: dla:0, dla:1"):
        load(artifact, "dla:2")


def test_what_does_not_fit_is_said_before_anything_runs(engine, stand_in):
    package, _ = stand_in
    with pytest.raises(DeviceNotFoundError, match="got gpu:2; allowed: gpu:0, gpu:1"):
        load(engine(), "gpu:2")
    with pytest.raises(ConfigError, match="precision"):
        load(engine(), "gpu", options={"precision": "float16"})
    with pytest.raises(IncompatibleModelError, match="fixed batch of 1"):
        load(engine(), "gpu", options={"batch": 4})
    package.SAYS["shape"] = (-1, 3)
    with pytest.raises(IncompatibleModelError, match="open dimension"):
        load(engine(), "gpu")
    package.SAYS["shape"] = (1, 7)
    with pytest.raises(ArtifactError, match="disagree"):
        load(engine(), "gpu")


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ("Runtime.__init__", BackendUnavailableError),  # as the bindings do where the library made nothing
        ("Runtime.deserialize_cuda_engine", IncompatibleModelError),
        ("_Engine.create_execution_context", InferenceError),
    ],
)
def test_what_the_vendor_raises_does_not_leak(engine, stand_in, monkeypatch, part, error):
    def broken(*args):
        raise TypeError("pybind11::init(): factory function returned nullptr")

    kind, _, name = part.partition(".")
    monkeypatch.setattr(getattr(stand_in[0], kind), name, broken)
    with pytest.raises(error, match="factory function returned nullptr"):
        load(engine(), "gpu")


def test_an_old_release_is_refused(engine, stand_in):
    stand_in[0].__version__ = "8.4.1"
    with pytest.raises(BackendUnavailableError, match=r"got 8\.4\.1; allowed: 8\.5 and newer"):
        load(engine(), "gpu")


def test_a_package_that_does_not_load_is_said_so(engine, monkeypatch, tmp_path):
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    with pytest.raises(BackendUnavailableError, match=r"does not load: libnvinfer\.so\.10.*install it"):
        load(engine(), "gpu")


def test_no_cuda_library_is_an_error_with_the_fix(monkeypatch, tmp_path):
    with pytest.raises(BackendUnavailableError, match=r"libcudart.*nvidia-jetpack"):
        Cuda(library=str(tmp_path / "libcudart.so"))


def test_buffers_of_every_size(stand_in):
    cuda = Cuda()
    stream = cuda.stream()
    for shape, dtype in (((), "float32"), ((0, 3), "int8"), ((2, 3, 5), "float16"), ((1, 1000), "uint8")):
        buffer = PinnedBuffer(cuda, shape, dtype)
        assert (buffer.array.shape, buffer.array.dtype) == (shape, dtype)
        buffer.array[...] = 7
        buffer.send(stream)
        buffer.array[...] = 0
        buffer.fetch(stream)
        assert (buffer.array == 7).all()
        buffer.free()
    cuda.destroy_stream(stream)


def test_a_document_comes_back_and_damage_is_named(engine, tmp_path):
    document = EngineDocument(replace(ORIN, l4t="36.4.3", module="NVIDIA Jetson AGX Orin"), "trtexec", 1)
    assert EngineDocument.from_json(document.to_json()) == document
    data = json.loads(document.to_json())
    assert data["facts"]["jetpack"] == "6"
    for change in ({"schema": 2}, {"dla": "one"}, {"facts": {}}, {"facts": {**data["facts"], "gpu": 7}}, {"more": 1}):
        with pytest.raises(ArtifactError):
            EngineDocument.from_json(json.dumps({**data, **change}))
    with pytest.raises(ArtifactError, match="not JSON"):
        EngineDocument.from_json("{")
    artifact = engine()
    (artifact.path / "model.engine").write_bytes(b"no engine at all")
    with pytest.raises(ArtifactError):
        Artifact.open(artifact.path)


def test_what_a_jetson_says_of_itself(tmp_path):
    for place, text in (
        ("etc/nv_tegra_release", "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64\n"),
        ("proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit\0"),
    ):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_text(text)
    assert (l4t_here(tmp_path), module_here(tmp_path)) == ("35.4.1", "NVIDIA Jetson Orin Nano Developer Kit")
    assert (jetpack_of("35.4.1"), jetpack_of("99.1"), jetpack_of(None)) == ("5", None, None)
    assert parse_l4t("something else") is None and l4t_here(tmp_path / "etc") is None
