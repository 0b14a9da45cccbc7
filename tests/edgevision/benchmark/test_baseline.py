"""Against an earlier document: regressions are found, and nothing is claimed across machines or noise."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from edgevision.artifact import Artifact
from edgevision.benchmark import Candidate, against_baseline, benchmark, compare, read_baseline
from edgevision.benchmark import baseline as module
from edgevision.benchmark.baseline import Baseline, BaselineEntry
from edgevision.benchmark.comparing import Sittings
from edgevision.benchmark.comparison import Sitting
from edgevision.benchmark.environment import fingerprint
from edgevision.benchmark.noise import Noise
from edgevision.errors import ConfigError
from edgevision.shipped import shipped_model

QUIET = Noise("quiet", (), ())


@pytest.fixture(scope="module")
def candidate():
    return Candidate(Artifact.open(shipped_model()), "null")


@pytest.fixture
def measured(monkeypatch):
    """measured(factor) makes what is measured now a number of times 1 ms, on this machine, in 12 quiet sittings."""

    def make(factor, noise=QUIET, count=12):
        generator = np.random.default_rng(3)
        medians = factor * generator.normal(1, 0.01, count)
        sittings = tuple(Sitting((float(value),), (0.0,), 0.0) for value in medians)
        monkeypatch.setattr(
            module,
            "measure",
            lambda candidates, known, **rest: Sittings(sittings, known, fingerprint(), noise, "here."),
        )

    return make


def earlier(candidate, *, noise=QUIET, options=None, environment=None, **changes):
    medians = tuple(np.random.default_rng(4).normal(1, 0.01, 12))
    entry = BaselineEntry(candidate.artifact.manifest.name, "null", "cpu", options or {}, medians, False)
    return Baseline((replace(entry, **changes),), environment or fingerprint(), noise)


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "held"), (0.5, "held"), (1.2, "regressed"), (1.05, "insufficient evidence")]
)
def test_verdicts(candidate, measured, factor, verdict):
    measured(factor)
    result = against_baseline([candidate], earlier(candidate), max_regression=0.05)
    (one,) = result.results
    assert one.verdict == verdict
    assert one.ratio.low < factor * 1.01 and one.ratio.high > factor * 0.99
    assert bool(result.failing) == (verdict != "held")
    assert (one.reason is None) == (verdict != "insufficient evidence")


def test_by_how_much_it_may_be_slower(candidate, measured):
    measured(1.2)
    assert not against_baseline([candidate], earlier(candidate), max_regression=0.3).failing


def test_one_loading_may_lie_as_far_off_as_others_do(candidate, measured):
    """Its parts agree, but loadings here differ by a percent: two more than one of them is no evidence."""
    measured(1.07)
    parts = (1.0,) * 20
    (one,) = against_baseline([candidate], earlier(candidate, p50s_ms=parts, one_loading=True)).results
    assert one.verdict == "insufficient evidence"
    (several,) = against_baseline([candidate], earlier(candidate, p50s_ms=parts)).results
    assert several.verdict == "regressed"
    measured(1.2)
    (slower,) = against_baseline([candidate], earlier(candidate, p50s_ms=parts, one_loading=True)).results
    assert slower.verdict == "regressed"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found["processor"].update(name="Cortex-A72"), "name: Cortex-A72 then,"),
        (lambda found: found["processor"].update(governor="powersave"), "governor: powersave then,"),
        (lambda found: found.update(affinity=[7]), r"affinity: \[7\] then,"),
        (lambda found: found["thread_variables"].update(OMP_NUM_THREADS="9"), "'9'"),
    ],
)
def test_another_machine_is_no_evidence(candidate, measured, change, said):
    measured(1.0)
    there = json.loads(json.dumps(fingerprint()))
    change(there)
    (one,) = against_baseline([candidate], earlier(candidate, environment=there)).results
    assert one.verdict == "insufficient evidence"
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(one.reason)


def test_noise_now_or_then_is_no_evidence(candidate, measured):
    loud = Noise("noisy", ("others worked",), ())
    measured(1.5)
    (one,) = against_baseline([candidate], earlier(candidate, noise=loud)).results
    assert (one.verdict, one.reason) == (
        "insufficient evidence", "the machine was noisy when the baseline was measured: others worked",
    )  # fmt: skip
    measured(1.5, noise=loud)
    (one,) = against_baseline([candidate], earlier(candidate)).results
    assert (one.verdict, one.reason) == ("insufficient evidence", "the machine was noisy now: others worked")


def test_few_sittings_and_an_unknown_machine_are_no_evidence(candidate, measured):
    measured(1.0, count=4)
    (one,) = against_baseline([candidate], earlier(candidate)).results
    assert one.verdict == "insufficient evidence" and "fewer than 5 sittings" in one.reason
    measured(1.0)
    unknown = replace(earlier(candidate), environment=None)
    assert "does not say which machine" in against_baseline([candidate], unknown).results[0].reason


def test_what_the_baseline_does_not_have(candidate, measured):
    measured(1.0)
    with pytest.raises(ConfigError, match=r"no such entry: got .* on null \(cpu\); allowed: .* on tflite \(cpu\)"):
        against_baseline([candidate], earlier(candidate, runtime="tflite"))
    with pytest.raises(ConfigError, match=r"with other options: got \{\}; allowed: \{'threads': 2\}"):
        against_baseline([candidate], earlier(candidate, options={"threads": 2}))
    assert against_baseline([candidate], earlier(candidate, artifact="its earlier name")).results[0].verdict == "held"
    two = replace(earlier(candidate), entries=earlier(candidate, artifact="a").entries * 2)
    with pytest.raises(ConfigError, match="no such entry"):
        against_baseline([candidate], two)


def test_models_of_one_name_are_told_apart(candidate, measured):
    """The report of `benchmark runs/resnet8-*` has the float and the int8 model under one name."""
    measured(1.0)
    slow, fast = earlier(candidate).entries[0], earlier(candidate).entries[0]
    slow = replace(
        slow, p50s_ms=tuple(10 * value for value in slow.p50s_ms), sha256="of another", scheme="static_wi8_ai8"
    )
    this = candidate.artifact
    for entry in (
        replace(fast, sha256=this.sha256, scheme=this.manifest.scheme),
        replace(fast, sha256="of its last version", scheme=this.manifest.scheme),
    ):
        for entries in ((slow, entry), (entry, slow)):
            (one,) = against_baseline([candidate], replace(earlier(candidate), entries=entries)).results
            assert one.baseline_p50_ms == pytest.approx(1, rel=0.1)
    unknown = replace(fast, sha256="of a third", scheme="float16")
    with pytest.raises(ConfigError, match="has several models called"):
        against_baseline([candidate], replace(earlier(candidate), entries=(slow, unknown)))


@pytest.mark.parametrize("change", [{"max_regression": -1}, {"budget_s": 0}, {"confidence": 1}])
def test_settings_that_make_no_sense(candidate, change):
    with pytest.raises(ConfigError, match=f"compare: {next(iter(change))}"):
        against_baseline([candidate], earlier(candidate), **change)
    with pytest.raises(ConfigError, match="one or more"):
        against_baseline([], earlier(candidate))


def test_every_document_of_ours_is_a_baseline(candidate, tmp_path):
    """A benchmark, a comparison, and a comparison with a baseline, as the command line writes them."""
    path = tmp_path / "report.json"

    def read(result):
        path.write_text(json.dumps({**result.to_dict(), "command": "benchmark"}))
        return read_baseline(path)

    first = read(benchmark([candidate], warmup_s=0, min_duration_s=0.05, min_count=50))
    assert first.entries[0].one_loading and len(first.entries[0].p50s_ms) == 20
    second = read(compare([candidate, candidate], budget_s=0.5))
    assert len(second.entries) == 2 and not second.entries[0].one_loading
    start = time.perf_counter()
    result = against_baseline([candidate], first, budget_s=0.5)
    assert time.perf_counter() - start < 10 and "of one loading" in result.protocol
    third = read(result)
    assert third.entries[0].p50s_ms == tuple(one for (one,) in result.sittings_ms)
    assert third.environment["processor"]["name"] == fingerprint()["processor"]["name"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda found: found["entries"][0]["latency"].update(samples_ms=[0.0] * 50),
        lambda found: found["entries"][0].update(options=None),
        lambda found: found.update(entries=5),
        lambda found: found["environment"].pop("processor"),
        lambda found: found["environment"].update(processor=None),
        lambda found: found["noise"].update(reasons=5),
    ],
)
def test_a_damaged_baseline_is_an_error_of_ours(candidate, tmp_path, damage):
    report = json.loads(json.dumps(benchmark([candidate], warmup_s=0, min_duration_s=0, min_count=20).to_dict()))
    damage(report)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    with pytest.raises(ConfigError):
        read_baseline(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no json", "cannot be read"),
        ("[]", "is no baseline"),
        ('{"kind": "edgevision-report", "schema": 1}', "got edgevision-report"),
        ('{"kind": "edgevision-comparison", "schema": 1, "sittings_ms": [[1.0, 2.0]]}', "damaged, or older"),
        ('{"kind": "edgevision-comparison", "schema": 99}', "newer edgevision"),
    ],
)
def test_files_that_are_no_baseline(tmp_path, text, said):
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_baseline(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_baseline(tmp_path / "nowhere.json")
