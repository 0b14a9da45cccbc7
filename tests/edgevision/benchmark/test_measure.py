"""Benchmarks of real, tiny models: what is kept, what is stated, what is refused."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from edgevision.artifact import Artifact, write_artifact
from edgevision.benchmark import BenchmarkReport, Candidate, benchmark
from edgevision.benchmark.child import peak_rss_bytes, run_fresh
from edgevision.benchmark.inputs import inputs_for
from edgevision.errors import ArtifactError, ConfigError, EdgeVisionError, InferenceError, InputError
from edgevision.golden import Golden, synthetic_images
from edgevision.preprocessing import Preprocessing
from edgevision.runtimes import load
from edgevision.tensors import TensorSpec

QUICK = {"warmup_s": 0.0, "min_duration_s": 0.01, "min_count": 20}


@pytest.fixture(scope="module")
def artifact(model_file, tmp_path_factory):
    samples = synthetic_images(3, 8, 8, seed=1)
    golden = Golden(samples, (None,) * 3, ("synthetic seed 1",) * 3)
    fields = {
        "format": "tflite",
        "name": "mean",
        "scheme": "float32",
        "inputs": (TensorSpec("image", (None, 8, 8, 3), "float32", "NHWC"),),
        "outputs": (TensorSpec("mean", (None, 3), "float32", "NC"),),
        "preprocessing": Preprocessing(8, 8),
    }
    out = tmp_path_factory.mktemp("artifact") / "mean"
    return write_artifact(out, fields, {"mean.tflite": model_file}, golden)


def test_a_benchmark_keeps_everything(artifact):
    steps = []
    report = benchmark(
        [Candidate(artifact), Candidate(artifact, "null", options={"batch": 4})],
        progress=lambda done, total: steps.append((done, total)),
        **QUICK,
    )
    real, null = report.entries
    assert (real.artifact, real.format, real.scheme, real.runtime, real.device) == (
        "mean", "tflite", "float32", "tflite", "cpu",
    )  # fmt: skip
    assert (null.runtime, null.batch, null.options) == ("null", 4, {"batch": 4})
    assert real.inputs == "3 golden samples of the artifact"
    assert real.facts["package"] in ("ai-edge-litert", "tflite-runtime")
    for entry in report.entries:
        stats = entry.latency
        assert stats.count >= 20
        assert sum(stats.samples_ms) >= 10
        tails = [tail for tail in (stats.p90_ms, stats.p95_ms, stats.p99_ms) if tail is not None]
        assert 0 < stats.min_ms <= stats.p50_ms <= min([*tails, stats.max_ms]) and tails == sorted(tails)
        assert (stats.p99_ms is None) == (stats.count < 662)
        assert entry.first_ms > 0
        assert entry.load_ms > 0
        assert entry.peak_rss_bytes >= entry.idle_rss_bytes > 1 << 20
        assert entry.cpu_ms > 0
        assert entry.energy_mj is None or entry.energy_mj > 0
        assert entry.throughput_ips == pytest.approx(entry.batch * 1000 / stats.mean_ms)
    assert real.peak_rss_bytes > null.peak_rss_bytes  # the interpreter's library
    assert (real.sha256, real.bytes) == (artifact.sha256, artifact.bytes)
    assert "fresh process" in report.protocol.text
    assert "0.01 s and 20 inferences" in report.protocol.text
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (4, 4)
    document = json.loads(json.dumps(report.to_dict()))
    assert BenchmarkReport.from_dict(document) == report
    assert "samples_ms" not in json.dumps(report.to_dict(samples=False))


def test_a_bare_file_is_timed_on_random_inputs_and_says_so(model_file):
    (entry,) = benchmark([Candidate(Artifact.describe(model_file))], seed=7, **QUICK).entries
    assert "random inputs (seed 7)" in entry.inputs
    assert entry.scheme is None


def test_random_inputs_are_the_same_for_a_seed_and_span_the_dtype(artifact):
    bare = Artifact.describe(artifact.model_file)
    specs = [TensorSpec("a", (64, 64), "int8"), TensorSpec("b", (64, 64), "float32"), TensorSpec("c", (8,), "int64")]
    first, again, other = (inputs_for(bare, specs, seed)[0] for seed in (1, 1, 2))
    assert all(np.array_equal(x, y) for a, b in zip(first, again, strict=True) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(first[0][0], other[0][0])
    assert (first[0][0].min(), first[0][0].max()) == (-128, 127)
    assert -1 <= first[0][1].min() < -0.9 < 0.9 < first[0][1].max() < 1
    assert (first[0][2].dtype, first[0][2].min() >= 0, first[0][2].max() <= 255) == (np.int64, True, True)


def test_golden_samples_go_through_the_preprocessing(artifact):
    with load(artifact, options={"batch": 2}) as model:
        sets, _ = inputs_for(artifact, model.inputs, 0)
        assert [tensors[0].shape for tensors in sets] == [(2, 8, 8, 3)] * 2
        bound = artifact.manifest.preprocessing.bind(model.inputs[0])
        golden = artifact.golden().samples
        np.testing.assert_array_equal(sets[1][0], bound.batch([golden[2], golden[0]])[0])
        model.infer(sets[0])


def test_given_inputs_are_used_and_checked(artifact):
    tensors = [np.zeros((1, 8, 8, 3), np.float32)]
    (entry,) = benchmark([Candidate(artifact)], inputs=[tensors], **QUICK).entries
    assert entry.inputs == "1 inputs that were given"
    with pytest.raises(InputError, match=r"float64.*float32"):
        benchmark([Candidate(artifact)], inputs=[[tensors[0].astype(float)]], **QUICK)
    with pytest.raises(InputError, match="wrong number"):
        benchmark([Candidate(artifact)], inputs=[tensors * 2], **QUICK)


def test_images_go_through_each_candidates_preprocessing(artifact, model_file):
    images = list(synthetic_images(5, 20, 30, seed=2))
    with load(artifact, options={"batch": 2}) as model:
        sets, origin = inputs_for(artifact, model.inputs, 0, images)
        bound = artifact.manifest.preprocessing.bind(model.inputs[0])
        np.testing.assert_array_equal(sets[2][0], bound.batch([images[4], images[0]])[0])
        assert (len(sets), origin) == (3, "5 images that were given")
    (entry,) = benchmark([Candidate(artifact)], images=images, **QUICK).entries
    assert entry.inputs == "5 images that were given"
    with pytest.raises(ConfigError, match="how images become its inputs is not known; adopt it"):
        benchmark([Candidate(Artifact.describe(model_file))], images=images, **QUICK)


def test_candidates_take_turns_in_random_order(artifact, monkeypatch):
    from edgevision.benchmark import measure

    turns = []
    original = measure._Runner.metered_turn
    monkeypatch.setattr(
        measure._Runner,
        "metered_turn",
        lambda self, seconds, meter: (turns.append(self.candidate.runtime), original(self, seconds, meter)),
    )
    candidates = [Candidate(artifact, "tflite"), Candidate(artifact, "null")]
    benchmark(candidates, warmup_s=0.0, min_duration_s=0.4, min_count=1, seed=3)
    rounds = [tuple(turns[i : i + 2]) for i in range(0, len(turns) - 1, 2)]
    assert {("tflite", "null"), ("null", "tflite")} <= set(rounds)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"warmup_s": -1}, "warmup_s"),
        ({"min_duration_s": float("nan")}, "min_duration_s"),
        ({"min_count": 0}, "min_count"),
        ({"inputs": []}, "empty list"),
    ],
)
def test_settings_that_make_no_sense(artifact, change, said):
    with pytest.raises(ConfigError, match=said):
        benchmark([Candidate(artifact, "null")], **{**QUICK, **change})


def test_nothing_to_time():
    with pytest.raises(ConfigError, match="no candidate"):
        benchmark([])


def test_errors_of_the_fresh_process_arrive_as_they_were(artifact, tmp_path):
    with pytest.raises(ConfigError, match=r"option of runtime tflite: got thread"):
        run_fresh(artifact, options={"thread": 1})
    broken = Artifact(tmp_path, artifact.manifest)
    (tmp_path / "mean.tflite").write_bytes(artifact.model_file.read_bytes()[:100])
    with pytest.raises(ArtifactError, match=r"mean\.tflite"):
        run_fresh(broken)


def test_a_process_that_dies_is_an_error_and_not_a_hang(artifact, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(InferenceError, match=r"process died while it loaded the model .* got exit status 1"):
        run_fresh(artifact)


def test_a_library_that_aborts_takes_only_its_own_process_with_it(artifact, tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here to make a delegate that aborts")
    source, library = tmp_path / "delegate.c", tmp_path / "delegate.so"
    source.write_text("#include <stdlib.h>\nvoid *tflite_plugin_create_delegate(void) { abort(); }\n")
    subprocess.run([compiler, "-shared", "-fPIC", source, "-o", library], check=True)
    with pytest.raises(InferenceError, match=r"got SIGABRT; .*try another --runtime"):
        run_fresh(artifact, "tflite", options={"delegate": str(library)})


def test_a_process_that_does_not_answer_is_killed(artifact):
    with pytest.raises(InferenceError, match=r"no first inference within 0\.01 s"):
        run_fresh(artifact, timeout_s=0.01)


def test_peak_memory_grows_with_what_is_held():
    before = peak_rss_bytes()
    held = np.ones(64 << 20, np.uint8)
    assert peak_rss_bytes() >= before
    assert peak_rss_bytes() >= held.nbytes


def test_a_document_of_the_first_schema_is_read(artifact):
    report = benchmark([Candidate(artifact, "null")], **QUICK)
    document = {**report.to_dict(), "schema": 1}
    for name in ("environment", "conditions", "noise", "energy"):
        del document[name]
    for name in ("cpu_ms", "energy_mj", "many_ips"):
        del document["entries"][0][name]
    old = BenchmarkReport.from_dict(document)
    assert old.entries[0].latency == report.entries[0].latency
    assert (old.environment, old.noise, old.energy, old.entries[0].cpu_ms) == (None, None, "not measured", None)


def test_many_inferences_at_once(artifact):
    report = benchmark(
        [Candidate(artifact, options={"threads": 2}), Candidate(artifact, "null")], throughput=True, **QUICK
    )
    real, null = report.entries
    assert real.many_ips > 100 and "concurrency" in real.facts
    assert null.many_ips is None
    assert "64 inferences handed over at once" in report.protocol.text
    assert BenchmarkReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_energy_is_counted_per_inference(artifact, tmp_path, monkeypatch):
    """A rail of 6 W, in the kernel's files: a model takes six joules for each second of its turns, loop included."""
    from edgevision.benchmark import measure
    from edgevision.devices.energy import EnergyMeter

    chip = tmp_path / "sys/class/hwmon/hwmon0"
    chip.mkdir(parents=True)
    for name, text in {"name": "ina226", "power1_input": "6000000"}.items():
        (chip / name).write_text(text)
    monkeypatch.setattr(measure, "EnergyMeter", lambda: EnergyMeter(tmp_path))
    report = benchmark([Candidate(artifact)], warmup_s=0.0, min_duration_s=0.2, min_count=1)
    (entry,) = report.entries
    assert report.energy == "rail ina226 power1"
    assert 6 * entry.latency.mean_ms <= entry.energy_mj < 60 * entry.latency.mean_ms


@pytest.mark.parametrize(
    "change", [{"schema": 99}, {"kind": "shopping list"}, {"entries": [{}]}, {"protocol": {}}, {"extra": 1}]
)
def test_documents_of_another_kind_are_refused(artifact, change):
    document = benchmark([Candidate(artifact, "null")], **QUICK).to_dict()
    with pytest.raises(EdgeVisionError):
        BenchmarkReport.from_dict({**document, **change})
