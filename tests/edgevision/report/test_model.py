"""The report as a document: it comes back from JSON as it was, and nothing else is taken for one."""

import json

import pytest

from edgevision.errors import ConfigError
from edgevision.metrics.intervals import proportion
from edgevision.report import Entry, History, Latency, Report, Run


def through_json(report: Report) -> dict:
    return json.loads(json.dumps(report.to_dict(), allow_nan=False))


def test_round_trip(report):
    assert Report.from_dict(through_json(report)) == report


def test_opens_the_file_in_a_directory(report, tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(report.to_dict()), encoding="utf-8")
    assert Report.open(tmp_path) == Report.open(tmp_path / "report.json") == report


def test_share_of_bytes_is_of_the_float_file_of_the_same_format(report):
    document = through_json(report)
    ratios = {entry["name"]: (entry["bytes_ratio"], entry["bytes_ratio_to"]) for entry in document["entries"]}
    assert ratios["resnet8-tflite-static_wi8_ai8"] == (98_480 / 319_556, "resnet8-tflite-float32")
    assert ratios["resnet8-openvino-static_wi8_ai8"][1] == "resnet8-openvino-float32"
    assert ratios["resnet8-keras"] == (1.0, "resnet8-keras")


def test_share_of_bytes_falls_back_to_the_reference():
    entries = (Entry("a", "keras", "float32", 1000, 900), Entry("b", "tflite", "static_wi8_ai8", 250, 240))
    report = Report("t", "a", entries)
    assert report.baseline(entries[1]) is entries[0]
    assert report.bytes_ratio(entries[1]) == 0.25


def changed(document: dict, path: tuple, value) -> dict:
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is KeyError:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("schema",), 2, "newer edgevision"),
        (("schema",), "1", "schema number"),
        (("kind",), "edgevision-benchmark", "another kind"),
        (("entries", 0, "bytes"), "12", "whole number"),
        (("entries", 0, "bytes"), 0, "weighs something"),
        (("entries", 0, "bytes"), True, "whole number"),
        (("entries", 0, "colour"), "red", "unknown key"),
        (("entries", 0, "runs", 0, "latency", "p99_ms"), KeyError, "p99_ms"),
        (("entries", 0, "runs", 0, "latency", "p99_ms"), 0.001, "percentiles grow"),
        (("entries", 0, "runs", 0, "accuracy", "successes"), 999_999, "successes"),
        (("entries", 1, "runs", 0, "verdict"), "probably", "verdict"),
        (("entries", 0, "runs", 0, "confusion"), [[1, 2], [3]], "square"),
        (("entries", 0, "runs", 0, "confusion"), [[1, 2], [3, 4]], "row per label"),
        (("entries", 1, "name"), "resnet8-keras", "two entries have one name"),
        (("reference",), "resnet9", "reference"),
        (("histories", 0, "metrics", "loss"), [1.0], "as many values as epochs"),
        (("labels",), "airplane", "list"),
        (("entries",), {}, "list"),
        (("environment",), [], "mapping"),
    ],
)
def test_refuses(report, path, value, said):
    with pytest.raises(ConfigError, match=said):
        Report.from_dict(changed(through_json(report), path, value))


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"schema": NaN}', "\x00"])
def test_refuses_files_that_are_no_report(tmp_path, text):
    path = tmp_path / "report.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        Report.open(path)


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        Report.open(tmp_path / "report.json")


def test_refuses_two_runs_in_one_place():
    with pytest.raises(ConfigError, match="two runs"):
        Entry("a", "keras", "float32", 10, 9, (Run("keras"), Run("keras")))


def test_refuses_a_proportion_of_nothing():
    with pytest.raises(ConfigError, match="no images"):
        Run("keras", accuracy=proportion(0, 0))


def test_history_counts_epochs():
    assert History("train", {"loss": (2.0, 1.0, 0.5)}).epochs == 3
    assert History("train", {}).epochs == 0


def test_latency_needs_inferences():
    with pytest.raises(ConfigError, match="over 0 inferences"):
        Latency(0, 1.0, 1.0, 1.0, 1.0)
