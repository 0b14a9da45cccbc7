import json
import subprocess
import sys

import pytest

from edgevision.compress.aiming import Fixed
from edgevision.compress.judging import Judged, Stopped
from edgevision.compress.ownership import is_gone, this_process
from edgevision.compress.space import Manner, Proposal, Space
from edgevision.compress.study import Study
from edgevision.errors import BackendUnavailableError, ConfigError

IDENTITY = {"model": "a" * 64, "formats": ["tflite"], "seed": 0}
SPACE = Space(("tflite",), 8, 0, Manner.fitting(100, normalized=True))
NONE = frozenset[str]()


@pytest.fixture
def url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


def proposal(parameters: dict) -> Proposal:
    return SPACE.draw(Fixed(parameters), lambda format, scheme: 100)


def test_a_study_of_something_else_is_refused_and_stays_as_it_was(url):
    Study.open(url, "s", IDENTITY).enqueue(SPACE.untrained(), "first")
    with pytest.raises(
        ConfigError, match=r"study s .*study\.db is of another model: got b+…; allowed: a+…; .*--overwrite"
    ):
        Study.open(url, "s", {**IDENTITY, "model": "b" * 64})
    with pytest.raises(ConfigError, match="another formats: got tflite, openvino; allowed: tflite"):
        Study.open(url, "s", {**IDENTITY, "formats": ["tflite", "openvino"]})
    assert len(Study.open(url, "s", IDENTITY).records()) == len(SPACE.untrained())


def test_machines_that_begin_a_study_at_the_same_moment_share_it(url):
    """Several processes, as machines are, without the lock file that those of one machine have."""
    program = (
        "import json, sys; from edgevision.compress import study; study._lock = lambda url: None;"
        "import optuna, sqlalchemy; print('ready', flush=True); sys.stdin.readline();"
        "study.Study.open(sys.argv[1], 's', json.loads(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, url, json.dumps(IDENTITY)]
    machines = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for machine in machines:
        assert machine.stdout.readline() == "ready\n"
    for machine in machines:
        machine.stdin.write("go\n")
        machine.stdin.flush()
    said = [machine.communicate(timeout=60)[1] for machine in machines]
    assert [machine.returncode for machine in machines] == [0] * 4, said
    assert Study.open(url, "s", IDENTITY).records() == ()


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "study.db").write_bytes(b"not a database at all, but longer than a header" * 50)
    with pytest.raises(ConfigError, match=r"study\.db: the database cannot be used"):
        Study.open(f"sqlite:///{tmp_path / 'study.db'}", "s", IDENTITY)
    for url in ("nonsense", "nodatabase://x"):
        with pytest.raises(ConfigError):
            Study.open(url, "s", IDENTITY)


def test_a_missing_driver_is_named_and_a_password_never(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(BackendUnavailableError, match=r"edgevision\[distributed\]") as caught:
        Study.open("postgresql://me:secret@127.0.0.1:1/x", "s", IDENTITY)
    assert "secret" not in str(caught.value)


def test_what_is_queued_twice_is_run_once(url):
    first, second = (Study.open(url, "s", IDENTITY) for _ in range(2))
    for study in (first, second, first):
        study.enqueue(SPACE.untrained(), "untrained")
    taken = [study.ask() for _ in range(3) for study in (first, second)]
    assert len({trial.number for trial in taken}) == 6
    proposals = [SPACE.draw(trial, lambda format, scheme: 100) for trial in taken[: len(SPACE.untrained())]]
    assert len({item.key for item in proposals}) == len(SPACE.untrained())


def test_a_candidate_that_was_finished_is_a_repetition_unless_the_limits_are_wider(url):
    study = Study.open(url, "s", IDENTITY)
    same = proposal(SPACE.untrained()[0])
    first, second, third = study.ask(), study.ask(), study.ask()
    assert study.claim(first, same, NONE) is None
    assert study.claim(second, same, NONE) == first.number
    study.finish(first, Judged(None, Stopped("too large", {"bytes": 9.0})), 0.1)
    assert study.claim(third, same, frozenset([same.key])) is None
    assert [record.finished for record in study.records()] == [True, False, False]


def test_a_trial_whose_process_died_is_run_again_and_one_that_lives_is_not(url):
    study = Study.open(url, "s", IDENTITY)
    study.enqueue(SPACE.untrained()[:2], "untrained")
    alive = study.ask()
    code = (
        "import os, sys\nfrom edgevision.compress.study import Study\n"
        f"study = Study.open({url!r}, 's', {IDENTITY!r})\nprint(study.ask().number, flush=True)\nos._exit(9)"
    )
    dead = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout)
    assert dead != alive.number
    for _ in range(2):
        study.revive()
        study.enqueue(SPACE.untrained()[:2], "untrained")
    states = [record.state for record in study.records()]
    assert states == ["RUNNING", "FAIL", "WAITING"]
    again = study.ask()
    assert proposal(SPACE.untrained()[1]).key == SPACE.draw(again, lambda format, scheme: 100).key
    study.fail(again, "it cannot be converted")
    study.revive()
    assert [record.state for record in study.records()] == ["RUNNING", "FAIL", "FAIL"], "an error is not tried again"


def test_a_trial_that_ends_its_process_is_tried_three_times_and_a_blameless_one_as_often_as_it_takes(
    url,
):
    study = Study.open(url, "s", IDENTITY)
    for blameless, attempts in ((True, 5), (False, 3)):
        study.enqueue(SPACE.untrained()[:1], str(blameless))
        for _ in range(attempts):
            trial = study.ask()
            assert "queued" in trial.user_attrs
            study.leave(trial, blameless=blameless)
            study.revive()
        waiting = [record for record in study.records() if record.state == "WAITING"]
        assert len(waiting) == blameless
        if waiting:
            study.fail(study.ask(), "it cannot be converted")


def test_processes_are_told_apart():
    own = this_process()
    assert not is_gone(own) and not is_gone(None) and not is_gone({**own, "host": "elsewhere"})
    assert is_gone({**own, "started": "1"}) and is_gone({**own, "pid": 2**22 + 1})


@pytest.mark.parametrize(
    ("images", "normalized", "optimizer", "steps"),
    [(50_000, True, "sgd", 1), (50_000, False, "adam", 4), (2_000, True, "adam", 4)],
)
def test_many_images_and_batch_norms_allow_large_steps(images, normalized, optimizer, steps):
    space = Space(("tflite",), 8, 0, Manner.fitting(images, normalized=normalized))
    channels, training = space.draw(
        Fixed(space.aimed("tflite", "parameters", 50, trained=True)), lambda format, scheme: 100
    ).recipe.steps
    assert (channels.optimizer, channels.steps, channels.epochs) == (optimizer, steps, 8)
    assert channels.batch_size == training.batch_size == (128 if optimizer == "sgd" else 32)
    assert training.optimizer == "adam" and training.epochs == 2


def test_what_is_no_classifier_is_only_quantized():
    space = Space(("tflite",), 8, 0, None)
    drawn = space.draw(Fixed(space.untrained()[0]), lambda format, scheme: 100)
    assert [step.method for step in drawn.recipe.steps] == ["quantize"]
