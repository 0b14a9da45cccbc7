"""Models that are files of other kinds: what is known about them, what becomes of them, what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from edgevision import make_golden, open_source
from edgevision.adopt import adopt
from edgevision.calibration import CalibrationDataset
from edgevision.converters import convert
from edgevision.converters.file_source import FileSource
from edgevision.errors import ArtifactError, CalibrationError, ConfigError, ConversionError
from edgevision.evaluate import evaluate
from edgevision.export import export
from edgevision.preprocessing import Preprocessing
from edgevision.runtimes.base import load

tf_keras = pytest.importorskip("tf_keras")
PREPROCESSING = Preprocessing(8, 8, mean=(128.0,), std=(64.0,))
COLORS = ("red", "green", "blue")
KNOWN = {"task": "classification", "labels": COLORS, "activation": "softmax"}


@pytest.fixture(scope="module")
def model():
    """A Keras model whose class is the strongest colour."""
    layers = tf_keras.layers
    image = tf_keras.Input((8, 8, 3), name="image")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 1, name="conv")(image))
    made = tf_keras.Model(image, layers.Dense(3, activation="softmax", name="scores")(x), name="colors")
    kernel = np.eye(3, 4, dtype=np.float32)[None, None]
    made.set_weights([kernel, np.full(4, 0.1, np.float32), np.eye(4, 3, dtype=np.float32) * 4, np.zeros(3, np.float32)])
    return made


@pytest.fixture(scope="module")
def pictures():
    """Images of one strong colour each, and their classes."""
    from edgevision.data.dataset import ArrayDataset

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 100, (24, 8, 8, 3), np.uint8)
    targets = np.arange(24) % 3
    for image, target in zip(pixels, targets, strict=True):
        image[..., target] += 120
    return ArrayDataset(pixels, targets, COLORS, "pictures")


@pytest.fixture(scope="module")
def files(model, make_onnx, tmp_path_factory):
    """The model as a .tflite and an .onnx file, and as a SavedModel."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("files")
    (folder / "colors.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    (folder / "colors.onnx").write_bytes(make_onnx())
    model.export(folder / "saved")
    return folder


@pytest.fixture(scope="module")
def keras3_file(tmp_path_factory):
    """A model of Keras 3 that does the same, with a layer that tf_keras lacks."""
    keras = pytest.importorskip("keras")
    layers = [keras.layers.Conv2D(4, 1, name="conv"), keras.layers.RMSNormalization(name="odd")]
    head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, activation="softmax", name="scores")]
    path = tmp_path_factory.mktemp("keras3") / "odd.keras"
    made = keras.Sequential([keras.Input((8, 8, 3), name="image"), *layers, *head])
    made.set_weights([np.eye(3, 4)[None, None], np.zeros(4), np.ones(4), np.eye(4, 3) * 4, np.zeros(3)])
    made.save(path)
    return path


@pytest.fixture
def known(files, keras3_file, tmp_path):
    """known(kind) -> a source of that kind with all that its owner knows."""

    def known(kind):
        if kind == "saved_model":
            source = open_source(files / "saved")
            return replace(source, preprocessing=PREPROCESSING, labels=COLORS, task="classification")
        path = {"keras3": keras3_file, "onnx": files / "colors.onnx", "tflite": files / "colors.tflite"}[kind]
        layout = {"layout": "NCHW"} if kind == "onnx" else {}
        facts = {"preprocessing": {"mean": [128], "std": [64]}, **layout, **KNOWN}
        return open_source(adopt(path, tmp_path / f"adopted-{kind}", **facts).path)

    return known


ENDS = {
    "keras3": ("image", "scores", "NHWC", (None, 8, 8, 3)),
    "onnx": ("image", "scores", "NCHW", (None, 3, 8, 8)),
    "saved_model": ("image", "output_0", "NHWC", (None, 8, 8, 3)),
    "tflite": ("serving_default_image:0", None, "NHWC", (1, 8, 8, 3)),
}


@pytest.mark.parametrize("kind", ENDS)
def test_what_is_known_about_a_file(kind, known):
    source = known(kind)
    taken, given, layout, shape = ENDS[kind]
    assert isinstance(source, FileSource) and source.kind == kind and source.scheme == "float32"
    assert [(spec.name, spec.layout, spec.shape) for spec in source.inputs] == [(taken, layout, shape)]
    assert [(spec.name, spec.shape[1:]) for spec in source.outputs] == [(given or source.outputs[0].name, (3,))]
    assert (source.preprocessing, source.labels, source.task) == (PREPROCESSING, COLORS, "classification")
    assert len(source.source_sha256) == 64 and source.lineage[-1].parameters["from"] == kind
    if kind == "keras3":
        assert source.reason.startswith("layer odd (RMSNormalization) cannot be translated into tf_keras")
    if kind == "saved_model":
        assert source.lineage[-1].parameters["runs_code"] == "in a process of its own"


@pytest.mark.parametrize(
    ("kind", "formats"),
    [
        ("keras3", ("tflite", "openvino")),
        ("onnx", ("openvino",)),
        pytest.param("saved_model", ("tflite", "openvino"), marks=pytest.mark.slow),
        ("tflite", ("tflite", "openvino")),
    ],
)
def test_files_are_quantized_sealed_and_answer_as_the_float_file(kind, formats, known, model, pictures, tmp_path):
    pytest.importorskip("nncf")
    pytest.importorskip("ai_edge_quantizer")
    source = known(kind)
    golden = make_golden(source, pictures, count=4)
    if kind != "keras3":
        inputs = np.stack([PREPROCESSING.apply(image) for image in golden.samples])
        assert np.allclose(golden.float_outputs[0], model(inputs), atol=1e-5)
    done = export(source, tmp_path, to=formats, scheme="static_wi8_ai8", calibration_data=pictures, golden=golden)
    for conversion in done:
        artifact = conversion.artifact
        manifest = artifact.manifest
        assert manifest.scheme == "static_wi8_ai8" and manifest.source_sha256 == source.source_sha256
        assert [step.step for step in manifest.lineage][-2:] == ["import", "convert"]
        assert manifest.inputs[0].dtype == ("int8" if manifest.format == "tflite" else "float32")
        assert manifest.inputs[0].layout == source.inputs[0].layout
        ends = [spec.name for spec in (*manifest.inputs, *manifest.outputs)]
        assert ends == [spec.name for spec in (*source.inputs, *source.outputs)]
        parity = manifest.runtimes[manifest.format]["parity"]
        assert parity["agreement"]["value"] == 1.0 and parity["outputs"][0]["float_model"]["max_abs_error"] < 0.2
        assert evaluate(artifact, pictures).classification.accuracy.value == 1.0


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_a_float_file_is_converted_as_it_is(kind, known, tmp_path):
    source = known(kind)
    x = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
    answers = []
    for to in ("openvino", "tflite") if kind == "tflite" else ("openvino",):
        artifact = convert(source, tmp_path, to=to).artifact
        with load(artifact) as loaded:
            answers.append(loaded.infer([x if kind == "tflite" else np.ascontiguousarray(x.transpose(0, 3, 1, 2))])[0])
    expected = np.exp(4 * (x.mean((1, 2)) + 0.1))
    for answer in answers:
        assert np.allclose(answer, expected / expected.sum(), atol=1e-5)


@pytest.mark.parametrize("kind", ["keras3", "saved_model"])
def test_files_become_onnx_with_their_names_and_answers(kind, known, pictures, tmp_path):
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    source = known(kind)
    (made,) = export(source, tmp_path, to=["onnx"], golden=make_golden(source, pictures, count=4))
    manifest = made.artifact.manifest
    ends = [(spec.name, spec.layout) for spec in (*manifest.inputs, *manifest.outputs)]
    assert ends == [(spec.name, spec.layout) for spec in (*source.inputs, *source.outputs)]
    parity = manifest.runtimes["onnxruntime"]["parity"]
    assert parity["agreement"]["value"] == 1.0 and parity["outputs"][0]["float_model"]["max_abs_error"] < 1e-5
    assert {"tf2onnx", "tensorflow"} <= set(manifest.lineage[-1].tools)


def test_a_batch_is_fixed_where_it_is_open(known, tmp_path):
    assert convert(known("onnx"), tmp_path, to="openvino", batch=3).artifact.manifest.inputs[0].shape == (3, 3, 8, 8)
    with pytest.raises(ConfigError, match=r"a \.tflite file keeps its batch: got 3; allowed: 1"):
        convert(known("tflite"), tmp_path, batch=3)


def test_layers_of_a_file_stay_in_float_by_their_names_there(known, pictures, tmp_path):
    pytest.importorskip("nncf")
    calibration = CalibrationDataset.from_dataset(pictures, PREPROCESSING, 24)
    source, options = known("onnx"), {"to": "openvino", "scheme": "static_wi8_ai8", "calibration": calibration}
    report = convert(source, tmp_path, float_layers=["logits*"], **options).report
    assert [layer for layer, reason in report.skipped] == ["logits"]
    with pytest.raises(ConfigError, match="float_layers: no layer has this name: got head"):
        convert(source, tmp_path / "other", float_layers=["head"], **options)


# --- what is refused ---


def test_onnx_is_not_made_into_tflite_nor_the_other_way_round(known, tmp_path):
    with pytest.raises(ConfigError, match=r"onnx is not made from such a model: got tflite; .* ask for tflite or open"):
        convert(known("tflite"), tmp_path, to="onnx")
    with pytest.raises(ConfigError, match=r"tflite is not made from such a model: got onnx; .* ask for openvino"):
        convert(known("onnx"), tmp_path)


def test_a_layout_that_nobody_declared(files, pictures, tmp_path):
    source = replace(open_source(files / "colors.onnx"), preprocessing=PREPROCESSING)
    calibration = CalibrationDataset.from_dataset(pictures, PREPROCESSING, 24)
    with pytest.raises(ConfigError, match=r"layout of the input image is unknown.*adopt MODEL --layout"):
        convert(source, tmp_path, to="openvino", scheme="static_wi8_ai8", calibration=calibration)
    wrong = replace(source, inputs=(replace(source.inputs[0], layout="NHWC"),))
    with pytest.raises(CalibrationError, match=r"another shape than the input: got \(8, 8, 3\); allowed: \(3, 8, 8\)"):
        convert(wrong, tmp_path, to="openvino", scheme="static_wi8_ai8", calibration=calibration)
    assert not list(tmp_path.iterdir())


def test_files_that_are_quantized_already(known, pictures, tmp_path):
    pytest.importorskip("ai_edge_quantizer")
    source = known("tflite")
    artifact = convert(source, tmp_path, scheme="dynamic_wi8_afp32").artifact
    with pytest.raises(ArtifactError, match="not a float model: got dynamic_wi8_afp32"):
        open_source(artifact.path)
    with pytest.raises(ConfigError, match="quantized already"):
        open_source(artifact.model_file)
    with pytest.raises(ConfigError, match="source with sparse_encoding: got tflite; allowed: keras"):
        convert(source, tmp_path / "sparse", sparse_encoding=True)


def test_weights_that_are_no_numbers(make_onnx, model, tmp_path):
    import tensorflow as tf

    for value in (np.nan, -np.inf):
        (tmp_path / "bad.onnx").write_bytes(make_onnx(weight=value))
        with pytest.raises(ConversionError, match="weights are NaN or infinite: got kernel"):
            convert(open_source(tmp_path / "bad.onnx"), tmp_path / "made", to="openvino")
    broken = tf_keras.models.clone_model(model)
    broken.get_layer("conv").kernel.assign(np.full((1, 1, 3, 4), np.nan))
    (tmp_path / "nan.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(broken).convert())
    with pytest.raises(ConversionError, match="weights are NaN or infinite: got colors/conv"):
        convert(open_source(tmp_path / "nan.tflite"), tmp_path / "made")


def test_damaged_files(files, make_onnx, tmp_path):
    (tmp_path / "cut.onnx").write_bytes(make_onnx()[:200])
    (tmp_path / "cut.tflite").write_bytes((files / "colors.tflite").read_bytes()[:400])
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").write_bytes(b"\x0a\xff\xff\xff")
    for name in ("cut.onnx", "cut.tflite", "saved"):
        with pytest.raises(ArtifactError):
            open_source(tmp_path / name)


def test_the_process_of_a_saved_model_that_dies(known, tmp_path, monkeypatch):
    from edgevision.converters import saved_model

    monkeypatch.setattr(saved_model, "CHILD", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(ConversionError, match=r"process that loads the SavedModel saved ended with signal SIGSEGV"):
        convert(known("saved_model"), tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_saved_model_without_a_signature(model, tmp_path):
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "bare"))
    with pytest.raises(ArtifactError, match="without the signature serving_default: got none"):
        open_source(tmp_path / "bare")


def test_the_code_of_a_saved_model_does_not_run_here(model, tmp_path):
    import tensorflow as tf

    target = tmp_path / "written"

    class Writer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image")])
        def serve(self, image):
            tf.io.write_file(str(target), "ran")
            return {"scores": tf.reduce_mean(image, (1, 2))}

    module = Writer()
    tf.saved_model.save(module, str(tmp_path / "writer"), signatures=module.serve)
    source = open_source(tmp_path / "writer")
    with pytest.raises(ConversionError, match=r"operators that the format does not have: .*WriteFile"):
        convert(source, tmp_path / "made")
    assert not target.exists()
