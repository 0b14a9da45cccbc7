"""The onnxruntime runtime: numerics, providers and errors are explicit, and an ONNX file prefers it where it is."""

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.errors import (
    ArtifactError,
    BackendUnavailableError,
    ConfigError,
    IncompatibleModelError,
    InferenceError,
)
from edgevision.runtimes import load
from edgevision.runtimes.onnxruntime import ONNXRuntime, _session, _settings

vendor = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


@pytest.fixture
def colors(make_onnx, tmp_path):
    """An ONNX file of elsewhere: channels first, its batch open."""
    (tmp_path / "colors.onnx").write_bytes(make_onnx())
    return Artifact.describe(tmp_path / "colors.onnx")


def expected(values):
    strengths = np.exp(4 * (values.mean((2, 3)) + 0.1))
    return strengths / strengths.sum(1, keepdims=True)


@pytest.mark.parametrize("batch", [1, 2])
def test_an_onnx_file_runs_as_it_is_with_the_batch_that_is_asked_for(colors, batch):
    values = np.random.default_rng(0).random((batch, 3, 8, 8), np.float32)
    with load(colors, options={"batch": batch}) as model:
        assert model.facts["runtime"] == "onnxruntime"
        assert [(s.name, s.shape) for s in (*model.inputs, *model.outputs)] == [
            ("image", (batch, 3, 8, 8)), ("scores", (batch, 3)),
        ]  # fmt: skip
        (answer,) = model.infer([values])
    np.testing.assert_allclose(answer, expected(values), rtol=1e-4)


def test_a_batch_that_the_file_fixes_stays(make_onnx, tmp_path):
    (tmp_path / "fixed.onnx").write_bytes(make_onnx(batch=4))
    fixed = Artifact.describe(tmp_path / "fixed.onnx")
    with load(fixed) as model:
        assert model.outputs[0].shape == (4, 3)
    with pytest.raises(IncompatibleModelError, match="fixed batch of 4: got batch 2"):
        load(fixed, options={"batch": 2})


@pytest.mark.parametrize("level", ["all", "extended", "basic", "none"])
def test_optimizing_the_graph_changes_no_answer(colors, level):
    values = np.random.default_rng(1).random((1, 3, 8, 8), np.float32)
    with load(colors, options={"graph_optimization": level}) as model:
        assert model.facts["graph_optimization"] == level
        np.testing.assert_allclose(model.infer([values])[0], expected(values), rtol=1e-4)


def test_the_facts_say_which_providers_compute_and_on_how_many_threads(colors):
    with load(colors, options={"threads": 2, "providers": ["CPUExecutionProvider"]}) as model:
        assert (model.facts["providers"], model.facts["threads"]) == (["CPUExecutionProvider"], 2)
    with load(colors, options={"threads": None}) as model:
        assert model.facts["threads"] >= 1  # all of them, as a number


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"graph_optimization": "most"}, ConfigError, "got most; allowed: all, extended, basic, none"),
        ({"graph_optimization": ["all"]}, ConfigError, "option graph_optimization"),
        ({"providers": "CPUExecutionProvider"}, ConfigError, "allowed: a list of names"),
        ({"providers": []}, ConfigError, "allowed: a list of names"),
        ({"providers": ["CUDAExecutionProvider"]}, ConfigError, "option providers: got CUDAExecutionProvider"),
        ({"providers": ["CPUExecutionProvider"] * 2}, ConfigError, "names one twice"),
        ({"providers": ["DnnlExecutionProvider"]}, BackendUnavailableError, "DnnlExecutionProvider; allowed: CPUExec"),
    ],
)
def test_option_values(colors, options, error, said):
    with pytest.raises(error, match=said):
        load(colors, options=options)


def test_a_provider_that_the_vendor_drops_is_an_error(colors):
    with pytest.raises(BackendUnavailableError, match=r"went on without .*: got CPUExec.*; allowed: XnnpackExec"):
        _session(_Dropping, colors, _settings(vendor, 1, "all"), ["XnnpackExecutionProvider", "CPUExecutionProvider"])


class _Dropping:
    """The vendor where a provider that was built in does not load: it goes on with those that do."""

    @staticmethod
    def InferenceSession(path, settings, providers):
        return vendor.InferenceSession(path, settings, providers=providers[1:])


def test_a_file_that_was_cut_off(make_onnx, tmp_path):
    (tmp_path / "cut.onnx").write_bytes(make_onnx()[:150])
    with pytest.raises(ArtifactError, match=r"cut\.onnx: a damaged ONNX model"):
        load(Artifact.describe(tmp_path / "cut.onnx"))


def test_an_operator_that_it_does_not_have(make_onnx, tmp_path):
    (tmp_path / "odd.onnx").write_bytes(make_onnx().replace(b"Softmax", b"Sofamax"))
    with pytest.raises(IncompatibleModelError, match=r"onnxruntime refuses odd\.onnx: .*Sofamax"):
        load(Artifact.describe(tmp_path / "odd.onnx"))


def test_types_that_numpy_lacks_are_refused(tmp_path):
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.BFLOAT16, (1, 2)) for name in ("image", "same")]
    graph = helper.make_graph([helper.make_node("Identity", ["image"], ["same"])], "half", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "h.onnx")
    with pytest.raises(IncompatibleModelError, match="cannot be handed over: got bfloat16"):
        load(Artifact.describe(tmp_path / "h.onnx"))


def test_a_vendor_error_while_running_is_an_error_of_ours(colors):
    with load(colors) as model:
        model.session = object()  # anything that a vendor's object may raise
        with pytest.raises(InferenceError, match="onnxruntime failed"):
            model.infer([np.zeros((1, 3, 8, 8), np.float32)])


def test_without_the_package_the_next_runtime_takes_the_file_or_the_error_names_the_extra(colors, monkeypatch):
    monkeypatch.setattr("edgevision.runtimes.base.available", lambda module: module != "onnxruntime")
    assert not ONNXRuntime().availability().available
    with pytest.raises(BackendUnavailableError, match=r'pip install "edgevision\[onnx\]"'):
        load(colors, runtime="onnxruntime")
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    with load(colors) as model:
        assert model.facts["runtime"] == "openvino"
    monkeypatch.setattr("edgevision.runtimes.base.available", lambda module: False)
    with pytest.raises(BackendUnavailableError, match=r"runtime onnxruntime needs onnxruntime"):
        load(colors)
