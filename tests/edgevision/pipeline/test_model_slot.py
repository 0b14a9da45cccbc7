"""Models that are exchanged while they run."""

import pytest

from edgevision.errors import ConfigError, InferenceError
from edgevision.pipeline.model_slot import ModelSlot, Probation


class Model:
    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


@pytest.fixture
def told():
    return []


@pytest.fixture
def slot(told):
    made = ModelSlot("old", Model(), told=told.append)
    for _ in range(40):
        made.succeeded(10.0)
    return made


def test_a_new_model_proves_itself(slot, told):
    old, new = slot.current()[1], Model()
    slot.swap("new", lambda: new, probation=Probation(3))
    assert slot.current() == ("new", new) and slot.on_probation and not old.closed and not slot.rolled_back
    for _ in range(3):
        slot.succeeded(11.0)
    assert (slot.name, old.closed, new.closed) == ("new", 1, 0) and not slot.on_probation
    assert [swap.kind for swap in told] == ["switched", "kept"]


def test_a_failure_on_probation_brings_the_old_one_back(slot, told):
    old, new = slot.current()[1], Model()
    slot.swap("new", lambda: new)
    assert slot.failed(InferenceError("no memory"))
    assert slot.current() == ("old", old) and (old.closed, new.closed) == (0, 1) and slot.rolled_back
    assert (told[-1].kind, told[-1].reason) == ("rolled back", "no memory")
    assert not slot.failed(InferenceError("again")) and slot.name == "old"


def test_a_slow_one_goes_back_too(slot, told):
    slot.swap("new", Model, probation=Probation(5, slower_by=1.5))
    for _ in range(5):
        slot.succeeded(16.0)
    assert slot.name == "old" and told[-1].reason.startswith("p95 16.0 ms, 10.0 ms before")


def test_what_does_not_load_or_answers_wrongly_never_runs(slot, told):
    new = Model()

    def refuse(stage):
        raise InferenceError("another answer than sealed")

    def missing():
        raise InferenceError("no such file")

    for load, check in ((lambda: new, refuse), (missing, None)):
        with pytest.raises(InferenceError):
            slot.swap("new", load, check=check)
    assert slot.name == "old" and new.closed == 1 and not told


def test_one_exchange_at_a_time(slot):
    slot.swap("new", Model)
    with pytest.raises(ConfigError, match="on probation"):
        slot.swap("newer", Model)


def test_closing_lets_go_of_all(slot):
    old, new = slot.current()[1], Model()
    slot.swap("new", lambda: new)
    slot.close()
    slot.close()
    assert (old.closed, new.closed) == (1, 1)


@pytest.mark.parametrize("values", [(0, 1.5), (1, 0), (1, float("nan"))])
def test_probation_that_makes_no_sense(values):
    with pytest.raises(ConfigError, match="probation"):
        Probation(*values)


class Mortal(Model):
    trouble = ""

    def revive(self):
        return self.trouble


def test_a_new_model_whose_process_dies_is_taken_back(told):
    old, new = Mortal(), Mortal()
    slot = ModelSlot("old", old, told=told.append)
    assert slot.trouble() == ""
    old.trouble = "killed"
    assert slot.trouble() == "killed" and slot.name == "old"
    old.trouble = ""
    slot.swap("new", lambda: new)
    new.trouble = "killed"
    assert slot.trouble() == "" and slot.current() == ("old", old) and new.closed == 1
    assert told[-1].kind == "rolled back" and "killed" in told[-1].reason
