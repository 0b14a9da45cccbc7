"""Measured times as a table and as a page: every figure is there, and nothing from outside gets in."""

import csv
import re
from dataclasses import replace

import numpy as np
import pytest

from edgevision.benchmark import BenchmarkEntry, BenchmarkReport, LatencyStats, Noise, Protocol, SustainedReport
from edgevision.benchmark.baseline import Held, Regression
from edgevision.benchmark.comparison import Ratio, Sitting, concluded
from edgevision.benchmark.environment import fingerprint
from edgevision.benchmark.sustained import Window
from edgevision.errors import ConfigError
from edgevision.report.timing import timing_page, write_csv, write_html

QUIET = Noise("quiet", (), ("temperature",))
EVIL = "<script>alert(1)</script>"


def entry(name="resnet8", shift=1.0):
    samples = np.random.default_rng(0).gamma(4, 0.1, 500) + shift
    return BenchmarkEntry(
        artifact=name, format="tflite", scheme=None, sha256="0" * 64, bytes=9, runtime="tflite", device="cpu",
        options={}, facts={}, batch=1, inputs="", load_ms=5.0, peak_rss_bytes=None, idle_rss_bytes=None,
        latency=LatencyStats.from_samples(samples, 7.0), cpu_ms=1.5, energy_mj=None,
    )  # fmt: skip


def benchmark(*entries):
    return BenchmarkReport(entries, Protocol(0, 1, 1, 0.05, 0, "how"), fingerprint(), None, QUIET, "not exposed")


def comparison():
    generator = np.random.default_rng(0)
    sittings = [Sitting((1.0, 2.0), (0.0, generator.normal(0.7, 0.01)), generator.normal(0, 0.001)) for _ in range(12)]
    result = concluded(["a", "b"], sittings, margin=0.03, confidence=0.95, seed=0, protocol="how")
    return replace(result, environment=fingerprint(), noise=QUIET)


def regression():
    held = Held("a", 1.0, 1.01, Ratio(1.01, 1.0, 1.02), "held", None)
    sittings = tuple((1.0 + 0.01 * place,) for place in range(12))
    return Regression((held,), 0.05, 0.95, ({},), sittings, fingerprint(), QUIET, "how")


def sustained():
    windows = tuple(Window(10.0 * n, 50, 1.0 + n, 3.0 + n, None, {"cpu": 40.0 + n}, None, None) for n in range(8))
    return SustainedReport(
        "a", "tflite", "cpu", {}, {}, "", 10.0, windows, 1.0, "slowed", "because", fingerprint(), "not exposed",
        8,
    )  # fmt: skip


def rows(result, path):
    write_csv(timing_page(result), path)
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_benchmark_as_a_table(tmp_path):
    found = rows(benchmark(entry(), entry("b, the second", 2.0)), tmp_path / "x.csv")
    assert [row["artifact"] for row in found] == ["resnet8", "b, the second"]
    assert float(found[0]["p50_ms"]) == entry().latency.p50_ms
    assert (found[0]["p99_ms"], found[0]["peak_rss_bytes"], found[0]["cpu_ms"], found[0]["count"]) == (
        "", "", "1.5", "500",
    )  # fmt: skip


def test_the_others_as_tables(tmp_path):
    compared = rows(comparison(), tmp_path / "c.csv")
    assert [(row["name"], row["verdict"]) for row in compared] == [
        ("a", "base"),
        ("b", "slower"),
        ("a, again", "control"),
    ]
    assert float(compared[1]["ratio_low"]) < float(compared[1]["ratio"]) < float(compared[1]["ratio_high"])
    assert rows(regression(), tmp_path / "r.csv")[0] == {
        "name": "a", "verdict": "held", "baseline_p50_ms": "1.0", "p50_ms": "1.01", "ratio": "1.01",
        "ratio_low": "1.0", "ratio_high": "1.02", "reason": "",
    }  # fmt: skip
    windows = rows(sustained(), tmp_path / "s.csv")
    assert [row["cpu_c"] for row in windows] == [str(40.0 + n) for n in range(8)]
    assert windows[0]["frequency_mhz"] == "" and {row["run"] for row in windows} == {"complete"}
    cut = rows(replace(sustained(), planned_windows=60, interrupted=True), tmp_path / "i.csv")
    assert {row["run"] for row in cut} == {"interrupted"}


@pytest.mark.parametrize("make", [lambda: benchmark(entry(), entry("b")), comparison, regression, sustained])
def test_a_page_needs_nothing_else(tmp_path, make):
    path, page = tmp_path / "page.html", timing_page(make())
    write_html(page, path)
    text = path.read_text(encoding="utf-8")
    assert text.count("<svg") == 2 and text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>")
    assert not re.search(r"https?://(?!www\.w3\.org)|<script|<img|@import", text)
    assert "not exposed" in text and fingerprint()["processor"]["name"] in text
    with pytest.raises(ConfigError, match="--overwrite"):
        write_html(page, path)
    write_html(page, path, overwrite=True)
    assert path.read_text(encoding="utf-8") == text


def test_names_of_others_are_text(tmp_path):
    write_html(timing_page(benchmark(entry(EVIL))), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in text and "&lt;script&gt;" in text


def test_a_distribution_shows_where_the_median_lies(tmp_path):
    (picture,) = timing_page(benchmark(entry(), entry("b", 3.0))).draw()
    medians = [float(number) for number in re.findall(r"median ([0-9.]+) ms", picture.alt)]
    assert medians == pytest.approx([entry().latency.p50_ms, entry("b", 3.0).latency.p50_ms], rel=0.01)
