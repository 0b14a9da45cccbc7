"""Sealing and verifying real models on real runtimes: what holds, what breaks, and what is not known."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.errors import ArtifactError, ConfigError, EdgeVisionError, IncompatibleModelError
from edgevision.files import sha256_file
from edgevision.preprocessing import Preprocessing
from edgevision.runtimes import load
from edgevision.verify import seal, verify
from edgevision.verify.running import run_images

KINDS = ("float", "int8", "openvino")


def rewrite(artifact: Artifact, change) -> Artifact:
    """Change the manifest's JSON behind edgevision's back."""
    path = artifact.path / "manifest.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    return Artifact.open(artifact.path)


def parity(document: dict, runtime: str = "tflite") -> dict:
    return document["runtimes"][runtime]["parity"]


def elsewhere(document: dict) -> None:
    """As if it had been sealed on another processor."""
    for table in document["runtimes"].values():
        table["parity"]["conditions"]["processor"] = "riscv64 Another Processor: v"


def forget_identity(document: dict) -> None:
    """As if the forger of a file had also forged what sealing said of it."""
    entries = {entry["name"]: entry["sha256"] for entry in document["files"]}
    for table in document["runtimes"].values():
        known = table["parity"]["identity"]
        known["files"] = {name: entries[name] for name in known["files"]}
        known["preprocessing"] = Preprocessing.from_dict(document["preprocessing"]).hash


@pytest.mark.parametrize("kind", KINDS)
def test_a_sealed_artifact_holds(artifact_of, kind):
    sealed = seal(artifact_of(kind))
    result = verify(sealed)
    assert result.holds and result.verdict == "holds"
    (check,) = result.checks
    assert check.reasons == () and check.same_conditions and check.samples == 12
    assert check.outputs[0].sealed.max_abs_error == 0.0
    assert result.files == len(sealed.files) > 12
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["holds"] is True


def test_int8_repeats_to_the_bit(artifact_of):
    (check,) = verify(seal(artifact_of("int8"))).checks
    assert (check.outputs[0].sealed.max_lsb, check.outputs[0].tolerance.max_lsb) == (0, 0)


def test_the_cost_of_the_scheme_is_told(artifact_of):
    (exact,) = verify(seal(artifact_of("float"))).checks
    (rounded,) = verify(seal(artifact_of("int8"))).checks
    assert exact.agreement.successes == exact.agreement.count == 12 and exact.float_distance.max_abs_error < 1e-5
    assert 0.001 < rounded.float_distance.max_abs_error < 0.5
    assert rounded.agreement.successes >= 8 and rounded.agreement.low < rounded.agreement.value


def test_sealing_writes_what_the_model_answers(artifact_of, golden):
    artifact = seal(artifact_of("int8"))
    with load(artifact) as model:
        bound = artifact.manifest.preprocessing.bind(model.inputs[0])
        answers = np.concatenate([model.infer([bound(sample)[0]])[0] for sample in golden.samples])
    np.testing.assert_array_equal(artifact.golden().expected["tflite"][0], answers)
    table = Artifact.open(artifact.path).manifest.runtimes["tflite"]["parity"]
    (output,) = table["outputs"]
    assert output["repeat"]["max_lsb"] == 0 and output["allowance"]["max_lsb"] >= 1
    assert table["conditions"]["threads"] == 1 and "processor" in table["conditions"]


def test_sealing_keeps_what_others_measured(artifact_of):
    artifact = artifact_of("float").update(runtimes={"tflite": {"latency": 1.5}, "elsewhere": {"parity": {}}})
    sealed = seal(artifact)
    assert sealed.manifest.runtimes["tflite"]["latency"] == 1.5 and "parity" in sealed.manifest.runtimes["tflite"]
    assert verify(sealed).not_here == ("elsewhere",)


def test_the_evidence_of_another_device_is_not_replaced(artifact_of):
    sealed = rewrite(seal(artifact_of("float")), lambda document: parity(document).update(device="gpu"))
    with pytest.raises(ConfigError, match="sealed on tflite for another device: got cpu; allowed: gpu; seal a copy"):
        seal(sealed)


@pytest.mark.parametrize(("kind", "step"), [("int8", 1), ("openvino", 1e-3)])
def test_other_answers_under_the_conditions_of_the_sealing_have_no_cause_among_them(artifact_of, kind, step):
    sealed = seal(artifact_of(kind))
    golden, runtime = sealed.golden(), "openvino" if kind == "openvino" else "tflite"
    changed = tuple(answer.copy() for answer in golden.expected[runtime])
    changed[0].flat[0] += step if changed[0].flat[0] < 100 else -step
    forged = sealed.update(golden=replace(golden, expected={runtime: changed}))
    (check,) = verify(forged, runtimes=[runtime]).checks
    assert check.verdict == "broken" and check.same_conditions and check.findings.causes == ()


def test_never_sealed_is_unproven(artifact_of):
    result = verify(artifact_of("float"))
    assert not result.holds and result.verdict == "unproven"
    (check,) = result.checks
    assert check.outputs[0].sealed is None and check.float_distance.max_abs_error < 1e-5
    assert check.reasons == ("never sealed on tflite and cpu",)


def test_no_golden_samples_is_unproven(artifact_of):
    result = verify(artifact_of("float", with_golden=False))
    assert result.verdict == "unproven" and "no golden samples" in result.checks[0].reasons[0]


def test_a_changed_byte_is_an_error(artifact_of):
    artifact = seal(artifact_of("int8"))
    content = bytearray(artifact.model_file.read_bytes())
    content[len(content) // 2] ^= 1
    artifact.model_file.write_bytes(content)
    with pytest.raises(ArtifactError, match="changed since"):
        verify(artifact)


def put_other_model(artifact: Artifact, files) -> None:
    artifact.model_file.write_bytes(files["int8-other"][1]["model.tflite"])


def fix_hashes(artifact: Artifact):
    def change(document):
        entry = document["files"][0]
        entry["sha256"], entry["bytes"] = sha256_file(artifact.model_file), artifact.model_file.stat().st_size
        with load(Artifact.describe(artifact.model_file)) as model:
            for key, spec in (("inputs", model.inputs[0]), ("outputs", model.outputs[0])):
                document[key][0]["quant"] = spec.quant.to_dict()

    return change


def test_another_model_with_its_own_hash_is_broken(artifact_of, files):
    artifact = seal(artifact_of("int8"))
    put_other_model(artifact, files)
    result = verify(rewrite(artifact, fix_hashes(artifact)))
    assert result.verdict == "broken" and not result.holds
    reasons = " ".join(result.checks[0].reasons)
    assert "model.tflite is not the file that was sealed" in reasons and "differs by up to" in reasons


@pytest.mark.parametrize("moved", [False, True], ids=["same machine", "another machine"])
def test_another_model_is_broken_by_its_answers_alone(artifact_of, files, moved):
    artifact = seal(artifact_of("int8"))
    put_other_model(artifact, files)
    artifact = rewrite(artifact, fix_hashes(artifact))
    artifact = rewrite(artifact, forget_identity)
    if moved:
        artifact = rewrite(artifact, elsewhere)
    (check,) = verify(artifact).checks
    assert check.verdict == "broken" and check.same_conditions is not moved
    assert len(check.reasons) == 1 and "differs by up to" in check.reasons[0]


WRONG = {
    "no normalization": {"mean": [0, 0, 0], "std": [1, 1, 1]},
    "BGR": {"color": "BGR"},
    "mean one off": {"mean": [127, 127, 127]},
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_preprocessing_is_broken(artifact_of, kind, wrong):
    artifact = rewrite(seal(artifact_of(kind)), lambda document: document["preprocessing"].update(WRONG[wrong]))
    (check,) = verify(artifact).checks
    assert check.verdict == "broken"
    assert "the preprocessing is not the one that was sealed" in check.reasons
    assert any("differs by up to" in reason for reason in check.reasons)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda document: document["labels"].reverse(), "the labels are not those"),
        (lambda document: document.update(labels=None), "the labels are not those"),
        (lambda document: document["decoding"].update(activation="logits"), "the decoding is not the one"),
    ],
)
def test_other_labels_or_another_decoding_are_broken(artifact_of, change, what):
    """The outputs are the same, and what they are called is not."""
    sealed = seal(artifact_of("float"))
    (check,) = verify(rewrite(sealed, change)).checks
    assert (check.verdict, check.reasons) == ("broken", (f"{what} that {'were' if 'are' in what else 'was'} sealed",))


@pytest.mark.parametrize("wrong", ["no normalization", "BGR"])
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_preprocessing_is_broken_by_the_answers_on_another_machine(artifact_of, kind, wrong):
    artifact = rewrite(seal(artifact_of(kind)), lambda document: document["preprocessing"].update(WRONG[wrong]))
    artifact = rewrite(rewrite(artifact, forget_identity), elsewhere)
    (check,) = verify(artifact).checks
    assert check.verdict == "broken" and check.same_conditions is False
    assert len(check.reasons) == 1 and "differs by up to" in check.reasons[0]


@pytest.mark.parametrize("kind", KINDS)
def test_holds_on_another_machine(artifact_of, kind):
    (check,) = verify(rewrite(seal(artifact_of(kind)), elsewhere)).checks
    assert check.verdict == "holds" and check.same_conditions is False
    assert check.outputs[0].tolerance.max_abs_error > 0


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_other_kernels_are_within_the_allowance(artifact_of, kind):
    """The reference kernels stand in for another processor: they round differently, and the model is the same."""
    (check,) = verify(seal(artifact_of(kind)), options={"resolver": "reference"}).checks
    assert check.verdict == "holds" and check.same_conditions is False


def test_reduced_precision_is_broken(artifact_of):
    artifact = seal(artifact_of("openvino"))
    try:
        load(artifact, options={"precision": "bfloat16"}).close()
    except IncompatibleModelError:
        pytest.skip("this processor has no bfloat16")
    (check,) = verify(artifact, options={"precision": "bfloat16"}).checks
    assert check.verdict == "broken" and check.same_conditions is False
    cause = "float parts computed in bfloat16; it was sealed with float parts computed in float32"
    assert check.findings.causes == (cause,)


def test_alikeness_to_the_float_model_and_steps_to_what_was_sealed_are_told(artifact_of, golden):
    (exact,), (rounded,) = (verify(seal(artifact_of(kind))).checks for kind in ("float", "int8"))
    assert rounded.outputs[0].closeness.sqnr_db < 60 < (exact.outputs[0].closeness.sqnr_db or 200)
    assert 0.9 < rounded.outputs[0].closeness.cosine < 1 and exact.outputs[0].steps is None
    assert rounded.outputs[0].steps == {0: 10 * len(golden.samples)}


def test_agreement_over_a_dataset(artifact_of, images):
    artifact, reference = seal(artifact_of("int8")), artifact_of("float")
    (check,) = verify(artifact, dataset=images, reference=reference).checks
    assert check.dataset_agreement.count == 60 and check.dataset_agreement.successes >= 45
    assert check.verdict == "holds"
    with pytest.raises(ConfigError, match="needs the float model"):
        verify(artifact, dataset=images)
    with pytest.raises(ConfigError, match="needs images"):
        verify(artifact, reference=reference)
    with pytest.raises(ConfigError, match="other labels"):
        verify(artifact, dataset=images, reference=reference.update(labels=tuple("abcdefghij")))


def test_samples_are_taken_from_a_dataset_where_there_are_none(artifact_of, images):
    artifact = artifact_of("int8", with_golden=False)
    with pytest.raises(ArtifactError, match="no golden samples"):
        seal(artifact)
    sealed = seal(artifact, images, reference=artifact_of("float"))
    golden = sealed.golden()
    assert len(golden.samples) == 8 and golden.targets[0] is not None and golden.provenance[0]
    assert verify(sealed).holds and verify(sealed).checks[0].agreement.count == 8


def test_without_the_float_model_samples_are_chosen_by_the_models_own_answers(artifact_of, images):
    sealed = seal(artifact_of("int8", with_golden=False), images)
    golden = sealed.golden()
    assert len(golden.samples) == 8 and golden.float_outputs == ()
    scores = np.sort(golden.expected["tflite"][0].astype(int), axis=1)
    margins = scores[:, -1] - scores[:, -2]
    assert margins[:4].tolist() == sorted(margins[:4]) and margins[:4].max() <= margins[4:].min()


def test_the_same_sealing_gives_the_same_bytes(artifact_of):
    first = seal(artifact_of("int8"))
    before = (first.path / "manifest.json").read_bytes()
    seal(Artifact.open(first.path))
    assert (first.path / "manifest.json").read_bytes() == before


def test_a_bare_file_is_unproven(artifact_of):
    artifact = artifact_of("float")
    bare = Artifact.describe(artifact.model_file, preprocessing=artifact.manifest.preprocessing)
    assert verify(bare).verdict == "unproven"
    with pytest.raises(EdgeVisionError):
        seal(bare)
    unknown = Artifact.describe(artifact.model_file)
    with pytest.raises(ArtifactError, match=f"{artifact.model_file.name}: its preprocessing is unknown"):
        run_images(unknown, [], runtime="tflite")


def test_unknown_names_are_refused(artifact_of):
    with pytest.raises(ConfigError, match="runtime"):
        verify(artifact_of("float"), runtimes=["tflight"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda table: table.pop("identity"),
        lambda table: table.update(outputs=[]),
        lambda table: table.update(outputs=[{"name": "x"}]),
        lambda table: table["outputs"][0]["repeat"].update(max_abs_error="much"),
        lambda table: table.update(identity={"files": 3, "preprocessing": None}),
        lambda table: table.update(identity={"files": ["model.tflite"], "preprocessing": None}),
        lambda table: table["identity"]["files"].update({"model.tflite": 5}),
        lambda table: table.update(conditions=None),
        lambda table: table.update(verdict="holds"),
    ],
)
def test_a_damaged_table_is_an_error_of_the_artifact(artifact_of, damage):
    artifact = rewrite(seal(artifact_of("float")), lambda document: damage(parity(document)))
    with pytest.raises(ArtifactError, match=r"damaged parity table of tflite|not as many"):
        verify(artifact)


def test_sealed_values_of_another_shape_are_an_error(artifact_of):
    artifact = seal(artifact_of("float"))
    path = artifact.path / "golden/expected/tflite_0.npy"
    np.save(path, np.zeros((12, 11), np.float32))

    def change(document):
        entry = next(entry for entry in document["files"] if entry["name"] == "golden/expected/tflite_0.npy")
        entry["sha256"], entry["bytes"] = sha256_file(path), path.stat().st_size

    with pytest.raises(ArtifactError, match="do not belong"):
        verify(rewrite(artifact, change))


def test_a_missing_golden_file_is_an_error(artifact_of):
    artifact = seal(artifact_of("float"))
    shutil.rmtree(artifact.path / "golden")
    with pytest.raises(ArtifactError, match="missing"):
        verify(artifact)
