"""A report of real measurements: the shipped model, converted, evaluated, sealed, verified and timed."""

import json
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from edgevision.artifact import Artifact, write_artifact
from edgevision.benchmark import BenchmarkReport, Candidate, benchmark
from edgevision.calibration import CalibrationDataset
from edgevision.data.locate import open_dataset
from edgevision.evaluate import evaluate
from edgevision.report import Measured, Report, build_report, terminal_table, write_report
from edgevision.report.build import history_of
from edgevision.report.environment import environment
from edgevision.runtimes import load
from edgevision.verify import seal, verify


@pytest.fixture(scope="module")
def shipped():
    return files("edgevision") / "assets" / "resnet8"


def tflite(shipped, out, scheme: str) -> Artifact:
    """Convert the shipped model with TensorFlow itself: what is tested here is the report."""
    import tensorflow as tf

    from edgevision.converters import load_source

    source = load_source(shipped)
    call = tf.function(lambda image: source.model(image, training=False))
    concrete = call.get_concrete_function(tf.TensorSpec((1, 32, 32, 3), tf.float32, "image"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], source.model)
    if scheme != "float32":
        images = CalibrationDataset.from_dataset(open_dataset("sample", "train"), source.preprocessing, 50, seed=0)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    file = out / f"{scheme}.tflite"
    file.write_bytes(converter.convert())
    with load(Artifact.describe(file)) as model:
        specs = {
            "inputs": tuple(replace(spec, layout="NHWC") for spec in model.inputs),
            "outputs": tuple(replace(spec, layout="NC") for spec in model.outputs),
        }
    known = Artifact.open(shipped).manifest
    same = {name: getattr(known, name) for name in ("name", "task", "labels", "preprocessing", "decoding", "lineage")}
    fields = {**same, **specs, "format": "tflite", "scheme": scheme}
    return write_artifact(out / f"resnet8-tflite-{scheme}", fields, {"model.tflite": file})


@pytest.fixture(scope="module")
def measured(shipped, tmp_path_factory):
    """Float and int8 TFLite of the shipped model, on 60 images, with a benchmark of a moment."""
    pytest.importorskip("tf_keras", reason="the extra train is not installed")
    out = tmp_path_factory.mktemp("artifacts")
    floats, int8 = tflite(shipped, out, "float32"), tflite(shipped, out, "static_wi8_ai8")
    images = open_dataset("sample", "test").balanced(60, seed=1)
    floats, int8 = (seal(artifact, images, reference=floats) for artifact in (floats, int8))
    results = []
    for artifact in (floats, int8):
        evaluation = evaluate(artifact, images, runtime="tflite")
        results.append(Measured(artifact, (evaluation,), verify(artifact)))
    timing = benchmark(
        [Candidate(artifact) for artifact in (floats, int8)], warmup_s=0.05, min_duration_s=0.1, min_count=40
    )
    return results, timing


@pytest.fixture(scope="module")
def built(measured, shipped) -> Report:
    (reference, int8), timing = measured
    records = json.loads((shipped / "history.json").read_text(encoding="utf-8"))["epochs"]
    return build_report(
        "ResNet-8", reference, [int8], benchmark=timing, histories={"train": records}, dataset="60 images"
    )


def test_every_figure_is_the_measured_one(built, measured):
    (reference, int8), timing = measured
    first, second = built.entries
    assert (first.name, built.reference) == (reference.artifact.path.name,) * 2
    assert (second.bytes, second.deflated_bytes) == (int8.artifact.bytes, int8.artifact.deflated_bytes)
    assert second.sha256 == int8.artifact.sha256
    (run,) = second.runs
    assert run.accuracy == int8.evaluations[0].classification.accuracy
    assert run.confusion == int8.evaluations[0].classification.confusion
    assert run.verdict == "holds" and run.max_abs_error > 0
    same = int((int8.evaluations[0].predicted == reference.evaluations[0].predicted).sum())
    assert (run.agreement.successes, run.agreement.count) == (same, 60)
    stats = timing.entries[1].latency
    assert (run.latency.p50_ms, run.latency.count) == (stats.p50_ms, stats.count)
    assert (run.latency.p90_ms, run.latency.p99_ms) == (stats.p90_ms, stats.p99_ms)
    assert first.runs[0].agreement is None


def test_the_small_model_is_small(built):
    assert built.bytes_ratio(built.entries[1]) < 0.4


def test_says_where_it_was_measured(built):
    assert built.environment["processor"] and built.environment["Python"]
    assert built.protocol["least samples per candidate"] == 40
    assert built.created.endswith("Z")
    assert [step.step for step in built.entries[1].lineage][-1]


def test_writes_all_with_raw_samples(built, measured, tmp_path):
    _, timing = measured
    paths = write_report(built, tmp_path / "out", benchmark=timing)
    assert [path.name for path in paths] == ["report.json", "report.html", "benchmark.json"]
    assert Report.open(tmp_path / "out") == built
    again = BenchmarkReport.from_dict(json.loads(paths[2].read_text(encoding="utf-8")))
    assert again.entries[1].latency.samples_ms == timing.entries[1].latency.samples_ms
    assert "tflite static_wi8_ai8" in terminal_table(built, width=120)


def test_verification_alone_gives_a_report(measured):
    (reference, int8), _ = measured
    bare = Measured(int8.artifact, verification=int8.verification)
    report = build_report("t", Measured(reference.artifact), [bare], environment={}, created="")
    assert report.entries[1].runs[0].verdict == "holds" and report.entries[1].runs[0].accuracy is None
    assert report.environment == {} and report.created == ""


def test_an_artifact_without_a_scheme(measured):
    (reference, _), _ = measured
    bare = Artifact.describe(reference.artifact.model_file)
    report = build_report("t", Measured(bare, name="bare"), environment={})
    assert report.entries[0].scheme == "unknown scheme"


def test_history_keeps_what_every_epoch_has():
    history = history_of("t", [{"loss": 2, "val_loss": 3}, {"loss": 1}])
    assert history.metrics == {"loss": (2.0, 1.0)}
    assert history_of("none", []).epochs == 0


def test_environment_is_json():
    facts = environment()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["numpy"] == np.__version__
