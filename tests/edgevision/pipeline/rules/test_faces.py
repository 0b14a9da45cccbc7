import pytest

from edgevision.errors import ConfigError
from edgevision.pipeline.rules import UnknownFaceRule


def test_who_stays_unknown_is_one_event(scene):
    rule = UnknownFaceRule("stranger", attempts=3)
    said = [rule.update(scene(0.1 * step, {1: (0, 0)}, identified={1: None})) for step in range(10)]
    assert [step for step, changes in enumerate(said) if changes] == [2]
    assert said[2][0].phase == "moment" and said[2][0].track_id == 1


def test_who_is_recognized_once_is_known(scene):
    rule = UnknownFaceRule("stranger", attempts=3)
    names = [None, None, "Ada", None, None, None, None]
    assert [rule.update(scene(0.1 * step, {1: (0, 0)}, identified={1: name})) for step, name in enumerate(names)] == [
        []
    ] * 7


def test_frames_in_which_no_face_was_looked_at_do_not_count(scene):
    rule = UnknownFaceRule("stranger", attempts=2)
    said = []
    for step in range(20):
        said += rule.update(scene(0.1 * step, {1: (0, 0)}, identified={1: None} if step in (0, 15) else {}))
    assert [change.time_s for change in said] == [pytest.approx(1.5)]


def test_nothing_is_kept_of_who_is_long_gone(scene):
    rule = UnknownFaceRule("stranger", attempts=1)
    for step in range(200):
        rule.update(scene(10.0 * step, {step: (0, 0)}, identified={step: None}))
    assert len(rule._seen_s) < 10 and len(rule._settled) < 10
    assert rule.close(0) == [] and not rule._settled


def test_no_attempt_is_refused():
    with pytest.raises(ConfigError, match="attempts"):
        UnknownFaceRule("stranger", attempts=0)
