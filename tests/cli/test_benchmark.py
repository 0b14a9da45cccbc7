"""edgevision benchmark and devices."""

import json

QUICK = ("--warmup", 0, "--min-duration", 0, "--min-count", 20)


def test_benchmark_as_text(run, artifact):
    result = run("benchmark", artifact.path, *QUICK)
    assert result.exit_code == 0, result.stderr
    header, row = result.stdout.splitlines()[:2]
    assert " ".join(header.split()) == (
        "model format runs on p50 ms p90 ms p95 ms p99 ms first ms load ms peak MiB count"
    )
    assert row.startswith("colors  tflite  ai-edge-litert ") or row.startswith("colors  tflite  tflite-runtime ")
    assert "0 s of warm-up" in result.stdout


def test_benchmark_as_json_keeps_every_sample(process, artifact):
    done = process("benchmark", artifact.path, "--runtime", "tflite", "--runtime", "null", *QUICK, "--json")
    assert done.exit_code == 0 and done.stderr == "", done.stderr
    document = json.loads(done.stdout)
    assert (document["schema"], document["kind"], document["command"]) == (1, "edgevision-benchmark", "benchmark")
    assert [entry["runtime"] for entry in document["entries"]] == ["tflite", "null"]
    for entry in document["entries"]:
        assert len(entry["latency"]["samples_ms"]) >= 20
        assert entry["load_ms"] > 0 and entry["latency"]["first_ms"] > 0 and entry["peak_rss_bytes"] > 1_000_000


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
