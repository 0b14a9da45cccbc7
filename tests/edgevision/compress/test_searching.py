import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgevision.artifact import Artifact
from edgevision.compress import CompressionRecipe, Constraints, search
from edgevision.compress.searching import STUDY_FILE
from edgevision.compress.study import Record, Study
from edgevision.errors import CalibrationError, ConfigError

pytestmark = pytest.mark.slow

FAST = {"to": ("tflite",), "epochs": 1, "min_duration_s": 0.01}
LIMITS = {"max_drop": 50.0, "max_bytes": 9000}
PROGRAM = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # some shells start programs with it ignored
from edgevision.compress import search
model, data, out, options = json.loads(sys.argv[1])
search(model, data, out, **options)
"""


def start(place, out: Path, **options) -> subprocess.Popen:
    request = json.dumps([str(place.model), str(place.data), str(out), {**FAST, **LIMITS, **options}])
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, request], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def records(out: Path, url: str | None = None) -> tuple[Record, ...]:
    """The trials of a study, read as they are."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name="compress", storage=url or f"sqlite:///{out / STUDY_FILE}")
    return Study(study, None, "here", None).records()


def enough(found: tuple[Record, ...], done: int) -> bool:
    return sum(record.finished for record in found) >= done and any(record.state == "RUNNING" for record in found)


def wait_for(out: Path, done: int, process: subprocess.Popen) -> None:
    """Wait until so many trials are finished, and another one is running."""
    for _ in range(2000):
        assert process.poll() is None, "it ended by itself"
        if (out / STUDY_FILE).exists():
            try:
                found = records(out)
            except Exception:
                found = ()
            if enough(found, done):
                process.send_signal(signal.SIGSTOP)  # or the trial might end before it is killed
                time.sleep(0.2)
                with contextlib.suppress(Exception):  # the database may be locked by what is stopped
                    if enough(records(out), done):
                        return
                process.send_signal(signal.SIGCONT)
        time.sleep(0.1)
    raise AssertionError("no trial was finished")


@pytest.fixture(scope="module")
def resumed(place, tmp_path_factory):
    """A search that was killed with some trials finished and another one running, and then run again."""
    out = tmp_path_factory.mktemp("search") / "out"
    process = start(place, out, trials=7)
    wait_for(out, 1, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = records(out)
    left = next(record.number for record in before if record.state == "RUNNING")
    (out / "trials" / f".0badcafe.tmp.{left:04d}").mkdir(parents=True)  # as if it had been writing its results
    told = []
    result = search(place.model, place.data, out, **FAST, **LIMITS, trials=7, progress=lambda *news: told.append(news))
    return out, before, records(out), result, told


def test_a_killed_search_goes_on_and_redoes_no_finished_trial(resumed):
    _out, before, after, _result, told = resumed
    finished = [record for record in before if record.finished]
    (running,) = [record for record in before if record.state == "RUNNING"]
    assert finished
    for record in finished:
        assert dict(after[record.number].facts) == dict(record.facts)
    assert after[running.number].state == "FAIL"
    (again,) = [record for record in after if record.facts.get("retry") == running.number]
    assert again.key == running.key or not running.key
    assert again.finished
    keys = [record.key for record in after if record.finished]
    assert len(set(keys)) == len(keys) == 7
    assert told[-1][2] == 7 and told[0][1] >= len(finished)


def test_what_is_large_is_stopped_and_what_is_aimed_meets_the_limits(resumed):
    out, _, after, result, _ = resumed
    stopped = [record for record in after if "stopped" in record.facts]
    assert any("its weights alone" in record.facts["stopped"]["reason"] for record in stopped)
    assert result.best is not None and result.path == out / "best"
    assert result.best.row.bytes <= LIMITS["max_bytes"] and result.best.row.drop_points <= LIMITS["max_drop"]
    assert "channels to" in result.best.recipe.name
    assert result.counts["stopped"] == len(stopped) and result.counts["measured"] >= 2


def test_the_best_artifact_comes_with_its_recipe_and_ledger(resumed):
    out, _, _, result, _ = resumed
    artifact = Artifact.open(next(path.parent for path in out.glob("best/*/manifest.json")))
    assert artifact.bytes == result.best.row.bytes and artifact.sha256 == result.best.row.sha256
    assert CompressionRecipe.read(out / "best" / "recipe.toml") == result.best.recipe
    ledger = json.loads((out / "best" / "ledger.json").read_text())
    assert ledger["rows"][-1]["sha256"] == artifact.sha256 and ledger["rows"][0]["step"] == "original"
    front = json.loads((out / "front.json").read_text())
    assert front["best"] == result.best.trial and len(front["front"]) == len(result.front)
    kept = {path.name for path in (out / "trials").iterdir()}
    assert kept == {f"{point.trial:04d}" for point in result.front}


def test_limits_may_change_and_one_that_cannot_be_met_is_named_with_its_distance(place, resumed):
    out, _, after, _, _ = resumed
    limits = {"max_drop": 50.0, "max_bytes": 100}
    result = search(place.model, place.data, out, **FAST, **limits, trials=7)
    assert result.best is None and result.path is None and result.nearest is not None
    (missed,) = result.nearest.violations
    assert not (out / "best").exists(), "what is there meets every limit"
    assert (missed.constraint, missed.by) == ("max_bytes", result.nearest.row.bytes - 100)
    assert len(records(out)) == len(after), "nothing was run for it"
    assert Constraints(**limits).violations(result.nearest.row)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, r"the search in .*out is of another seed: got 1; allowed: 0; name another folder, or"),
        ({"to": ("openvino",)}, "another formats: got openvino; allowed: tflite"),
        ({"epochs": 2}, "another epochs: got 2; allowed: 1"),
        ({"data": "sample"}, "another images"),
        ({"trials": 0}, "trials: got 0"),
        ({"jobs": 0}, "jobs: got 0"),
        ({"time_limit": -1.0}, "time_limit: got -1"),
        ({"max_drop": -1.0}, "max_drop: got -1"),
        ({"to": ("onnx",)}, "format: got onnx"),
    ],
)
def test_another_search_in_the_same_folder_is_refused(place, resumed, change, message):
    out = resumed[0]
    options = {**FAST, **LIMITS, "trials": 7, **change}
    with pytest.raises(ConfigError, match=message):
        search(place.model, options.pop("data", place.data), out, **options)
    assert (out / "front.json").is_file() and list((out / "trials").iterdir())


def test_a_folder_of_something_else_and_useless_images_are_refused(place, tmp_path):
    from PIL import Image

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"no search made: got thesis\.txt"):
        search(place.model, place.data, tmp_path / "mine", **FAST, overwrite=True)
    for label in place.train.labels:
        for index in range(15):
            file = tmp_path / "grey" / label / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (9, 9, 9)).save(file)
    with pytest.raises(CalibrationError, match="all one value"):
        search(place.model, tmp_path / "grey", tmp_path / "out", **FAST)
    assert not (tmp_path / "out").exists()


def test_processes_share_a_study_and_one_that_is_interrupted_leaves_its_trial_to_the_others(place, tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    options = {**FAST, "max_drop": 50.0, "storage": url, "trials": 5}

    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(place.model, place.data, tmp_path / "one", **options, progress=interrupt)
    (first,) = [record for record in records(tmp_path, url) if record.state != "WAITING"]
    assert first.state == "FAIL" and not first.finished
    result = search(place.model, place.data, tmp_path / "two", **options, jobs=2)
    found = records(tmp_path, url)
    keys = [record.key for record in found if record.finished]
    assert len(keys) == len(set(keys)) >= 5 and first.key in keys
    owners = {record.facts["owner"]["pid"] for record in found if record.finished}
    assert len(owners) == 2 and os.getpid() not in owners
    assert not any(record.state == "RUNNING" for record in found)
    assert result.best is None or (tmp_path / "two" / "best" / "ledger.json").is_file()
