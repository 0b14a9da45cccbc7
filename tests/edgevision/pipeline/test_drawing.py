import numpy as np

from edgevision.pipeline.drawing import draw_tracks
from edgevision.tasks.drawing import color_of

GREY = np.full((240, 320, 3), 128, np.uint8)


def test_each_track_has_its_box_in_a_colour_of_its_own(place):
    """Two of one class, one of them at the edge of the picture, and one whose class has no name."""
    tracks = place(0.0, {4: (100, 200), 9: (318, 200), 11: (200, 230)}, class_ids={11: 7})
    drawn = draw_tracks(GREY, tracks, ["person"])
    assert drawn.shape == GREY.shape and (GREY == 128).all()
    for number, (x, y) in {4: (80, 150), 9: (298, 150), 11: (180, 180)}.items():
        assert tuple(drawn[y, x]) == color_of(number)
    assert (drawn[120:180, 90:110] == 128).all()  # nothing inside a box
    assert (draw_tracks(GREY, place(0.0, {}), []) == GREY).all()


def test_a_long_name_takes_more_room(place):
    tracks = place(0.0, {4: (100, 200)})
    short, long = (draw_tracks(GREY, tracks, [name]) for name in ("cat", "refrigerator"))
    assert (long != GREY).sum() > (short != GREY).sum()
