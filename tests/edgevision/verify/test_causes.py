"""Which condition is named as the cause, by what helps when it is changed back."""

from dataclasses import replace

import pytest

from edgevision.devices.cpu import cpu_facts
from edgevision.errors import BackendUnavailableError
from edgevision.verify import causes
from edgevision.verify.causes import find_causes

TFLITE = {"package": "ai-edge-litert", "version": "2", "threads": 4, "precision": "as stored", "resolver": "default"}
OPENVINO = {"package": "openvino", "version": "2026", "threads": 1, "precision": "bfloat16"}
ONNX = {"package": "onnxruntime", "threads": 1, "providers": ["CPUExecutionProvider"], "graph_optimization": "all"}

EXACT = {"package": "openvino", "threads": 1, "precision": "float32", "low_precision": True}


def helps(**wanted):
    """The answers are right with these options, whatever the others."""
    return lambda options: wanted.items() <= options.items()


@pytest.mark.parametrize(
    ("facts", "sealed", "holds", "cause"),
    [
        (TFLITE, {**TFLITE, "threads": 1}, helps(threads=1), "4 threads; it was sealed with 1 thread"),
        (TFLITE, TFLITE, helps(threads=1), "it depends on the threads: 4"),
        (
            TFLITE,
            TFLITE,
            helps(resolver="reference"),
            "the optimized kernels here compute otherwise than the reference",
        ),
        (
            TFLITE,
            {**TFLITE, "package": "tflite-runtime"},
            helps(package="tflite-runtime"),
            "sealed with tflite-runtime",
        ),
        (OPENVINO, {**OPENVINO, "precision": "float32"}, helps(precision="float32"), "bfloat16; it was sealed with"),
        (ONNX, {**ONNX, "graph_optimization": "none"}, helps(graph_optimization="none"), "graph optimization all; it"),
        (ONNX, ONNX, helps(graph_optimization="none"), "otherwise than float does with the same numbers"),
        (EXACT, EXACT, helps(low_precision=False), "otherwise than float does with the same numbers"),
        (EXACT, {**EXACT, "low_precision": False}, helps(low_precision=False), "sealed with integers computed in"),
        (OPENVINO, OPENVINO, helps(precision="float32"), "float parts are computed in bfloat16"),
    ],
)
def test_the_one_change_that_helps_is_the_cause(facts, sealed, holds, cause):
    findings = find_causes(facts, sealed, holds)
    assert len(findings.causes) == 1 and cause in findings.causes[0]
    assert str(findings) == f"cause: {findings.causes[0]}"


@pytest.mark.parametrize(
    ("architecture", "features", "integers", "told"),
    [
        ("x86_64", ("avx2",), True, True),
        ("x86_64", ("avx2", "avx512_vnni"), True, False),
        ("x86_64", ("avx2", "avx_vnni"), True, False),
        ("x86_64", ("avx2",), False, False),
        ("aarch64", ("asimd",), True, False),
    ],
)
def test_saturation_is_told_of_integers_where_they_saturate(monkeypatch, architecture, features, integers, told):
    cpu = replace(cpu_facts(), architecture=architecture, features=features)
    monkeypatch.setattr(causes, "cpu_facts", lambda: cpu)
    findings = find_causes(EXACT, EXACT, helps(low_precision=False), integers=integers)
    assert ("saturate" in str(findings)) is told


def test_nothing_is_named_where_no_single_change_helps():
    findings = find_causes(TFLITE, {**TFLITE, "threads": 1}, lambda options: False)
    assert findings.causes == ()
    assert str(findings) == "no cause found: it differs as well with 1 thread, with reference kernels"


def test_what_does_not_run_here_was_not_tried():
    def holds(options):
        if "package" in options:
            raise BackendUnavailableError("not here")
        return False

    findings = find_causes(TFLITE, {**TFLITE, "package": "tflite-runtime"}, holds)
    assert findings.tried == ("reference kernels", "1 thread")


def test_without_anything_to_change_that_is_said():
    facts = {"package": "keras", "version": "2"}
    assert "nothing about the runtime" in str(find_causes(facts, facts, helps()))
