import json

import pytest

from edgevision.artifact import Artifact
from edgevision.demo import run_demo
from edgevision.errors import ConfigError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    steps = []
    few = {"calibration_count": 100, "test_images": 100, "min_duration_s": 0.1}
    made = run_demo(tmp_path_factory.mktemp("demo"), **few, say=steps.append)
    assert len(steps) > 10
    return made


def test_each_variant_is_sealed_in_both_formats(demo):
    manifests = [artifact.manifest for artifact in demo.artifacts]
    found = {(manifest.name, manifest.format, manifest.scheme) for manifest in manifests}
    variants = [("resnet8", "float32"), *((f"resnet8{kind}", "static_wi8_ai8") for kind in ("", "-pruned", "-qat"))]
    assert found == {(name, kind, scheme) for name, scheme in variants for kind in ("tflite", "openvino")}
    for artifact in demo.artifacts:
        assert Artifact.open(artifact.path).manifest.runtimes[artifact.manifest.format]["parity"]
    assert demo.verified


def test_the_report_has_sizes_accuracies_agreements_and_latencies(demo):
    report = json.loads(demo.files[0].read_text())
    entries = {entry["name"]: entry for entry in report["entries"]}
    int8, pruned = entries["resnet8-tflite-static_wi8_ai8"], entries["resnet8-pruned-tflite-static_wi8_ai8"]
    assert int8["bytes"] <= 0.32 * entries["resnet8-tflite-float32"]["bytes"]
    assert pruned["deflated_bytes"] < 0.85 * int8["deflated_bytes"]
    for name in (int8, pruned, entries["resnet8-openvino-static_wi8_ai8"]):
        (run,) = name["runs"]
        assert run["accuracy"]["count"] == run["agreement"]["count"] == 100
        assert 0 < run["latency"]["p50_ms"] <= run["latency"]["p90_ms"]
    assert entries["resnet8-tflite-static_wi8_ai8"]["runs"][0]["agreement"]["value"] >= 0.9


def test_the_page_needs_nothing_from_elsewhere(demo):
    page = demo.files[1].read_text()
    assert "<svg" in page
    assert 'src="http' not in page
    assert "<link" not in page


def test_an_earlier_demo_is_kept(demo):
    with pytest.raises(ConfigError, match="exists"):
        run_demo(demo.files[0].parents[1], say=lambda step: pytest.fail("began"))
