"""edgevision verify: sealing, holding, and being broken."""

import json
import shutil

import numpy as np
import pytest

from edgevision.artifact import Artifact


@pytest.fixture
def copy(artifact, tmp_path):
    shutil.copytree(artifact.path, tmp_path / "copy")
    return tmp_path / "copy"


def test_unproven_until_it_is_sealed(run, copy, images):
    unproven = run("verify", copy)
    assert unproven.exit_code == 3
    assert "check failed: colors is unproven" in unproven.stderr
    sealed = run("verify", copy, "--seal", "--data", images)
    assert sealed.exit_code == 0, sealed.stderr
    assert sealed.stdout.startswith("colors: holds")
    document = json.loads(run("verify", copy, "--json").stdout)
    assert document["holds"] is True and document["command"] == "verify"
    assert [check["runtime"] for check in document["checks"]] == ["tflite"]


def test_other_answers_are_broken(run, copy, images):
    assert run("verify", copy, "--seal", "--data", images).exit_code == 0
    artifact = Artifact.open(copy)
    golden = artifact.golden()
    wrong = {name: tuple(1 - output for output in outputs) for name, outputs in golden.expected.items()}
    artifact.update(golden=type(golden)(golden.samples, golden.targets, golden.provenance, (), wrong))
    result = run("verify", copy)
    assert result.exit_code == 3 and "check failed: colors is broken" in result.stderr
    assert "broken" in result.stdout


def test_agreement_with_a_reference(run, copy, artifact, images):
    run("verify", copy, "--seal", "--data", images)
    result = run("verify", copy, "--data", images, "--reference", artifact.path)
    assert result.exit_code == 0 and "36/36" in result.stdout


def test_images_and_a_reference_belong_together(run, copy, artifact, images):
    alone = run("verify", copy, "--data", images)
    assert alone.exit_code == 2 and "needs the float model; name it (--reference)" in alone.stderr
    alone = run("verify", copy, "--reference", artifact.path)
    assert alone.exit_code == 2 and "--reference needs --data" in alone.stderr


def test_sealing_needs_samples(run, copy):
    refused = run("verify", copy, "--seal")
    assert refused.exit_code == 1 and "no golden samples; give a dataset to take some from (--data)" in refused.stderr
    assert np.array_equal(Artifact.open(copy).manifest.labels, ["red", "green", "blue"])


def test_a_runtime_that_is_none_is_not_merely_unproven(run, copy):
    result = run("verify", copy, "--runtime", "tflit")
    assert (result.exit_code, result.stdout) == (2, "") and "did you mean tflite?" in result.stderr
    result = run("verify", copy, "--runtime", "openvino")
    assert result.exit_code == 1 and "openvino does not run the format tflite" in result.stderr


def test_all_runtimes_are_those_of_no_name(run, copy):
    named, unnamed = (run("verify", copy, *more, "--json") for more in (("--runtime", "all"), ()))
    assert named.exit_code == 3 and json.loads(named.stdout) == json.loads(unnamed.stdout)


def test_what_is_sealed_with_options_holds_with_them_under_the_same_conditions(run, copy, images):
    sealed = run("verify", copy, "--seal", "--data", images, "--threads", "2", "--json")
    assert sealed.exit_code == 0, sealed.stderr
    (check,) = json.loads(sealed.stdout)["checks"]
    assert check["same_conditions"] is True
    assert Artifact.open(copy).manifest.runtimes["tflite"]["parity"]["conditions"]["threads"] == 2
    (check,) = json.loads(run("verify", copy, "--json").stdout)["checks"]
    assert check["same_conditions"] is False


def test_a_bare_file_is_told_how_it_comes_to_golden_samples(run, tflite_file, copy):
    bare = run("verify", tflite_file)
    assert (
        bare.exit_code == 3
        and "no golden samples to run; make an artifact of the file (edgevision adopt" in bare.stderr
    )
    assert bare.stderr.rstrip().endswith("edgevision verify DIR --seal --data IMAGES)")
    ours = run("verify", copy)
    assert "to run; seal it with images: edgevision verify DIR --seal" in ours.stderr and "adopt" not in ours.stderr


def test_firmware_of_a_bare_file_is_told_the_whole_way(run, tmp_path, shared_data):
    model = shared_data / "models/mlperf_tiny/vww/vww_96_int8.tflite"
    made = run("firmware", model, "--out", tmp_path, "--name", "cam")
    if "no C compiler" in made.stderr:
        pytest.skip("no C compiler here, which firmware is made with")
    assert made.exit_code == 0, made.stderr
    cam = tmp_path / "cam-c-static_wi8_ai8"
    unproven, sealed = run("verify", cam), run("verify", cam, "--seal", "--data", "sample")
    assert (unproven.exit_code, sealed.exit_code) == (3, 1)
    for said in (unproven.stderr, sealed.stderr):
        assert "its preprocessing is unknown; declare it for the model that this was generated from" in said
        assert "edgevision adopt FILE --mean … --std … --out DIR" in said and "edgevision firmware DIR" in said
