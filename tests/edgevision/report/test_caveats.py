"""Each caveat appears where its figures call for it, and only there."""

import dataclasses

from edgevision.report import Entry, Latency, Report, Run
from edgevision.report.caveats import caveats


def with_latency(latency: Latency) -> str:
    return " ".join(
        caveats(Report("t", "m", (Entry("m", "tflite", "float32", 9, 9, (Run("tflite", latency=latency),)),)))
    )


def test_the_sample_size_and_the_interval(report):
    text = " ".join(caveats(report))
    assert "rests on 2,000 images" in text and "about ±1.5 points" in text
    assert "lowest here is 95.10 ±0.95 %" in text


def test_verdicts_come_first(report):
    first, second = caveats(report)[:2]
    assert first.startswith("Parity is broken: openvino static_wi8_ai8 on openvino.")
    assert second.startswith("Parity is unproven: tflite static_wi8_ai8 on openvino.")


def test_a_sound_report_is_not_called_broken(report):
    entries = tuple(
        dataclasses.replace(entry, runs=tuple(dataclasses.replace(run, verdict="holds") for run in entry.runs))
        for entry in report.entries
    )
    assert "Parity" not in " ".join(caveats(dataclasses.replace(report, entries=entries)))


def test_few_inferences_make_a_weak_p99():
    assert "smallest run has 200 inferences: a p99 needs 662" in with_latency(Latency(200, 1.0, 1.1, 1.2))
    assert "smallest run" not in with_latency(Latency(2000, 1.0, 1.1, 1.2, 1.3))


def test_a_busy_machine_is_noticed():
    assert "A p99 is 60 times its median" in with_latency(Latency(2000, 1.0, 1.1, 1.2, 60.0))
    assert "A p90 is 30 times its median" in with_latency(Latency(100, 1.0, 30.0))
    assert "times its median" not in with_latency(Latency(2000, 1.0, 1.1, 1.2, 1.3))
    assert "times its median" not in with_latency(Latency(3, 1.0))


def test_what_was_not_evaluated_is_named():
    assert caveats(Report("t", "m", (Entry("m", "tflite", "float32", 9, 9),))) == ["Not evaluated: tflite float32."]


def test_notes_come_last(report):
    assert caveats(report)[-1] == "A training ran beside the measurement."
