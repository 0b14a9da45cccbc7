"""Damaged packets: said once when they begin to come, and once when it is over."""

from edgevision.pipeline.sources.damage import Damage


def test_it_is_said_at_the_beginning_and_at_the_end():
    damage, said = Damage(), []
    counts = [0, 0, 1, 5, 5, 9] + [9] * 60
    for index, count in enumerate(counts):
        if (told := damage.note(count, index / 10)) is not None:
            said.append((index, *told))
    assert [(index, kind) for index, kind, _ in said] == [(2, "damaged"), (26, "whole again")]
    assert said[1][2] == "9 packets or pictures were damaged in 0.3 s" and damage.total == 9


def test_a_new_connection_counts_anew():
    damage = Damage()
    damage.note(5, 0.0)
    damage.note(2, 1.0)
    assert damage.total == 7
