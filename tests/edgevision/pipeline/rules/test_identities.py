from edgevision.pipeline.rules import Identities
from edgevision.pipeline.tracking import LOST


def test_a_new_id_where_one_went_missing_is_that_one(place):
    names = Identities()
    assert names.update(place(0.0, {4: (100, 200), 5: (400, 200)})).ids.tolist() == [1, 2]
    assert names.update(place(0.1, {5: (400, 200)})).ids.tolist() == [2]
    assert names.update(place(0.2, {9: (110, 205), 5: (400, 200)})).ids.tolist() == [1, 2]
    assert names.update(place(0.3, {9: (110, 205), 5: (400, 200)})).ids.tolist() == [1, 2]


def test_far_away_of_another_class_or_too_late_it_is_a_new_one(place):
    for anchor, number, later in [((300, 200), 0, 0.2), ((100, 200), 3, 0.2), ((100, 200), 0, 5.0)]:
        names = Identities(memory_s=2.0)
        names.update(place(0.0, {4: (100, 200)}))
        assert names.update(place(later, {9: anchor}, class_ids={9: number})).ids.tolist() == [2]


def test_who_walks_on_is_expected_farther_on(place):
    names = Identities()
    names.update(place(0.0, {4: (100, 200)}, velocities={4: (150, 0)}))
    assert names.update(place(1.0, {9: (250, 200)})).ids.tolist() == [1]


def test_two_missing_and_two_new_are_matched_together(place):
    names = Identities()
    names.update(place(0.0, {1: (100, 200), 2: (140, 200)}))
    assert names.update(place(0.1, {8: (130, 200), 9: (100, 200)})).ids.tolist() == [2, 1]


def test_who_comes_back_after_another_took_the_name_gets_a_new_one(place):
    names = Identities()
    names.update(place(0.0, {4: (100, 200)}))
    names.update(place(0.1, {4: (100, 200), 9: (105, 200)}, states={4: LOST}))
    both = names.update(place(0.2, {4: (100, 200), 9: (105, 200)}))
    assert both.ids.tolist() == [2, 1]


def test_nothing_is_kept_of_who_is_long_gone(place):
    names = Identities(memory_s=1.0)
    for step in range(500):
        names.update(place(2.0 * step, {step: (100, 200)}))
    assert len(names._known) == len(names._names) == 1
