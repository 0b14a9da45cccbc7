"""edgevision benchmark and devices."""

import json
import os
import re

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
    assert "0 s of warm-up" in result.stdout
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


def test_devices(run):
    text = run("devices").stdout
    assert text.startswith("device ") and "usable cores" in text
    document = json.loads(run("devices", "--json").stdout)
    assert document["devices"][0]["device"] == "cpu"
    runtimes = {entry["name"]: entry for entry in document["runtimes"]}
    assert runtimes["null"]["available"] and "tflite" in runtimes["tflite"]["formats"]
