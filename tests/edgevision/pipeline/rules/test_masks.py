import numpy as np
import pytest

from edgevision.errors import ConfigError, InputError
from edgevision.pipeline.rules import PrivacyMask
from edgevision.pipeline.rules.geometry import inside_by

WINDOW = [(40, 30), (90, 35), (80, 70), (45, 60)]


@pytest.mark.parametrize(("width", "height"), [(160, 120), (320, 240), (80, 60), (200, 120)])
def test_nothing_is_left_under_the_polygon_at_any_resolution(width, height):
    mask = PrivacyMask([WINDOW], 160, 120)
    frame = np.random.default_rng(0).integers(1, 256, (height, width, 3), dtype=np.uint8)
    masked = mask.apply(frame)
    y, x = np.mgrid[:height, :width]
    centres = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], axis=1) * [160 / width, 120 / height]
    depth = inside_by(np.array(WINDOW, float), centres).reshape(height, width)
    assert (masked[depth >= 0] == 0).all()
    pixel = max(160 / width, 120 / height)
    assert (masked[depth < -4 * pixel] == frame[depth < -4 * pixel]).all()


def test_the_frame_itself_is_not_touched_and_grey_ones_work():
    frame = np.full((120, 160), 200, np.uint8)
    masked = PrivacyMask([WINDOW, [(0, 0), (5, 0), (5, 5)]], 160, 120).apply(frame)
    assert (frame == 200).all() and masked[50, 60] == masked[1, 3] == 0 and masked[100, 150] == 200


def test_boxes_that_are_hidden_by_more_than_half():
    mask = PrivacyMask([[(0, 0), (50, 0), (50, 120), (0, 120)]], 160, 120)
    boxes = np.array([[10, 10, 30, 30], [40, 10, 80, 30], [45, 10, 100, 30], [200, 0, 210, 9], [90, 10, 90, 30]])
    assert mask.spares(boxes, 160, 120).tolist() == [False, True, True, False, False]
    assert mask.spares(boxes * 2, 320, 240).tolist() == [False, True, True, False, False]
    assert mask.spares(np.empty((0, 4)), 160, 120).tolist() == []


def test_a_polygon_that_leaves_the_picture():
    masked = PrivacyMask([[(-50, -50), (20, -50), (20, 500), (-50, 500)]], 160, 120).apply(
        np.full((120, 160), 9, np.uint8)
    )
    assert (masked[:, :20] == 0).all() and (masked[:, 23:] == 9).all()


def test_slivers_and_corners_far_outside_are_painted_too():
    """Pixels of random points in narrow convex polygons, partly outside, at sizes that stretch them: none is left."""
    random = np.random.default_rng(0)
    for _ in range(150):
        width, height, target_width, target_height = random.integers(10, 150, 4)
        turns = np.sort(random.uniform(0, 2 * np.pi, 5))
        radii = random.uniform(3, 300, 2) * [1, random.uniform(0.01, 1)]
        corners = random.uniform(0, [width, height]) + radii * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        covered = PrivacyMask([corners.tolist()], width, height).covered(target_width, target_height)
        points = random.dirichlet(np.ones(5), 500) @ corners * [target_width / width, target_height / height]
        x, y = np.floor(points.T).astype(int)
        seen = (x >= 0) & (y >= 0) & (x < target_width) & (y < target_height)
        assert covered[y[seen], x[seen]].all()


def test_what_is_no_frame_or_polygon_is_refused():
    mask = PrivacyMask([WINDOW], 160, 120)
    for frame in (np.zeros((4, 4), np.float32), np.zeros(4, np.uint8), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(InputError, match="privacy mask"):
            mask.apply(frame)
    with pytest.raises(ConfigError, match="privacy mask"):
        PrivacyMask([[(0, 0), (1, 1)]], 160, 120)
    with pytest.raises(ConfigError, match="edges cross"):  # by the even-odd rule its middle would stay bare
        PrivacyMask([[(50, 0), (80, 90), (2, 35), (98, 35), (20, 90)]], 160, 120)
    with pytest.raises(ConfigError, match="width and height"):
        PrivacyMask([WINDOW], 0, 120)
