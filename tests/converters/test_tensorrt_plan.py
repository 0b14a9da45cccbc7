"""Plans: the ONNX file that TensorRT would be given, calibration, and the script for the device. TensorRT is not here:
``trtexec`` is a shell script in its place, which notes its arguments and prints lines in the form of real logs.
"""

import json
import os
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.converters.base import convert
from edgevision.converters.file_source import open_source
from edgevision.converters.keras_import import load_source
from edgevision.converters.tensorrt.calibration_table import CalibrationTable
from edgevision.converters.tensorrt.plan import read_plan
from edgevision.converters.tensorrt.settings import EngineSettings, parse_version
from edgevision.data.locate import open_dataset
from edgevision.engine import EngineDocument, EngineFacts
from edgevision.errors import ArtifactError, ConfigError, ConversionError, IncompatibleModelError
from edgevision.export import export
from edgevision.shipped import shipped_model
from edgevision.verify.running import run_images

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("tf_keras", reason="the extra train is not installed")
pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")

INT8 = "static_wi8_ai8"
VARIANTS = {
    "qdq": (INT8, EngineSettings()),
    "table": (INT8, EngineSettings(int8_from="table")),
    "calibrator": (INT8, EngineSettings(int8_from="calibrator")),
    "dla": (INT8, EngineSettings(dla=1, tensorrt_version="10.3")),
    "float16": ("float16", EngineSettings()),
    "float32": ("float32", EngineSettings(timing_cache="a cache", workspace_mib=64)),
}


@pytest.fixture(scope="module")
def plans(small, calibration, tmp_path_factory):
    """Variant -> its plan."""
    out = tmp_path_factory.mktemp("plans")
    return {
        name: convert(small, out / name, to="tensorrt-plan", scheme=scheme, calibration=calibration, engine=settings)
        for name, (scheme, settings) in VARIANTS.items()
    }


def answers(content, inputs, batch=1):
    """What the file computes, each operator by itself: TensorRT's pairs mean just that."""
    settings = ort.SessionOptions()
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.intra_op_num_threads = settings.log_severity_level = 1
    session = ort.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    parts = (inputs[i : i + batch] for i in range(0, len(inputs), batch))
    return np.concatenate([session.run(None, {name: part})[0] for part in parts])


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_file_is_sound_and_the_artifact_whole(plans, variant):
    artifact = Artifact.open(plans[variant].artifact.path)
    scheme, settings = VARIANTS[variant]
    assert (artifact.manifest.format, artifact.manifest.scheme) == ("onnx", scheme)
    assert (artifact.manifest.inputs[0].dtype, artifact.manifest.inputs[0].layout) == ("float32", "NHWC")
    model = onnx.load(artifact.model_file)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 17  # what TensorRT 8.5 and newer read
    plan = read_plan(artifact)
    assert plan.onnx == artifact.model_file.read_bytes() and plan.recipe.settings == settings
    assert (plan.table is not None) == (variant in ("table", "dla")) and (plan.inputs is not None) == (
        variant == "calibrator"
    )
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=artifact.path, check=True)


def test_pairs_are_what_tensorrt_asks_for(plans):
    model = onnx.load(plans["qdq"].artifact.model_file)
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    made = {name: node for node in model.graph.node for name in node.output}
    pairs = [node for node in model.graph.node if node.op_type.endswith("quantizeLinear") or "uantize" in node.op_type]
    assert pairs
    for node in pairs:
        point = constants[node.input[2]]
        assert point.dtype == np.int8 and not point.any()
    for node in model.graph.node:
        quantized = [name in made and made[name].op_type == "DequantizeLinear" for name in node.input]
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            assert quantized[:2] == [True, True] and not any(quantized[2:])  # the bias stays float
            assert constants[made[made[node.input[1]].input[0]].input[0]].dtype == np.float32
        for name in node.output:  # nothing is rounded between a convolution and what TensorRT merges into it
            if node.op_type in ("Conv", "Add"):
                followers = [other.op_type for other in model.graph.node if name in other.input]
                assert not set(followers) & {"QuantizeLinear"} or "Relu" not in followers
    depthwise = next(node for node in model.graph.node if node.op_type == "Conv" and "depthwise" in node.name)
    assert constants[made[depthwise.input[1]].input[1]].shape == (8,)  # a scale for each channel


def test_weights_use_all_eight_bits(plans):
    model = onnx.load(plans["qdq"].artifact.model_file)
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] in constants:
            kernel, scale = constants[node.input[0]], constants[node.input[1]]
            assert np.abs(kernel).max() / scale.max() == pytest.approx(127, abs=0.51)


@pytest.mark.parametrize(("variant", "tolerance"), [("float32", 1e-5), ("float16", 0.02)])
def test_float_files_answer_as_the_model(plans, small, inputs, variant, tolerance):
    wanted = small.model(inputs).numpy()
    np.testing.assert_allclose(answers(plans[variant].artifact.model_file.read_bytes(), inputs), wanted, atol=tolerance)


def test_a_calibrated_file_is_the_float_one(plans):
    files = {name: plans[name].artifact.model_file.read_bytes() for name in VARIANTS}
    assert files["table"] == files["calibrator"] == files["dla"] == files["float32"]


@pytest.mark.slow
def test_pairs_for_tensorrt_answer_as_our_int8_does(tmp_path):
    """ResNet-8 on 200 images: its answers are those of the float model, of TFLite int8 and of ONNX int8, but for 5%."""
    source, train = load_source(shipped_model()), open_dataset("sample", "train")
    test = open_dataset("sample", "test").balanced(200)
    made = {
        name: export(source, tmp_path, to=[name], scheme=INT8, calibration_data=train, calibration_count=200)[
            0
        ].artifact
        for name in ("tensorrt-plan", "tflite", "onnx")
    }
    images = [test.image(index) for index in range(len(test))]
    inputs = np.stack([source.preprocessing.apply(image) for image in images]).astype(np.float32)
    best = {"float": source.model.predict(inputs, verbose=0).argmax(1)}
    best["tensorrt"] = answers(made["tensorrt-plan"].model_file.read_bytes(), inputs).argmax(1)
    for name, runtime in (("tflite", "tflite"), ("onnx", "onnxruntime")):
        best[name] = run_images(made[name], images, runtime=runtime).outputs[0].argmax(1)
    same = {name: float((best["tensorrt"] == other).mean()) for name, other in best.items()}
    assert min(same["float"], same["tflite"], same["onnx"]) > 0.95, same
    accuracy = {name: float((found == test.targets).mean()) for name, found in best.items()}
    assert accuracy["tensorrt"] >= accuracy["float"] - 0.02, accuracy


def test_the_same_conversion_gives_the_same_bytes(plans, small, calibration, tmp_path):
    for name in ("qdq", "dla", "float16"):
        scheme, settings = VARIANTS[name]
        again = convert(small, tmp_path, to="tensorrt-plan", scheme=scheme, calibration=calibration, engine=settings,
                        overwrite=True).artifact  # fmt: skip
        for path in plans[name].artifact.files:
            assert (again.path / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_table_has_every_activation_with_its_largest_magnitude(plans, calibration):
    plan = read_plan(plans["dla"].artifact)
    table = CalibrationTable.parse(plan.table)
    assert (table.version, table.calibrator) == ((10, 3, 0), "EntropyCalibration2")
    model = onnx.load_from_string(plan.onnx)
    made = {name for node in model.graph.node for name in node.output if node.op_type != "Constant"}
    assert set(table.scales) == made | {"image"}
    batches = np.concatenate(list(calibration))
    assert table.scales["image"] == pytest.approx(np.abs(batches).max() / 127, rel=1e-6)
    shown = onnx.load_from_string(plan.onnx)
    name = next(name for name in sorted(made) if "stem_relu" in name)
    shown.graph.output.extend([onnx.helper.make_tensor_value_info(name, 1, None)])
    session = ort.InferenceSession(shown.SerializeToString(), providers=["CPUExecutionProvider"])
    largest = max(float(np.abs(session.run([name], {"image": one})[0]).max()) for one in calibration)
    assert table.scales[name] == pytest.approx(largest / 127, rel=1e-4)


def test_the_calibrator_gets_the_images_in_their_order(plans, calibration):
    given = read_plan(plans["calibrator"].artifact).inputs
    np.testing.assert_array_equal(given, np.concatenate(list(calibration)))


def test_what_a_plan_is_not_made_for(small, calibration, tmp_path):
    def make(**options):
        return convert(small, tmp_path, **{"to": "tensorrt-plan", "calibration": calibration, **options})

    with pytest.raises(ConfigError, match="no layer is 2:4 sparse"):
        make(engine=EngineSettings(sparse_weights=True))
    with pytest.raises(ConfigError, match="format with engine settings: got tflite"):
        make(to="tflite", engine=EngineSettings())
    with pytest.raises(ConfigError, match="layers are kept in float with --int8-from qdq"):
        make(scheme=INT8, float_layers=["stem"], engine=EngineSettings(int8_from="table"))
    with pytest.raises(ConfigError, match="tensorrt-plan"):
        make(scheme="static_wi8_ai16")
    assert not any(tmp_path.iterdir())


def test_layers_stay_in_float_as_asked(small, calibration, tmp_path):
    made = convert(
        small, tmp_path, to="tensorrt-plan", scheme=INT8, calibration=calibration, float_layers=["pointwise"]
    )
    assert [layer for layer, _ in made.report.skipped] == ["small/pointwise/Conv2D"]


def test_sparse_layers_are_used_and_the_dense_ones_named(small, tmp_path):
    import tf_keras as keras

    model = keras.models.clone_model(small.model)
    model.set_weights(small.model.get_weights())
    layer = model.get_layer("pointwise")
    kernel, bias = layer.get_weights()
    kernel[:, :, ::2] = 0
    layer.set_weights([kernel, bias])
    source = type(small)(**{**vars(small), "model": model})
    made = convert(source, tmp_path, to="tensorrt-plan", engine=EngineSettings(sparse_weights=True))
    dense = {layer for layer, reason in made.report.skipped if "2:4" in reason}
    assert dense and not any("pointwise" in layer for layer in dense)
    assert "--sparsity=enable" in (made.artifact.path / "build.sh").read_text()


def test_weights_beyond_float16_are_refused(small, tmp_path):
    import tf_keras as keras

    model = keras.models.clone_model(small.model)
    model.get_layer("pointwise").set_weights([np.full((1, 1, 8, 8), 1e5, np.float32), np.zeros(8, np.float32)])
    source = type(small)(**{**vars(small), "model": model})
    with pytest.raises(ConversionError, match="too large for float16: got 100000"):
        convert(source, tmp_path, to="tensorrt-plan", scheme="float16")


@pytest.fixture
def older(tmp_path):
    """A model of operator set 11 that computes a shape, as PyTorch exports them: inference alone does not find it."""
    helper, kinds = onnx.helper, onnx.TensorProto
    rng = np.random.default_rng(0)
    tensors = {
        "w": rng.normal(size=(6, 3, 3, 3)).astype(np.float32), "v": rng.normal(size=(10, 1350)).astype(np.float32),
        "zero": np.int64(0), "ahead": np.array([-1], np.int64), "axis": np.array([0], np.int64),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], "conv", strides=[2, 2]),
        helper.make_node("Shape", ["y"], ["s"]), helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Unsqueeze", ["n"], ["n1"], axes=[0]),
        helper.make_node("Concat", ["n1", "ahead"], ["to"], axis=0),
        helper.make_node("Reshape", ["y", "to"], ["flat"]),
        helper.make_node("Gemm", ["flat", "v"], ["scores"], transB=1),
    ]  # fmt: skip
    ends = [
        [helper.make_tensor_value_info(n, kinds.FLOAT, shape)]
        for n, shape in (("x", (1, 3, 32, 32)), ("scores", (1, 10)))
    ]
    constants = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()]
    graph = helper.make_graph(nodes, "older", *ends, constants)
    model = helper.make_model(graph, ir_version=6, opset_imports=[helper.make_opsetid("", 11)])
    onnx.save(model, tmp_path / "older.onnx")
    return tmp_path / "older.onnx"


@pytest.mark.parametrize("scheme", ["float16", INT8])
def test_files_of_older_operator_sets(older, calibration, inputs, tmp_path, scheme):
    source = open_source(older)
    source = replace(source, inputs=(replace(source.inputs[0], layout="NCHW"),))
    made = convert(source, tmp_path / "out", to="tensorrt-plan", scheme=scheme, calibration=calibration).artifact
    model = onnx.load(made.model_file)
    onnx.checker.check_model(model, full_check=True)
    assert made.manifest.outputs[0].shape == (1, 10)
    pictures = np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))
    wanted, given = answers(older.read_bytes(), pictures), answers(made.model_file.read_bytes(), pictures)
    assert np.abs(given - wanted).max() < 0.05 * np.abs(wanted).max()


# The script.

LOG = """&&&& RUNNING TensorRT.trtexec [TensorRT v{banner}] # trtexec
[11/29/2026-01:00:00] [I] === Device Information ===
[11/29/2026-01:00:00] [I] Selected Device: Orin
[11/29/2026-01:00:00] [I] Compute Capability: 8.7
[11/29/2026-01:00:00] [I] SMs: 16
[11/29/2026-01:00:00] [I] [TRT] ---------- Layers Running on DLA ----------
[11/29/2026-01:00:00] [I] [TRT] [DlaLayer] {{ForeignNode[stem...relu]}}
[11/29/2026-01:00:00] [I] [TRT] ---------- Layers Running on GPU ----------
[11/29/2026-01:00:00] [I] [TRT] [GpuLayer] POOLING: pool
{more}
"""


@pytest.fixture
def device(tmp_path, plans):
    """device(variant, banner) -> (run, folder): a plan on a "device" whose trtexec is a stand-in."""

    def make(variant, banner="100300", status=0, more="", engine="ftrt engine"):
        folder = tmp_path / f"{variant} on a device"
        subprocess.run(["cp", "-r", str(plans[variant].artifact.path), str(folder)], check=True)
        tools = tmp_path / "bin"
        tools.mkdir(exist_ok=True)
        (tools / "log").write_text(LOG.format(banner=banner, more=more))
        writes = 'case $a in --saveEngine=*) printf "%s" "$engine" >"${a#*=}" ;; esac'
        (tools / "trtexec").write_text(
            f"#!/bin/sh\nengine='{engine}'\ncat {tools}/log\n[ \"$1\" = --help ] && exit 0\n"
            f'for a in "$@"; do echo "$a"; done >{tools}/called\n'
            f'[ {status} = 0 ] && for a in "$@"; do {writes}; done\nexit {status}\n'
        )
        (tools / "trtexec").chmod(0o755)

        def run(*extra, shell="sh", **env):
            environment = {**os.environ, "PATH": f"{tools}:/usr/bin:/bin", **env}
            command = [shell, str(folder / "build.sh"), *extra]
            return subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", check=False)

        run.called = lambda: (tools / "called").read_text().split("\n")[:-1]
        return run, folder

    return make


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_script_parses(plans, variant):
    script = plans[variant].artifact.path / "build.sh"
    for shell in ("bash", "sh"):
        subprocess.run([shell, "-n", str(script)], check=True)
    assert "@" not in script.read_text().replace('"$@"', "")  # every word was filled in


def test_the_script_builds_and_says_where(device):
    run, folder = device("dla")
    done = run("--verbose")
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "model.engine").read_bytes() == b"ftrt engine" and not (folder / "model.engine.new").exists()
    document = EngineDocument.from_json((folder / "engine.json").read_text())
    assert document.dla == 1 and document.by == "trtexec"
    assert document.facts.differences(EngineFacts("Orin", "8.7", 16, "10.3.0", document.facts.l4t)) == ()
    assert run.called() == [
        "--onnx=model.onnx", "--saveEngine=model.engine.new", "--skipInference", "--int8", "--fp16",
        "--calib=calibration.here.table", "--useDLACore=1", "--allowGPUFallback", "--verbose",
    ]  # fmt: skip
    assert "[DlaLayer] {ForeignNode[stem...relu]}" in done.stdout and "[GpuLayer] POOLING: pool" in done.stdout


@pytest.mark.parametrize(
    ("banner", "header"),
    [("8601", "TRT-8601-"), ("8503", "TRT-8503-"), ("100300", "TRT-100300-"), ("100700", "TRT-100700-")],
)
def test_the_table_gets_the_device_s_release(device, banner, header):
    run, folder = device("table", banner)
    assert run().returncode == 0
    written = (folder / "calibration.here.table").read_text()
    assert written.startswith(header + "EntropyCalibration2\n")
    assert written.split("\n")[1:] == (folder / "calibration.table").read_text().split("\n")[1:]


@pytest.mark.parametrize(
    ("variant", "banner", "flags"),
    [
        ("qdq", "8601", ["--skipInference", "--int8", "--fp16"]),
        ("qdq", "8502", ["--buildOnly", "--int8", "--fp16"]),
        ("qdq", "101602", ["--skipInference", "--int8", "--fp16"]),
        ("qdq", "110400", ["--skipInference"]),
        ("qdq", "11.1.0.106", ["--skipInference"]),
        ("float16", "100300", ["--skipInference", "--fp16"]),
        ("float16", "11.0.0", ["--skipInference"]),
        ("float32", "10.16.1.11",
         ["--skipInference", "--noTF32", "--memPoolSize=workspace:64", "--timingCacheFile=a cache"]),
    ],
)  # fmt: skip
def test_arguments_are_those_of_the_device_s_release(device, variant, banner, flags):
    run, folder = device(variant, banner)
    done = run()
    assert done.returncode == 0, done.stderr
    assert run.called()[2:] == flags
    release = ".".join(map(str, parse_version(banner)))
    assert f"build.sh: TensorRT {release}, " in done.stdout
    assert json.loads((folder / "engine.json").read_text())["facts"]["tensorrt"] == release


@pytest.mark.parametrize(
    ("variant", "banner", "said"),
    [
        ("table", "110401", "no calibration; export with --int8-from qdq"),
        ("dla", "100800", "it has no DLA"),
        ("dla", "101602", "it has no DLA"),
        ("qdq", "8401", "TensorRT 8.4.1 is too old"),
        ("qdq", "", "does not say which release"),
    ],
)
def test_a_release_that_cannot_build_it_is_refused_with_what_helps(device, variant, banner, said):
    run, folder = device(variant, banner)
    done = run()
    assert done.returncode == 1 and said in done.stderr
    assert not (folder / "model.engine").exists()


def test_without_trtexec_it_fails_cleanly(device):
    run, folder = device("qdq")
    before = sorted(path.name for path in folder.iterdir())
    for environment in ({"PATH": "/usr/bin:/bin"}, {"TRTEXEC": "/no/such/trtexec"}):
        done = run(**environment)
        assert done.returncode == 1 and "no trtexec: sudo apt install tensorrt" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_failing_build_leaves_the_old_engine_and_shows_the_error(device):
    run, folder = device("qdq", status=1, more="[11/29/2026-01:00:01] [E] Error[10]: could not find any implementation")
    (folder / "model.engine").write_bytes(b"ftrt the old one")
    done = run()
    assert done.returncode == 1
    assert (
        "build.sh: trtexec: Error[10]: could not find any implementation" in done.stderr and "build.log" in done.stderr
    )
    assert (folder / "model.engine").read_bytes() == b"ftrt the old one"
    assert not (folder / "engine.json").exists()


def test_an_empty_engine_is_a_failure(device):
    run, folder = device("qdq", engine="")
    done = run()
    assert done.returncode == 1 and "wrote no engine" in done.stderr and not (folder / "model.engine").exists()


def test_files_that_changed_on_the_way_are_refused(device):
    run, folder = device("qdq")
    content = bytearray((folder / "model.onnx").read_bytes())
    content[1000] ^= 1
    (folder / "model.onnx").write_bytes(content)
    done = run()
    assert done.returncode == 1 and "missing or changed" in done.stderr
    with pytest.raises(ArtifactError, match="changed"):
        Artifact.open(folder)


def test_the_calibrator_s_plan_wants_edgevision(device):
    run, folder = device("calibrator")
    done = run()
    assert done.returncode == 1 and "no edgevision, whose calibrator this needs" in done.stderr
    tool = folder.parent / "bin/edgevision"
    tool.write_text('#!/bin/sh\necho "$@"\n')
    tool.chmod(0o755)
    assert run().stdout == "compile . --target tensorrt --out .\n"


def test_an_artifact_without_a_plan_is_named(small, tmp_path):
    with pytest.raises(IncompatibleModelError, match="neither a plan"):
        read_plan(convert(small, tmp_path, to="onnx").artifact)


def test_a_damaged_plan_is_named(plans, tmp_path):
    folder = tmp_path / "plan"
    subprocess.run(["cp", "-r", str(plans["calibrator"].artifact.path), str(folder)], check=True)
    artifact = Artifact.open(folder)
    document = json.loads((folder / "plan.json").read_text())
    for text in ("{", json.dumps({**document, "schema": 9}), json.dumps({**document, "recipe": {"scheme": "float32"}})):
        (folder / "plan.json").write_text(text)
        with pytest.raises(ArtifactError):
            read_plan(artifact)
    (folder / "plan.json").write_text(json.dumps(document))
    (folder / "calibration.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ArtifactError, match=r"calibration\.npy: damaged"):
        read_plan(artifact)
