"""Building engines, up to the vendor's call. TensorRT is not here: a package (tests/stand_ins) or a shell script in the
place of ``trtexec`` note what they are told; that an engine comes out of it is for tests/hardware.
"""

import ctypes
import sys

import numpy as np
import pytest

from edgevision.building import build_here
from edgevision.converters.base import convert
from edgevision.converters.tensorrt.build import build_engine
from edgevision.converters.tensorrt.plan import EnginePlan, read_plan
from edgevision.converters.tensorrt.settings import EngineSettings, decide
from edgevision.converters.tensorrt.trtexec import build_by_trtexec, find_trtexec, parse_log, telling_line, version_of
from edgevision.engine import EngineDocument, read_engine_document
from edgevision.errors import (
    BackendUnavailableError,
    CalibrationError,
    ConfigError,
    ConversionError,
    IncompatibleModelError,
    InferenceError,
)
from edgevision.export import export, make_golden
from edgevision.runtimes import load

INT8 = "static_wi8_ai8"
INPUTS = np.arange(5 * 12, dtype=np.float32).reshape(5, 2, 2, 3)
TABLE = "TRT-8601-EntropyCalibration2\nimage: 3c010a14\n"


def plan(scheme="float32", method="min_max", batch=1, table=None, inputs=None, version="10.3", **settings):
    recipe = decide(EngineSettings(tensorrt_version=version, **settings), scheme, method)
    return EnginePlan("net", b"an onnx file", recipe, batch, table, inputs)


def told(stand_in, chosen, version="10.3.0"):
    """Build by the stand-in and return (engine, its config, what else it noted)."""
    package, _ = stand_in
    package.__version__ = version
    return build_engine(chosen), package.NOTES.get("config"), package.NOTES


@pytest.mark.parametrize(
    ("scheme", "version", "settings", "flags"),
    [
        ("float32", "10.3.0", {}, set()),
        ("float16", "10.3.0", {}, {"TF32", "FP16"}),
        (INT8, "8.6.1", {}, {"TF32", "FP16", "INT8"}),
        (INT8, "11.4.1", {}, {"TF32"}),
        ("float16", "11.4.1", {}, {"TF32"}),
        ("float16", "10.3.0", {"sparse_weights": True}, {"TF32", "FP16", "SPARSE_WEIGHTS"}),
        ("float16", "10.3.0", {"dla": 1}, {"TF32", "FP16", "GPU_FALLBACK"}),
        ("float16", "10.3.0", {"dla": 0, "gpu_fallback": False}, {"TF32", "FP16"}),
    ],
)
def test_builder_flags(stand_in, scheme, version, settings, flags):
    built, config, notes = told(stand_in, plan(scheme, version=version, **settings), version)
    assert config.flags == flags and notes["onnx"] == b"an onnx file"
    dla = settings.get("dla")
    assert (config.default_device_type.name, config.DLA_core) == (("GPU", -1) if dla is None else ("DLA", dla))
    assert notes["network_flags"] == (1 if version.startswith("8") else 0)  # the axis of the batch
    assert built.content.startswith(b"ftrt")
    assert built.document == EngineDocument(built.document.facts, "python", dla)
    assert (built.document.facts.gpu, built.document.facts.tensorrt) == ("Orin", version)
    assert built.layers == (("gpu", "CONVOLUTION: stem"),)


def test_from_release_11_a_dla_s_file_is_adjusted(stand_in):
    _, _, notes = told(stand_in, plan("float16", version="11.4.1", dla=0), "11.4.1")
    assert notes["parser_flag"] == "ADJUST_FOR_DLA"


def test_workspace_is_in_bytes(stand_in):
    _, config, _ = told(stand_in, plan(workspace_mib=3))
    assert config.limits == {"WORKSPACE": 3 << 20}


@pytest.mark.parametrize(
    ("method", "name"), [("entropy", "IInt8EntropyCalibrator2"), ("min_max", "IInt8MinMaxCalibrator")]
)
@pytest.mark.parametrize("batch", [1, 2])
def test_the_calibrator_copies_every_batch_to_the_gpu_in_order(stand_in, method, name, batch):
    stand_in[0].SAYS["batch_shape"] = (batch, 2, 2, 3)
    chosen = plan(INT8, method, batch, inputs=INPUTS, int8_from="calibrator")
    built, config, notes = told(stand_in, chosen)
    assert (notes["calibrator"], notes["cache_read"]) == (name, None)
    assert config.int8_calibrator.get_batch_size() == batch
    given = np.concatenate(notes["batches"])
    np.testing.assert_array_equal(given[:5], INPUTS)
    assert len(given) == (5 if batch == 1 else 6)
    assert built.plan.table == "TRT-100300-EntropyCalibration2\nimage: 3c010a14\n"  # kept for the next build


def test_a_calibrator_s_table_of_the_same_release_spares_the_images(stand_in):
    table = TABLE.replace("8601", "100300")
    chosen = plan(INT8, "entropy", table=table, inputs=INPUTS, int8_from="calibrator")
    _, _, notes = told(stand_in, chosen)
    assert notes["cache_read"] == table.encode() and "batches" not in notes


def test_a_calibrator_s_table_of_another_release_does_not(stand_in):
    stand_in[0].SAYS["batch_shape"] = (1, 2, 2, 3)
    chosen = plan(INT8, "entropy", table=TABLE, inputs=INPUTS, int8_from="calibrator")
    _, _, notes = told(stand_in, chosen)
    assert notes["cache_read"] is None and len(notes["batches"]) == 5


def test_a_table_of_ours_gets_this_release_and_the_calibrator_that_reads_it(stand_in):
    _, config, notes = told(stand_in, plan(INT8, table=TABLE, dla=0))
    assert notes["calibrator"] == "IInt8EntropyCalibrator2" and {"INT8", "FP16"} <= config.flags
    assert notes["cache_read"] == b"TRT-100300-EntropyCalibration2\nimage: 3c010a14\n"


def test_calibration_that_is_not_there_is_an_error(stand_in):
    with pytest.raises(CalibrationError, match="neither calibration inputs nor a table"):
        build_engine(plan(INT8, dla=0))
    with pytest.raises(CalibrationError, match="not a calibration table"):
        build_engine(plan(INT8, table="nonsense", dla=0))


def test_a_gpu_that_fails_while_it_calibrates_frees_what_it_had(stand_in):
    package, library = stand_in
    package.SAYS["batch_shape"] = (1, 2, 2, 3)
    library.stand_in_break_after(5)
    with pytest.raises(InferenceError, match=r"launch failure|out of memory"):
        build_engine(plan(INT8, "entropy", inputs=INPUTS, int8_from="calibrator"))


def test_the_timing_cache_is_made_used_and_begun_anew(stand_in, tmp_path):
    place = tmp_path / "timing.cache"
    for wanted in (b"+", b"++"):
        told(stand_in, plan(timing_cache=str(place)))
        assert place.read_bytes() == wanted
    stand_in[0].SAYS["timing_cache_fits"] = False  # of another GPU
    told(stand_in, plan(timing_cache=str(place)))
    assert place.read_bytes() == b"+"


def test_what_tensorrt_refuses_is_said_in_its_words(stand_in):
    package, _ = stand_in
    package.SAYS["parse_errors"] = ["In node 3 (NonZero): UNSUPPORTED_NODE: no importer"]
    with pytest.raises(IncompatibleModelError, match=r"does not take net: got In node 3 \(NonZero\)"):
        build_engine(plan())
    package.SAYS.clear()
    package.SAYS["build"] = False
    with pytest.raises(ConversionError, match="did not build net: got Error Code 2: no implementation for node stem"):
        build_engine(plan())


def test_a_plan_for_another_release_is_refused(stand_in):
    stand_in[0].__version__ = "11.0.0"
    with pytest.raises(IncompatibleModelError, match=r"TensorRT 11\.0\.0 cannot build this.*no calibration"):
        build_engine(plan(INT8, table=TABLE, int8_from="table"))


# trtexec.

HEAD = """&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec
[01/10/2024-21:52:50] [I] Selected Device: Orin
[01/10/2024-21:52:50] [I] Compute Capability: 8.7
[01/10/2024-21:52:50] [I] SMs: 8
"""


def test_a_log_is_read():
    log = parse_log(HEAD + "[01/10/2024-21:52:50] [I] [TRT] [GpuLayer] /model/conv1/Conv + /model/relu/Relu\n")
    assert log.version == (8, 5, 2) and log.layers == (("gpu", "/model/conv1/Conv + /model/relu/Relu"),)
    assert (log.facts.gpu, log.facts.compute_capability, log.facts.multiprocessors) == ("Orin", "8.7", 8)


@pytest.mark.parametrize(
    "text", ["", "nothing of it", HEAD.replace("SMs: 8", "SMs: many"), HEAD.replace("[Tens", "[Fens")]
)
def test_a_log_that_is_not_understood_is_an_error(text):
    with pytest.raises(ConversionError):
        parse_log(text)


def test_of_a_log_the_first_error_is_told():
    text = HEAD + "[x] [E] [TRT] ModelImporter.cpp:768: no importer\n[x] [E] Failed to parse\n&&&& FAILED"
    assert telling_line(text) == "ModelImporter.cpp:768: no importer"
    assert telling_line("line\nlast") == "last"


@pytest.fixture
def trtexec(tmp_path, monkeypatch):
    """trtexec(log, status, engine) puts a stand-in on the PATH; its arguments are in the file "called"."""

    def make(log=HEAD, status=0, engine="ftrt engine"):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "log").write_text(log)
        saves = f"--saveEngine=*) printf '%s' '{engine}' >\"${{a#*=}}\" ;;"
        writes = f'case $a in {saves} --calib=*) cp "${{a#*=}}" {folder}/table ;; esac'
        (folder / "trtexec").write_text(
            f'#!/bin/sh\nif [ "$1" = --help ]; then head -n 1 {folder}/log; exit 0; fi\ncat {folder}/log\n'
            f'for a in "$@"; do echo "$a" >>{folder}/called; {writes}; done\nexit {status}\n'
        )
        (folder / "trtexec").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
        return folder

    return make


def test_trtexec_builds_where_the_package_is_not(trtexec):
    folder = trtexec()
    assert version_of(find_trtexec()) == (8, 5, 2)
    built = build_engine(plan(INT8, table=TABLE, dla=0, version="8.5"))
    assert built.content == b"ftrt engine" and built.document.by == "trtexec" and built.document.dla == 0
    assert built.document.facts.multiprocessors == 8 and built.document.facts.tensorrt == "8.5.2"
    assert (folder / "table").read_text() == TABLE.replace("8601", "8502")
    flags = [line.partition("=")[0] for line in (folder / "called").read_text().split()]
    assert flags == ["--onnx", "--saveEngine", "--buildOnly", "--int8", "--fp16", "--calib", "--useDLACore",
                     "--allowGPUFallback"]  # fmt: skip


def test_trtexec_that_fails_is_told_by_its_error(trtexec):
    trtexec(HEAD + "[x] [E] Error[4]: network has no output\n&&&& FAILED", status=1)
    with pytest.raises(ConversionError, match=r"failed with status 1: got Error\[4\]: network has no output"):
        build_engine(plan(version="8.5"))
    trtexec(engine="")
    with pytest.raises(ConversionError, match="wrote no engine"):
        build_engine(plan(version="8.5"))
    trtexec("a program of the same name\n")
    with pytest.raises(ConversionError, match="does not say which release"):
        build_engine(plan(version="8.5"))


def test_trtexec_has_no_calibrator(trtexec):
    trtexec()
    with pytest.raises(BackendUnavailableError, match=r"no calibrator.*--int8-from table"):
        build_engine(plan(INT8, "entropy", inputs=INPUTS, int8_from="calibrator", version="8.5"))


def test_a_tool_that_does_not_start(tmp_path):
    with pytest.raises(BackendUnavailableError, match="does not start"):
        build_by_trtexec(str(tmp_path / "trtexec"), plan())


def test_without_any_of_it_the_error_names_the_ways(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    if find_trtexec() is not None:
        pytest.skip("TensorRT is installed here")
    with pytest.raises(BackendUnavailableError, match=r"neither its Python package nor trtexec.*--to tensorrt-plan"):
        build_engine(plan())


# convert, compile.


def test_convert_makes_an_artifact_that_carries_its_plan(small, images, calibration, stand_in, tmp_path):
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    made = convert(small, tmp_path, to="tensorrt", scheme=INT8, calibration=calibration).artifact
    assert made.path.name == "small-tensorrt-static_wi8_ai8" and made.manifest.format == "tensorrt"
    assert [entry.name for entry in made.manifest.files] == [
        "model.engine", "engine.json", "source/model.onnx", "source/plan.json",
    ]  # fmt: skip
    assert made.bytes == made.model_file.stat().st_size  # what it carries with it is not the model
    assert made.manifest.lineage[-1].tools["tensorrt"] == "10.3.0"
    assert read_engine_document(made).facts.gpu == "Orin"
    assert read_plan(made).recipe.int8_from == "qdq"
    with pytest.raises(ConfigError, match=r"this machine has another: got 8\.6"):
        convert(small, tmp_path / "b", to="tensorrt", engine=EngineSettings(tensorrt_version="8.6"))


def test_a_plan_is_built_where_tensorrt_is_and_an_engine_again(small, images, stand_in, tmp_path):
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    package, _ = stand_in
    golden = make_golden(small, images, count=2)
    plan_artifact = export(small, tmp_path, to=["tensorrt-plan"], scheme="float16", golden=golden)[0].artifact
    assert plan_artifact.manifest.runtimes == {}  # it is for another machine to answer
    fits = [("image", "INPUT", (1, 32, 32, 3)), ("probabilities", "OUTPUT", (1, 10))]
    package.TENSORS[:] = fits
    package._Engine.num_io_tensors = len(fits)
    package._Context.execute_async_v3 = lambda self, stream: ctypes.memset(self.addresses["probabilities"], 0, 40)
    made = build_here(plan_artifact, tmp_path / "built")
    engine = made.artifact
    assert (engine.manifest.format, engine.manifest.scheme) == ("tensorrt", "float16")
    assert engine.manifest.runtimes["tensorrt"]["parity"]["device"] == "gpu"  # sealed where it was built
    assert made.report.mapped == 1 and made.report.by == "TensorRT 10.3.0"
    assert read_plan(engine).onnx == read_plan(plan_artifact).onnx
    package.__version__ = "10.7.0"
    with pytest.raises(IncompatibleModelError, match=r"TensorRT 10\.7\.0 here, built with 10\.3\.0"):
        load(engine, "gpu")
    again = build_here(engine, tmp_path / "built", overwrite=True).artifact
    assert again.path == engine.path and read_engine_document(again).facts.tensorrt == "10.7.0"
    assert [step.step for step in again.manifest.lineage].count("build") == 1
    load(again, "gpu").close()


def test_a_failed_rebuild_keeps_the_engine(small, stand_in, tmp_path):
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    engine = convert(small, tmp_path, to="tensorrt").artifact
    before = {path.name: path.read_bytes() for path in engine.files}
    stand_in[0].SAYS["build"] = False
    with pytest.raises(ConversionError):
        build_here(engine, tmp_path, overwrite=True)
    assert {path.name: path.read_bytes() for path in engine.files} == before
