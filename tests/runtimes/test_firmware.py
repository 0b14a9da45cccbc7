"""The runtime that builds generated firmware here: the promises of every runtime, on an int8 model."""

import os
from pathlib import Path

import numpy as np
import pytest

from edgevision.converters.firmware import firmware
from edgevision.errors import ArtifactError, BackendUnavailableError, IncompatibleModelError, InferenceError, InputError
from edgevision.firmware_library import host_compiler
from edgevision.runtimes import CompiledModel, available_runtimes, load

pytestmark = pytest.mark.skipif(host_compiler() is None, reason="no C compiler: apt-get install gcc")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    if "EDGEVISION_DATA" not in os.environ:
        pytest.skip("EDGEVISION_DATA is not set: no int8 model")
    model = Path(os.environ["EDGEVISION_DATA"]) / "models/mlperf_tiny/kws/kws_ref_model.tflite"
    return firmware(model, tmp_path_factory.mktemp("firmware"), name="kws").artifact


def vectors(model, count=3):
    draw = np.random.default_rng(4)
    return [[draw.integers(-128, 128, spec.shape).astype(np.int8) for spec in model.inputs] for _ in range(count)]


def test_it_answers_with_new_arrays_and_leaves_its_inputs(artifact):
    assert available_runtimes(artifact) == ("firmware",)
    with load(artifact) as model:
        assert isinstance(model, CompiledModel) and model.facts["runtime"] == "firmware"
        first, second, _ = vectors(model)
        kept = first[0].copy()
        answer = model.infer(first)
        copy = answer[0].copy()
        model.infer(second)
        assert answer[0].dtype == np.int8 and answer[0].shape == model.outputs[0].shape
        np.testing.assert_array_equal(answer[0], copy)
        np.testing.assert_array_equal(first[0], kept)
        strided = np.repeat(first[0], 2, axis=-1)[..., ::2]
        np.testing.assert_array_equal(model.infer([strided])[0], copy)


def test_two_of_them_are_independent(artifact):
    with load(artifact) as one, load(artifact) as other:
        first, second, _ = vectors(one)
        wanted = one.infer(first)[0]
        other.infer(second)
        np.testing.assert_array_equal(one.infer(first)[0], wanted)


def test_dtype_and_shape_match_exactly(artifact):
    with load(artifact) as model:
        (tensor,) = vectors(model, 1)[0]
        for wrong in (tensor.astype(np.uint8), tensor[0], tensor.tolist()):
            with pytest.raises(InputError):
                model.infer([wrong])
    with pytest.raises(InferenceError, match="closed"):
        model.infer([tensor])


def test_a_batch_that_it_does_not_have_is_refused(artifact):
    with pytest.raises(IncompatibleModelError, match="fixed batch of 1"):
        load(artifact, options={"batch": 2})


def test_without_a_compiler_it_says_so(artifact, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(BackendUnavailableError, match="C compiler"):
        load(artifact)


def test_a_damaged_report_is_said_to_be_one(artifact, tmp_path):
    import shutil

    from edgevision.artifact import Artifact

    copy = tmp_path / "copy"
    shutil.copytree(artifact.path, copy)
    (copy / "firmware.json").write_text("{}")
    with pytest.raises(ArtifactError, match="missing or damaged"):
        load(Artifact(copy, artifact.manifest))


def test_code_that_does_not_compile_is_refused(artifact, tmp_path):
    import shutil

    from edgevision.artifact import Artifact

    copy = tmp_path / "copy"
    shutil.copytree(artifact.path, copy)
    (copy / "kws.c").write_text("int broken(")
    with pytest.raises(IncompatibleModelError, match="does not compile"):
        load(Artifact(copy, artifact.manifest))
