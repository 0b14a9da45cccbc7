"""A model in a process of its own: killed, crashed, frozen, and with who started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgevision.adopt import adopt
from edgevision.artifact import Artifact
from edgevision.errors import ConfigError, InputError, WorkerDiedError
from edgevision.pipeline.isolation import IsolatedModel
from edgevision.runtimes import load
from edgevision.secret import Secret
from edgevision.tiny_models import tiny_tflite


@pytest.fixture
def tiny(tmp_path):
    return Artifact.describe(tiny_tflite(tmp_path))


@pytest.fixture
def model(tiny):
    with IsolatedModel(tiny, runtime="tflite", answer_s=2.0) as made:
        yield made


def tensors(model, seed=0):
    random = np.random.default_rng(seed)
    return [random.uniform(-1, 1, spec.shape).astype(spec.dtype) for spec in model.inputs]


def revived(model, seconds=30):
    """Wait until it works again; return what was wrong."""
    end, troubles = time.monotonic() + seconds, []
    while (trouble := model.revive()) != "":
        troubles.append(trouble)
        assert time.monotonic() < end, trouble
        time.sleep(0.02)
    return troubles


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def test_it_answers_as_in_this_process(model, tiny):
    with load(tiny, runtime="tflite") as here:
        assert (model.inputs, model.outputs) == (here.inputs, here.outputs)
        for seed in range(3):
            found = model.infer(tensors(model, seed))
            for one, other in zip(found, here.infer(tensors(here, seed)), strict=True):
                np.testing.assert_array_equal(one, other)
                assert one.flags.owndata or one.base.flags.owndata
    assert model.facts["isolated"] and model.facts["pid"] != os.getpid()
    with pytest.raises(InputError):
        model.infer([])


@pytest.mark.parametrize(("number", "said"), [(signal.SIGKILL, "killed"), (signal.SIGSEGV, "died: SIGSEGV")])
def test_a_process_that_dies_is_started_anew(model, number, said):
    before = model.infer(tensors(model))
    os.kill(model.facts["pid"], number)
    wait_for(lambda: model.revive() != "")
    with pytest.raises(WorkerDiedError, match=said):
        model.infer(tensors(model))
    assert all(said in trouble for trouble in revived(model))
    for one, other in zip(model.infer(tensors(model)), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_process_that_hangs_is_killed_and_started_anew(model):
    pid = model.facts["pid"]
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(WorkerDiedError, match=r"did not answer within 2 s, and was killed; .* raise answer_s"):
        model.infer(tensors(model))
    assert 1.9 < time.monotonic() - began < 8 and is_gone(pid)
    revived(model)
    model.infer(tensors(model))


def test_it_is_tried_again_less_and_less_often(tmp_path, tiny):
    with IsolatedModel(tiny, runtime="tflite") as model:
        hidden = tiny.model_file.rename(tmp_path / "hidden")
        os.kill(model.facts["pid"], signal.SIGKILL)
        wait_for(lambda: "could not be started anew" in model.revive())
        time.sleep(0.5)
        assert "could not be started anew" in model.revive()
        hidden.rename(tiny.model_file)
        assert "could not be started anew" in revived(model)[0]
        model.infer(tensors(model))


def test_a_model_that_does_not_load_is_an_error_at_once(tmp_path, tiny):
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(tiny.model_file.read_bytes()[:200])
    with pytest.raises(Exception, match="damaged"):
        IsolatedModel(Artifact.describe(damaged), runtime="tflite")
    with pytest.raises(ConfigError, match="answer_s"):
        IsolatedModel(tiny, answer_s=0)


def test_another_model_in_its_place_is_not_run(tmp_path, tiny):
    artifact = adopt(tiny.model_file, tmp_path / "adopted")
    with IsolatedModel(artifact, runtime="tflite") as model:
        content = bytearray(artifact.model_file.read_bytes())
        content[-1] ^= 1
        artifact.model_file.write_bytes(content)
        os.kill(model.facts["pid"], signal.SIGKILL)
        wait_for(lambda: "could not be started anew" in model.revive())
        assert "sha256" in model.revive()


PARENT = """
import sys, time
from edgevision.artifact import Artifact
from edgevision.pipeline.isolation import IsolatedModel
model = IsolatedModel(Artifact.describe(sys.argv[1]), runtime="tflite")
print(model.facts["pid"], flush=True)
if sys.argv[2] == "ends":
    sys.exit()
time.sleep(60)
"""


@pytest.mark.parametrize("how", ["killed", "killed while it hangs", "ends"])
def test_it_ends_with_who_started_it_and_leaves_nothing(tiny, how):
    shared = set(os.listdir("/dev/shm"))
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tiny.model_file), how], stdout=subprocess.PIPE, text=True
    )
    with parent:
        worker = int(parent.stdout.readline())
        if "hangs" in how:
            os.kill(worker, signal.SIGSTOP)
        if how != "ends":
            parent.kill()
        parent.wait(30)
        wait_for(lambda: is_gone(worker))
    assert set(os.listdir("/dev/shm")) <= shared


def test_it_does_not_heed_a_terminal(model):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(model.facts["pid"], number)
    time.sleep(0.2)
    assert model.revive() == ""
    model.infer(tensors(model))


def test_it_does_not_get_passwords_by_its_environment(tiny, monkeypatch):
    monkeypatch.setenv("GATE_PASSWORD_OF_A_TEST", "hunter2")
    assert Secret.read("env:GATE_PASSWORD_OF_A_TEST").reveal() == "hunter2"
    with IsolatedModel(tiny, runtime="tflite") as model:
        environment = Path(f"/proc/{model.facts['pid']}/environ").read_bytes()
        assert b"PATH=" in environment and b"hunter2" not in environment


def test_a_system_that_starts_no_process_is_asked_again(model, monkeypatch):
    with monkeypatch.context() as without:
        without.setattr(sys, "executable", "/nowhere/python")
        os.kill(model.facts["pid"], signal.SIGKILL)
        wait_for(lambda: "cannot be started: " in model.revive())
        with pytest.raises(WorkerDiedError, match="cannot be started"):
            model.infer(tensors(model))
    revived(model)
    model.infer(tensors(model))
