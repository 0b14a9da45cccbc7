"""edgevision benchmark and devices."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

QUICK = ("--warmup", 0, "--min-duration", 0, "--min-count", 20)


def test_benchmark_as_text(run, artifact):
    result = run("benchmark", artifact.path, *QUICK)
    assert result.exit_code == 0, result.stderr
    header, row = result.stdout.splitlines()[:2]
    assert " ".join(header.split()) == (
        "model format runs on p50 ms p90 ms p95 ms p99 ms first ms load ms cpu ms peak MiB count"
    )
    assert row.startswith("colors  tflite  ai-edge-litert ") or row.startswith("colors  tflite  tflite-runtime ")
    assert "a warm-up of 0 s" in result.stdout
    assert re.search("^noise: (quiet|noisy|unknown): .", result.stdout, re.MULTILINE)
    assert re.search("^energy: .", result.stdout, re.MULTILINE)


def test_benchmark_as_json_keeps_every_sample(process, artifact):
    done = process("benchmark", artifact.path, "--runtime", "tflite", "--runtime", "null", *QUICK, "--json")
    assert done.exit_code == 0 and done.stderr == "", done.stderr
    document = json.loads(done.stdout)
    assert (document["schema"], document["kind"], document["command"]) == (2, "edgevision-benchmark", "benchmark")
    assert [entry["runtime"] for entry in document["entries"]] == ["tflite", "null"]
    for entry in document["entries"]:
        assert len(entry["latency"]["samples_ms"]) >= 20
        assert entry["load_ms"] > 0 and entry["latency"]["first_ms"] > 0 and entry["peak_rss_bytes"] > 1_000_000


def test_cores_and_batch(run, keras_file):
    core = min(os.sched_getaffinity(0))
    result = run("benchmark", keras_file, "--pin", core, "--batch", 3, *QUICK, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["environment"]["affinity"] == [core]
    (entry,) = document["entries"]
    assert (entry["batch"], entry["options"]) == (3, {"threads": 1, "batch": 3})
    assert entry["cpu_ms"] > 0


def test_images_of_a_folder(run, artifact, images):
    result = run("benchmark", artifact.path, "--runtime", "tflite", "--data", images, *QUICK, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["entries"][0]["inputs"] == "36 images that were given"


def test_a_batch_that_the_model_does_not_leave_open(run, artifact):
    result = run("benchmark", artifact.path, "--batch", 3, *QUICK)
    assert result.exit_code == 1
    assert "has a fixed batch of 1: got batch 3; convert the model again with batch 3" in result.stderr


@pytest.mark.parametrize("cores", ["", "a", "3-1", "1,,2", "-1"])
def test_cores_that_are_no_numbers(run, artifact, cores):
    result = run("benchmark", artifact.path, "--pin", cores, *QUICK)
    assert result.exit_code == 2 and "allowed: numbers of cores, such as 0,2-3" in result.stderr


def test_cores_that_are_not_there(run, artifact):
    result = run("benchmark", artifact.path, "--pin", "0-1999", *QUICK)
    assert result.exit_code == 2 and "cores to pin to: got 0, 1, 2" in result.stderr


def test_benchmark_of_nothing(run):
    result = run("benchmark")
    assert result.exit_code == 2 and "missing argument 'MODELS" in result.stderr


@pytest.mark.parametrize("scenario", [("single-stream",), ("server", "--target-qps", 50, "--target-latency-ms", 50)])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_scenario_that_is_stopped_leaves_nothing(keras_artifact, tmp_path, scenario, number, status):
    """LoadGen cannot be stopped, and crashes a process that raises within it or takes it apart."""
    pytest.importorskip("mlperf_loadgen", reason="the extra loadgen is not installed")
    arguments = ["benchmark", keras_artifact.path, "--runtime", "null", "--scenario", *scenario, "--min-duration", 60]
    with subprocess.Popen(
        [sys.executable, "-m", "edgevision", *map(str, arguments), "--out", str(tmp_path / "out")],
        stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # a shell in the background, or nohup, ignores it
    ) as started:  # fmt: skip
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".*/mlperf_log_detail.txt")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        started.send_signal(number)
        message = started.communicate(timeout=30)[1].strip()
    word = "interrupted" if number == signal.SIGINT else "terminated"
    assert (started.returncode, message) == (status, f"edgevision: {word}; nothing was half-written")
    assert list(tmp_path.iterdir()) == []


def test_a_scenario_keeps_loadgens_files(run, keras_artifact, tmp_path):
    pytest.importorskip("mlperf_loadgen", reason="the extra loadgen is not installed")
    arguments = ("--runtime", "null", "--scenario", "single-stream", "--min-duration", 0.2)
    result = run("benchmark", keras_artifact.path, *arguments, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert re.search("^result +valid$", result.stdout, re.MULTILINE) and "p99.9 ms" in result.stdout
    assert (tmp_path / "out/mlperf_log_detail.txt").stat().st_size > 1000
    again = run("benchmark", keras_artifact.path, *arguments, "--out", tmp_path / "out", "--json")
    assert again.exit_code == 2 and "--overwrite" in again.stderr
    again = run("benchmark", keras_artifact.path, *arguments, "--out", tmp_path / "out", "--overwrite", "--json")
    document = json.loads(again.stdout)
    assert (document["kind"], document["result"]["valid"]) == ("edgevision-scenario", True)


def test_a_result_that_loadgen_calls_invalid_ends_with_status_3(run, keras_artifact, tmp_path):
    pytest.importorskip("mlperf_loadgen", reason="the extra loadgen is not installed")
    result = run(
        "benchmark", keras_artifact.path, "--runtime", "null", "--scenario", "server", "--target-qps", 3000,
        "--target-latency-ms", 0.0001, "--min-duration", 0.2, "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 3, result.stderr
    assert "check failed: LoadGen calls the result invalid: more queries were late" in result.stderr


def test_sustained_shows_windows_and_writes_a_table_and_a_page(run, keras_artifact, tmp_path):
    table, page = tmp_path / "minutes.csv", tmp_path / "minutes.html"
    result = run(
        "benchmark", keras_artifact.path, "--runtime", "null", "--sustained", 0.01, "--window", 0.1,
        "--csv", table, "--html", page,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("from s  count  p50 ms")
    assert re.search(": (steady|slowed|throttled): the median latency of the last third", result.stdout)
    assert len(table.read_text().splitlines()) == 7
    assert "<svg" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_sustained_that_is_stopped_keeps_what_it_measured(process, keras_artifact, tmp_path, number, status):
    code = f"""
import os, signal, threading
from edgevision.cli import main
from edgevision.cli.progress import ProgressLine

def stop_in_the_fourth(line, done, total):
    if done == 3:
        threading.Timer(0.2, os.kill, (os.getpid(), {int(number)})).start()

ProgressLine.__call__ = stop_in_the_fourth
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
main()
"""
    table, page = tmp_path / "minutes.csv", tmp_path / "minutes.html"
    stopped = process(
        "benchmark", keras_artifact.path, "--runtime", "null", "--sustained", 5, "--window", 0.5,
        "--csv", table, "--html", page, "--json", code=code,
    )  # fmt: skip
    assert stopped.exit_code == status, stopped.stderr
    document = json.loads(stopped.stdout)
    assert (document["interrupted"], document["planned_windows"], len(document["windows"])) == (True, 600, 4)
    assert document["windows"][-1]["count"] > 0
    assert len(table.read_text().splitlines()) == 5 and "interrupted" in table.read_text()
    assert "interrupted in window 4 of 600" in page.read_text(encoding="utf-8")


def test_a_table_and_a_page_are_not_replaced_unasked(run, artifact, tmp_path):
    page = tmp_path / "times.html"
    page.write_text("mine")
    result = run("benchmark", artifact.path, "--html", page, *QUICK)
    assert result.exit_code == 2 and "--overwrite" in result.stderr and page.read_text() == "mine"
    result = run("benchmark", artifact.path, "--runtime", "null", "--html", page, "--overwrite", *QUICK)
    assert result.exit_code == 0 and "Distribution of latencies" in page.read_text(encoding="utf-8")


def test_throughput_names_the_way(run, artifact):
    result = run("benchmark", artifact.path, "--runtime", "tflite", "--threads", 2, "--throughput", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert re.search(r"images/s$", result.stdout.splitlines()[0])
    assert re.search(r"\d+ \((one at a time|2 interpreters, 1 thread each)\)$", result.stdout.splitlines()[1])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--scenario", "offline"), "needs a folder for LoadGen's files"),
        (("--scenario", "offlin", "--out", "o"), "did you mean offline?"),
        (("--scenario", "offline", "--out", "o", "--warmup", 1), "--warmup is not for --scenario"),
        (("--scenario", "offline", "--out", "o", "--csv", "x.csv"), "--csv is not for --scenario"),
        (
            ("--scenario", "offline", "--out", "o", "--runtime", "null", "--runtime", "tflite"),
            "one model on one runtime",
        ),
        (("--target-qps", 3), "--target-qps is for --scenario"),
        (("--sustained", 1, "--min-count", 3), "--min-count is not for --sustained"),
        (("--window", 3), "--window is for --sustained"),
        (("--sustained", 0), "--sustained"),
    ],
)
def test_options_that_do_not_go_together(run, keras_artifact, arguments, said):
    result = run("benchmark", keras_artifact.path, *arguments)
    assert result.exit_code == 2 and said in result.stderr, result.stderr


def test_devices(run):
    text = run("devices").stdout
    assert text.startswith("device ") and "usable cores" in text
    document = json.loads(run("devices", "--json").stdout)
    assert document["devices"][0]["device"] == "cpu"
    runtimes = {entry["name"]: entry for entry in document["runtimes"]}
    assert runtimes["null"]["available"] and "tflite" in runtimes["tflite"]["formats"]
