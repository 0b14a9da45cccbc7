import pytest

from edgevision.errors import ConfigError
from edgevision.pipeline.rules import Attribute, Attributed, ZoneRule

ZONE = [(0, 0), (100, 0), (100, 100), (0, 100)]


def known(**labels):
    return {int(track[1:]): {"sign": Attribute(label, score, 1, 0.0)} for track, (label, score) in labels.items()}


def test_the_rule_sees_those_alone_that_fit(scene):
    rule = Attributed(ZoneRule("stops", ZONE, dwell_s=0), "sign", ["stop", "yield"], min_score=0.6)
    attributes = known(t1=("stop", 0.9), t2=("stop", 0.5), t3=("60", 0.9), t4=(None, 0.3), t5=("yield", 0.6))
    places = {number: (50, 50) for number in range(1, 7)}
    changes = [
        *rule.update(scene(0.0, places, attributes=attributes)),
        *rule.update(scene(0.1, places, attributes=attributes)),
    ]
    assert {change.track_id for change in changes} == {1, 5}


def test_a_dwell_begins_when_the_label_is_known(scene):
    rule = Attributed(ZoneRule("stops", ZONE, dwell_s=1.0, inertia_s=0.3), "sign", ["stop"])
    started, ended = [], []
    for step in range(60):
        time_s = step / 10
        label = None if time_s < 2 else "stop" if time_s < 4.5 else "60"
        for change in rule.update(scene(time_s, {1: (50, 50)}, attributes=known(t1=(label, 0.9)))):
            (started if change.phase == "start" else ended).append((round(time_s, 1), round(change.time_s, 1)))
    assert started == [(3.0, 2.0)] and ended[0][1] == 4.4
    assert rule.name == "stops" and rule.close(6.0) == []


def test_no_label_is_refused():
    with pytest.raises(ConfigError, match="no labels"):
        Attributed(ZoneRule("stops", ZONE), "sign", [])
