"""Models as ONNX: the same answers on every runtime, names and layout kept, the same bytes again."""

import re
import sys

import numpy as np
import pytest

from edgevision.adopt import adopt
from edgevision.calibration import CalibrationDataset
from edgevision.converters import SourceModel, convert
from edgevision.converters.base import check_conversion
from edgevision.converters.file_source import open_source
from edgevision.converters.keras_import import load_source
from edgevision.converters.onnx_file import check_constants, name_tensors
from edgevision.data.locate import open_dataset
from edgevision.errors import BackendUnavailableError, ConfigError, ConversionError
from edgevision.evaluate import evaluate
from edgevision.export import export, make_golden
from edgevision.runtimes import available_runtimes, load
from edgevision.shipped import shipped_model
from edgevision.verify import verify

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
keras = pytest.importorskip("tf_keras", reason="the extra train is not installed")
pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")


@pytest.fixture(scope="module")
def converted(small, images, tmp_path_factory):
    golden = make_golden(small, images, count=4)
    return export(small, tmp_path_factory.mktemp("onnx"), to=["onnx"], golden=golden)[0].artifact


def test_every_runtime_answers_as_keras_does(converted, small, inputs):
    wanted = small.model(inputs).numpy()
    assert "onnxruntime" in available_runtimes(converted)
    for runtime in available_runtimes(converted):
        with load(converted, runtime=runtime) as model:
            given = np.concatenate([model.infer([picture[None]])[0] for picture in inputs])
        np.testing.assert_allclose(given, wanted, atol=1e-5, err_msg=runtime)


def test_it_is_sealed_on_the_runtimes_here_and_holds(converted):
    assert set(converted.manifest.runtimes) == set(available_runtimes(converted))
    assert verify(converted).verdict == "holds"


def test_the_file_says_what_the_manifest_says(converted, small):
    manifest = converted.manifest
    assert [(s.name, s.shape, s.dtype, s.layout) for s in (*manifest.inputs, *manifest.outputs)] == [
        ("image", (1, 32, 32, 3), "float32", "NHWC"), ("probabilities", (1, 10), "float32", "NC"),
    ]  # fmt: skip
    assert manifest.lineage[-1].parameters == {"to": "onnx", "scheme": "float32", "batch": 1}
    assert {"tf2onnx", "onnx", "tensorflow", "tf-keras"} <= set(manifest.lineage[-1].tools)
    model = onnx.load(converted.model_file)
    onnx.checker.check_model(model, full_check=True)
    fields = {entry.key: entry.value for entry in model.metadata_props}
    assert (fields["model_info mean_values"], fields["model_info model_type"]) == (
        "128.0 128.0 128.0",
        "Classification",
    )
    assert (model.graph.name, model.graph.doc_string, model.opset_import[0].version) == ("small", "", 17)
    assert any(node.name == "small/pointwise/Conv2D" for node in model.graph.node)
    names = [node.name for node in model.graph.node]
    assert len(names) == len(set(names)) and not any(re.search(r"__\d|PartitionedCall", name) for name in names)


def test_converting_again_gives_the_same_bytes(converted, small, tmp_path):
    again = convert(small, tmp_path, to="onnx").artifact.model_file.read_bytes()
    assert again == converted.model_file.read_bytes()


def test_model_api_runs_the_file_alone(converted, images):
    models = pytest.importorskip("model_api.models", reason="openvino-model-api is not installed")
    adapters = pytest.importorskip("model_api.adapters", reason="openvino-model-api is not installed")
    openvino = pytest.importorskip("openvino", reason="the extra openvino is not installed")
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    adapter = adapters.OpenvinoAdapter(openvino.Core(), str(converted.model_file), device="CPU", plugin_config=config)
    theirs = models.Model.create_model(adapter)
    with load(converted) as model:
        to_input = converted.manifest.preprocessing.bind(model.inputs[0])
        for index in range(5):
            image = images.image(index)
            (expected,) = model.infer([to_input(image)[0]])
            result = theirs(np.ascontiguousarray(image[..., ::-1]))  # it takes BGR
            np.testing.assert_allclose(result.raw_scores, expected[0], atol=1e-4)


def test_several_inputs_and_outputs_keep_names_order_and_batch(tmp_path):
    zebra, ant = keras.Input((2,), name="zebra"), keras.Input((3,), name="ant")
    tall = keras.layers.Rescaling(2.0, name="tall")(ant)
    model = keras.Model([zebra, ant], [tall, keras.layers.Rescaling(-1.0, name="low")(zebra)], name="both")
    source = SourceModel(model, "both")
    artifact = convert(source, tmp_path, to="onnx", batch=2).artifact
    stated = [(spec.name, spec.shape) for spec in (*artifact.manifest.inputs, *artifact.manifest.outputs)]
    assert stated == [("zebra", (2, 2)), ("ant", (2, 3)), ("tall", (2, 3)), ("low", (2, 2))]
    file = onnx.load(artifact.model_file).graph
    assert [entry.name for entry in (*file.input, *file.output)] == [name for name, _ in stated]
    left, right = np.float32([[1, 2], [3, 4]]), np.ones((2, 3), np.float32)
    with load(artifact) as loaded:
        for answer, wanted in zip(loaded.infer([left, right]), (2 * right, -left), strict=True):
            np.testing.assert_array_equal(answer, wanted)


def test_an_operation_that_the_format_does_not_have_is_named(tmp_path):
    tf = pytest.importorskip("tensorflow")

    class Eigenvalues(keras.layers.Layer):
        def call(self, inputs):
            return tf.linalg.eigh(inputs)[0]

    source = SourceModel(keras.Sequential([keras.Input((4, 4)), Eigenvalues()]), "odd")
    with pytest.raises(ConversionError, match="operators that the format does not have: SelfAdjointEigV2"):
        convert(source, tmp_path, to="onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scheme": "float16"}, "scheme for onnx: got float16; allowed: float32"),
        ({"granularity": "per_tensor"}, "granularity"),
        ({"io_dtype": "int8"}, "io_dtype of float32 for onnx"),
        ({"int16_layers": ["stem"]}, "onnx has no int16_layers"),
        ({"float_layers": ["stem"]}, "float_layers for onnx: scheme"),
        ({"sparse_encoding": True}, "scheme with sparse_encoding for onnx"),
    ],
)
def test_options_that_it_does_not_have(small, tmp_path, options, said):
    with pytest.raises(ConfigError, match=said):
        convert(small, tmp_path, to="onnx", **options)
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_the_error_names_the_extra(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(BackendUnavailableError, match=r"edgevision\[onnx\]"):
        convert(small, tmp_path, to="onnx")


def branching():
    """A model whose answer comes from one of two graphs inside it, with constants in each."""
    from onnx import TensorProto, helper

    def inner(value):
        end = helper.make_tensor_value_info(f"sum__{value}:0", TensorProto.FLOAT, (2,))
        constant = helper.make_tensor(f"c__{value}", TensorProto.FLOAT, (1, 2), [value] * 2)
        flat = helper.make_tensor(f"axis__{value}", TensorProto.INT64, (1,), [0])
        nodes = [
            helper.make_node("Squeeze", [f"c__{value}", f"axis__{value}"], [f"flat__{value}"], name=f"s__{value}"),
            helper.make_node("Add", ["input_0", f"flat__{value}"], [f"sum__{value}:0"], name=f"a__{value}"),
        ]
        return helper.make_graph(nodes, "inner", [], [end], [constant, flat])

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (2,)) for name in ("input_0", "output_0")]
    which = helper.make_tensor("which__7", TensorProto.BOOL, (), [True])
    node = helper.make_node("If", ["which__7"], ["output_0"], then_branch=inner(5), else_branch=inner(9))
    graph = helper.make_graph([node], "outer", ends[:1], ends[1:], [which])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def test_names_inside_branches_follow_and_stay_apart():
    model = branching()
    name_tensors(model, {"input_0": "image", "output_0": "sum:0"})
    onnx.checker.check_model(model, full_check=True)
    (node,) = model.graph.node
    first, second = (attribute.g for attribute in node.attribute)
    assert [model.graph.input[0].name, model.graph.output[0].name] == ["image", "sum:0"]
    assert [graph.output[0].name for graph in (first, second)] == ["sum:0_2", "sum:0_3"]
    assert {first.node[1].input[0], second.node[1].input[0]} == {"image"}
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"image": np.zeros(2, np.float32)})[0].tolist() == [5, 5]


@pytest.mark.parametrize(("value", "refused"), [(np.nan, True), (np.inf, True), (1e30, False)])
def test_weights_that_are_no_numbers_are_named(value, refused):
    model = branching()
    inner = model.graph.node[0].attribute[1].g
    inner.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.full((1, 2), value, np.float32), "kernel"))
    if refused:
        with pytest.raises(ConversionError, match="odd: weights are NaN or infinite: got kernel"):
            check_constants(model, "odd")
    else:
        check_constants(model, "odd")


@pytest.fixture(scope="module")
def quantized(small, images, tmp_path_factory):
    golden = make_golden(small, images, count=4)
    out = tmp_path_factory.mktemp("onnx8")
    options = {"to": ["onnx"], "scheme": "static_wi8_ai8", "calibration_data": images, "calibration_count": 40}
    return export(small, out, golden=golden, **options)[0]


def test_int8_is_as_close_to_float_as_the_other_formats_are(quantized, small, images, inputs, tmp_path):
    assert {"onnxruntime", "openvino"} <= set(available_runtimes(quantized.artifact))
    calibration = CalibrationDataset.from_dataset(images, small.preprocessing, 40)
    tflite = convert(small, tmp_path, scheme="static_wi8_ai8", io_dtype="float32", calibration=calibration).artifact
    yardstick = _mean_error(tflite, "tflite", small, inputs)
    for runtime in available_runtimes(quantized.artifact):
        assert _mean_error(quantized.artifact, runtime, small, inputs) < 2 * yardstick, runtime  # saturated: 20 times
    assert verify(quantized.artifact).verdict == "holds"


def _mean_error(artifact, runtime, source, inputs):
    with load(artifact, runtime=runtime) as model:
        given = np.concatenate([model.infer([picture[None]])[0] for picture in inputs])
    return np.abs(given - source.model(inputs).numpy()).mean()


def test_int8_of_a_trained_model_keeps_its_accuracy_in_a_third_of_the_bytes(tmp_path):
    source, train = load_source(shipped_model()), open_dataset("sample", "train")
    test = open_dataset("sample", "test").balanced(300)
    made = {}
    for scheme in ("float32", "static_wi8_ai8"):
        calibration = CalibrationDataset.from_dataset(train, source.preprocessing, 100)
        artifact = convert(source, tmp_path, to="onnx", scheme=scheme, calibration=calibration).artifact
        made[scheme] = evaluate(artifact, test, runtime="onnxruntime").classification.accuracy.value, artifact.bytes
    assert made["static_wi8_ai8"][0] > made["float32"][0] - 0.02
    assert made["static_wi8_ai8"][1] < 0.36 * made["float32"][1]


def test_int8_weights_and_activations_are_int8(quantized):
    model = onnx.load(quantized.artifact.model_file)
    onnx.checker.check_model(model, full_check=True)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    made = {name: node for node in model.graph.node for name in node.output}
    heavy = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    assert heavy and not quantized.report.skipped
    for node in heavy:
        for name, dtype in zip(node.input, (None, "int8", "int32"), strict=False):
            assert made[name].op_type == "DequantizeLinear", node.name
            if dtype:
                assert onnx.numpy_helper.to_array(weights[made[name].input[0]]).dtype == dtype
    assert [spec.dtype for spec in (*quantized.artifact.manifest.inputs, *quantized.artifact.manifest.outputs)] == [
        "float32", "float32",
    ]  # fmt: skip
    assert quantized.report.statistics == "measured"
    assert "onnxruntime" in quantized.artifact.manifest.lineage[-1].tools


def test_scales_are_per_channel_or_per_tensor(small, images, tmp_path):
    lengths = {}
    for granularity in ("per_channel", "per_tensor"):
        report = _int8(small, images, tmp_path / granularity, granularity=granularity)
        model = onnx.load(report.artifact.model_file)
        scales = {tensor.name: tensor for tensor in model.graph.initializer}
        made = {name: node for node in model.graph.node for name in node.output}
        conv = next(node for node in model.graph.node if node.op_type == "Conv")
        lengths[granularity] = onnx.numpy_helper.to_array(scales[made[conv.input[1]].input[1]]).size
    assert lengths["per_tensor"] == 1 < lengths["per_channel"]


def test_layers_that_are_to_stay_in_float_do(small, images, tmp_path):
    made = _int8(small, images, tmp_path, float_layers=["pointwise"])
    assert made.report.skipped == (("small/pointwise/Conv2D", "stays in float, as asked"),)
    model = onnx.load(made.artifact.model_file)
    floats = {tensor.name for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
    kernels = {node.name: node.input[1] for node in model.graph.node if node.op_type == "Conv"}
    assert [name for name, kernel in kernels.items() if kernel in floats] == ["small/pointwise/Conv2D"]
    with pytest.raises(ConfigError, match=r"float_layers.*pointwize.*pointwise"):
        _int8(small, images, tmp_path / "typo", float_layers=["pointwize"])


def test_statistics_are_kept_and_used_for_another_method(small, images, tmp_path):
    cache = tmp_path / "cache"
    first = _int8(small, images, tmp_path / "a", calibration_cache=cache)
    second = _int8(small, images, tmp_path / "b", calibration_cache=cache, calibration_method="percentile")
    fresh = _int8(small, images, tmp_path / "c", calibration_method="percentile")
    assert (first.report.statistics, second.report.statistics) == ("measured", "reused")
    assert second.artifact.model_file.read_bytes() == fresh.artifact.model_file.read_bytes()
    assert second.artifact.model_file.read_bytes() != first.artifact.model_file.read_bytes()


def test_quantizing_again_gives_the_same_bytes(quantized, small, images, tmp_path):
    again = _int8(small, images, tmp_path)
    assert again.artifact.model_file.read_bytes() == quantized.artifact.model_file.read_bytes()


def test_an_onnx_file_of_somebody_elses_is_quantized(converted, quantized, small, images, inputs, tmp_path):
    bare = onnx.load(converted.model_file)
    for node in bare.graph.node:
        node.name = ""  # a node need not have a name
    for entry in (*bare.graph.input, *bare.graph.output):
        entry.type.tensor_type.shape.dim[0].dim_param = "N"
    del bare.graph.value_info[:]
    file = tmp_path / "theirs.onnx"
    onnx.save(bare, file)
    known = adopt(file, tmp_path / "adopted", preprocessing=small.preprocessing, labels=small.labels, layout="NHWC")
    made = _int8(open_source(known.path), images, tmp_path / "out")
    assert _mean_error(made.artifact, "onnxruntime", small, inputs) < 1.1 * _mean_error(
        quantized.artifact, "onnxruntime", small, inputs
    )
    again = adopt(made.artifact.model_file, tmp_path / "q", preprocessing=small.preprocessing, layout="NHWC")
    with pytest.raises(ConfigError, match="quantized already"):
        _int8(open_source(again.path), images, tmp_path / "twice")


def test_constants_that_are_nodes_are_quantized_as_initializers_are(
    converted, quantized, small, images, inputs, tmp_path
):
    """Other exporters write weights and numbers as Constant nodes, which are no activations."""
    model = onnx.load(converted.model_file)
    nodes = [onnx.helper.make_node("Constant", [], [one.name], value=one) for one in model.graph.initializer]
    others = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend([*nodes, *others])
    onnx.checker.check_model(model)
    onnx.save(model, tmp_path / "nodes.onnx")
    known = adopt(tmp_path / "nodes.onnx", tmp_path / "adopted", preprocessing=small.preprocessing, layout="NHWC")
    made = _int8(open_source(known.path), images, tmp_path / "out")
    assert not made.report.skipped
    assert _mean_error(made.artifact, "onnxruntime", small, inputs) < 1.1 * _mean_error(
        quantized.artifact, "onnxruntime", small, inputs
    )


def test_a_model_of_quantization_aware_training_is_refused_before_any_work(small, tmp_path):
    with pytest.raises(ConfigError, match=r"quantization-aware training.*got onnx.*tflite, openvino"):
        check_conversion(small, tmp_path, "onnx", "static_wi8_ai8", trained=True)


def _int8(source, images, out, **options):
    calibration = CalibrationDataset.from_dataset(images, source.preprocessing, 40)
    return convert(source, out, to="onnx", scheme="static_wi8_ai8", calibration=calibration, **options)
