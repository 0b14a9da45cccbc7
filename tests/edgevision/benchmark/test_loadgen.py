"""MLPerf's scenarios through the real LoadGen, and what is read from its logs."""

import json
import subprocess
import sys
import threading

import pytest

from edgevision.artifact import Artifact
from edgevision.benchmark import Candidate, run_scenario
from edgevision.benchmark.loadgen_log import read_log
from edgevision.benchmark.scenario import ScenarioReport
from edgevision.errors import BackendUnavailableError, ConfigError, IncompatibleModelError, InferenceError
from edgevision.metrics.percentiles import early_stopping_percentile
from edgevision.runtimes import load
from edgevision.shipped import shipped_model

SHORT = {"min_duration_s": 0.2}


@pytest.fixture(scope="module")
def candidate():
    pytest.importorskip("mlperf_loadgen", reason="the extra loadgen is not installed")
    return Candidate(Artifact.open(shipped_model()), "null")


def test_single_stream(candidate, tmp_path):
    report = run_scenario(candidate, "single-stream", tmp_path / "out", **SHORT)
    result = report.result
    assert result.valid and result.reasons == ()
    assert result.figures["result_query_count"] >= 64 and result.figures["early_stopping_met"]
    values = list(result.percentiles_ms.values())
    assert values == sorted(values) and values[0] > 0 and "99.90" in result.percentiles_ms
    summary = (tmp_path / "out/mlperf_log_summary.txt").read_text()
    assert "Scenario : SingleStream" in summary and "Result is : VALID" in summary
    document = json.loads((tmp_path / "out/report.json").read_text())
    assert ScenarioReport.from_dict(document) == ScenarioReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert report.loadgen[0].isdigit() and report.environment["python"]


def test_loadgen_and_our_early_stopping_agree_on_how_many_are_discarded(candidate, tmp_path):
    """LoadGen says how many of the slowest queries its estimate of the 90th percentile leaves out; so do we."""
    report = run_scenario(candidate, "single-stream", tmp_path / "out", **SHORT)
    count = report.result.figures["result_query_count"]
    said = report.result.figures["early_stopping_result"]
    discarded = int(said.split("Would discard ")[1].split()[0])
    assert early_stopping_percentile(range(1, count + 1), 90) == count - discarded


def test_multi_stream_sends_eight_at_a_time(candidate, tmp_path):
    report = run_scenario(candidate, "multi-stream", tmp_path / "out", **SHORT)
    assert report.result.figures["result_query_count"] >= 662
    assert "samples_per_query : 8" in (tmp_path / "out/mlperf_log_summary.txt").read_text()


def test_offline_is_one_query_of_everything(candidate, tmp_path):
    report = run_scenario(candidate, "offline", tmp_path / "out", target_qps=5000, **SHORT)
    assert report.result.figures["result_samples_per_second"] > 100
    assert "samples_per_query : 1100" in (tmp_path / "out/mlperf_log_summary.txt").read_text()


def test_a_server_that_keeps_up_and_one_that_cannot(candidate, tmp_path):
    good = run_scenario(candidate, "server", tmp_path / "a", target_qps=2000, target_latency_ms=1000, **SHORT)
    assert good.result.valid, good.result.reasons
    assert good.result.figures["result_completed_samples_per_sec"] == pytest.approx(2000, rel=0.5)
    bad = run_scenario(candidate, "server", tmp_path / "b", target_qps=2000, target_latency_ms=0.0001, **SHORT)
    assert not bad.result.valid
    assert "more queries were late than may be" in bad.result.reasons


def test_a_server_that_is_swamped_is_sent_no_more(candidate, tmp_path, monkeypatch):
    """A million queries a second would take this one a minute and more."""
    monkeypatch.setattr("edgevision.benchmark.loadgen.BACKLOG_S", 0.05)
    rest = {"target_qps": 1e6, "target_latency_ms": 1, "min_duration_s": 2}
    result = run_scenario(candidate, "server", tmp_path / "out", **rest).result
    assert not result.valid and "too many queries were waiting, and no more were sent" in result.reasons
    assert result.figures["result_query_count"] < 500_000


def test_loadgen_is_not_run_twice_at_once(candidate, tmp_path):
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name="loadgen", daemon=True)
    thread.start()
    with pytest.raises(ConfigError, match="start another process"):
        run_scenario(candidate, "offline", tmp_path / "out", **SHORT)
    ended.set()
    thread.join()
    run_scenario(candidate, "offline", tmp_path / "out", **SHORT)


def test_offline_uses_the_fastest_way(tmp_path, model_file):
    pytest.importorskip("mlperf_loadgen", reason="the extra loadgen is not installed")
    model = Candidate(Artifact.describe(model_file), "tflite", options={"threads": 2})
    report = run_scenario(model, "offline", tmp_path / "out", **SHORT)
    assert "concurrency" in report.facts and report.result.figures["result_samples_per_second"] > 100


def test_a_model_that_fails_under_load_is_an_error_and_leaves_nothing(candidate, tmp_path, monkeypatch):
    class Failing:
        def __init__(self, model):
            self._model, self._left = model, 150

        def __getattr__(self, name):
            return getattr(self._model, name)

        def __enter__(self):
            return self

        def __exit__(self, *details):
            self._model.close()

        def infer(self, inputs):
            self._left -= 1
            if self._left < 0:
                raise InferenceError("out of memory")
            return self._model.infer(inputs)

    monkeypatch.setattr("edgevision.benchmark.loadgen.PROBE_S", 0.0)
    monkeypatch.setattr("edgevision.benchmark.loadgen.load", lambda *args, **rest: Failing(load(*args, **rest)))
    for scenario, rest in (("single-stream", {}), ("server", {"target_qps": 5000, "target_latency_ms": 9})):
        with pytest.raises(InferenceError, match="failed under load: out of memory"):
            run_scenario(candidate, scenario, tmp_path / "out", **rest, **SHORT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("scenario", "change", "said"),
    [
        ("batch", {}, "got batch; allowed: single-stream"),
        ("server", {}, "server needs target_qps"),
        ("server", {"target_qps": 10}, "server needs target_latency_ms"),
        ("offline", {"target_latency_ms": 10}, "is a bound of the scenario server"),
        ("single-stream", {"target_qps": 10}, "for the scenarios server and offline"),
        ("offline", {"target_qps": -1}, "target_qps: got -1"),
        ("offline", {"min_duration_s": float("nan")}, "min_duration_s: got nan"),
    ],
)
def test_settings_that_make_no_sense(candidate, tmp_path, scenario, change, said):
    with pytest.raises(ConfigError, match=said):
        run_scenario(candidate, scenario, tmp_path / "out", **change)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_taken(candidate, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError):
        run_scenario(candidate, "offline", tmp_path, overwrite=True, **SHORT)


def test_a_batch_is_no_sample(tmp_path, model_file):
    pytest.importorskip("mlperf_loadgen", reason="the extra loadgen is not installed")
    batched = Candidate(Artifact.describe(model_file), "tflite", options={"batch": 4})
    with pytest.raises(IncompatibleModelError, match="a sample of a query is one image: got a batch of 4"):
        run_scenario(batched, "offline", tmp_path / "out", **SHORT)


def test_without_loadgen_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlperf_loadgen", None)
    with pytest.raises(BackendUnavailableError, match=r'pip install "edgevision\[loadgen\]"'):
        run_scenario(Candidate(Artifact.open(shipped_model()), "null"), "offline", tmp_path / "out")


def test_logs_without_a_result(tmp_path):
    with pytest.raises(InferenceError, match=r"left no mlperf_log_detail\.txt"):
        read_log(tmp_path)
    log = tmp_path / "mlperf_log_detail.txt"
    log.write_text(':::MLLOG {"key": "error_runtime", "value": "no memory"}\n:::MLLOG {"key": "res')
    with pytest.raises(InferenceError, match="came to no result: got no memory"):
        read_log(tmp_path)


def test_a_full_disk_is_said(candidate, tmp_path):
    """A limit on the size of files stands for the disk: LoadGen's log ends in the middle, and it says nothing."""
    code = f"""
import resource
from edgevision.artifact import Artifact
from edgevision.benchmark import Candidate, run_scenario
candidate = Candidate(Artifact.open({str(candidate.artifact.path)!r}), "null")
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
run_scenario(candidate, "single-stream", "out", min_duration_s=0.1)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("edgevision.errors.OutputError: cannot write out: files may not become that large"), said
    assert said.endswith("make room there, or name another place") and list(tmp_path.iterdir()) == []
