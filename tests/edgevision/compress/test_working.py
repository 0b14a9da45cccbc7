"""What a worker does with errors: a candidate's own are its result, those of the place end the search."""

import sys
import time

import pytest

from edgevision.compress import judging, workers
from edgevision.compress.workers import run_workers
from edgevision.compress.working import work
from edgevision.errors import BackendUnavailableError, ConversionError, InferenceError, InputError, OutputError


def failing(error):
    def write(*arguments, **options):
        raise error

    return write


def test_what_is_no_candidates_fault_stops_the_search_and_the_trial_is_done_again(plan, opened, tmp_path, monkeypatch):
    bench = opened(plan(tmp_path / "out"))
    passing = (OutputError("no space"), BackendUnavailableError("no nncf"), InputError("gone"), OutputError("full"))
    for error in passing:
        with monkeypatch.context() as patch:
            patch.setattr(judging, "write_compressed", failing(error))
            with pytest.raises(type(error), match=str(error)):
                work(bench)
        assert not any(record.finished for record in bench.study.records())
    work(bench)
    found = bench.study.records()
    left = [record for record in found if record.state == "FAIL"]
    retried = {record.facts["retry"]: record.facts["attempt"] for record in found if "retry" in record.facts}
    assert retried == {record.number: 1 for record in left} and len(left) == len(passing)
    assert [record.state for record in found if record.finished] == ["COMPLETE"]


def test_a_candidates_own_error_is_its_result(plan, opened, tmp_path, monkeypatch):
    bench = opened(plan(tmp_path / "out"))
    monkeypatch.setattr(judging, "write_compressed", failing(ConversionError("a layer that cannot be converted")))
    work(bench)
    (failed,) = [record for record in bench.study.records() if record.finished]
    assert failed.state == "FAIL" and failed.facts["error"] == "a layer that cannot be converted"


def test_the_last_words_of_a_worker_that_died_are_said(plan, tmp_path, monkeypatch):
    words = "import sys; sys.stdin.readline(); print('x' * 100_000, file=sys.stderr); raise ValueError('not a number')"
    monkeypatch.setattr(workers, "_COMMAND", (sys.executable, "-c", words))
    with pytest.raises(
        InferenceError, match="a worker died with status 1: got ValueError: not a number; try"
    ) as caught:
        run_workers(plan(tmp_path / "out"), 2, lambda: None)
    assert "Traceback" in str(caught.value.__cause__) and len(str(caught.value)) < 400


def test_a_worker_that_died_in_silence_is_named_too(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(
        workers, "_COMMAND", (sys.executable, "-c", "import os, sys; sys.stdin.readline(); os._exit(9)")
    )
    with pytest.raises(InferenceError, match="a worker died with status 9; try again with --jobs 1"):
        run_workers(plan(tmp_path / "out"), 1, lambda: None)


def test_what_a_library_forked_in_a_worker_does_not_hold_up_its_end(plan, tmp_path, monkeypatch):
    fork = "if os.fork() == 0: time.sleep(60)"
    words = f"import os, sys, time; sys.stdin.readline()\n{fork}\nprint('{{}}', flush=True); os._exit(0)"
    monkeypatch.setattr(workers, "_COMMAND", (sys.executable, "-c", words))
    began = time.monotonic()
    run_workers(plan(tmp_path / "out"), 2, lambda: None)
    assert time.monotonic() - began < 30
