import pytest

from edgevision.errors import ConfigError
from edgevision.pipeline.rules import Attribute, KnownFaceRule, UnknownFaceRule


def said(label, looks, score=0.5):
    return {1: {"faces": Attribute(label, score, looks, 0.0)}}


def run(rule, scene, names):
    """What the rule says, frame by frame, where each frame has one more look and this label after it."""
    return [
        rule.update(scene(0.1 * step, {1: (0, 0)}, attributes=said(name, step + 1))) for step, name in enumerate(names)
    ]


def test_who_stays_unknown_is_one_event(scene):
    changes = run(UnknownFaceRule("stranger", attempts=3), scene, [None] * 10)
    assert [step for step, found in enumerate(changes) if found] == [2]
    assert (changes[2][0].phase, changes[2][0].track_id, changes[2][0].data["attempts"]) == ("moment", 1, 3)


def test_who_is_recognized_first_is_known(scene):
    assert run(UnknownFaceRule("stranger", attempts=3), scene, [None, None, "Ada", None, None, None]) == [[]] * 6


def test_frames_without_another_look_do_not_count(scene):
    rule, changes = UnknownFaceRule("stranger", attempts=2), []
    for step in range(20):
        found = said(None, 1 + (step >= 15)) if step else {}
        changes += rule.update(scene(0.1 * step, {1: (0, 0)}, attributes=found))
    assert [change.time_s for change in changes] == [pytest.approx(1.5)]


def test_who_is_known_is_one_event_with_the_name(scene):
    changes = run(KnownFaceRule("home", attempts=2), scene, ["Ada"] * 5)
    assert [step for step, found in enumerate(changes) if found] == [1]
    assert changes[1][0].data == {"name": "Ada", "score": 0.5, "attempts": 2}
    only = KnownFaceRule("home", names=["Ben"], attempts=1)
    assert [len(found) for found in run(only, scene, ["Ada", None, "Ben", "Ben"])] == [0, 0, 1, 0]


def test_another_stage_says_nothing_here(scene):
    rules = [UnknownFaceRule("stranger", stage="other", attempts=1), KnownFaceRule("home", stage="other", attempts=1)]
    for rule in rules:
        assert run(rule, scene, ["Ada", None, None]) == [[]] * 3


def test_nothing_is_kept_of_who_is_long_gone(scene):
    rule = UnknownFaceRule("stranger", attempts=1)
    for step in range(200):
        rule.update(scene(10.0 * step, {step: (0, 0)}, attributes={step: said(None, 1)[1]}))
    assert len(rule._seen_s) < 10 and len(rule._settled) < 10
    assert rule.close(0) == [] and not rule._settled


def test_no_attempt_is_refused():
    with pytest.raises(ConfigError, match="attempts"):
        UnknownFaceRule("stranger", attempts=0)
    with pytest.raises(ConfigError, match="names"):
        KnownFaceRule("home", names=[])
