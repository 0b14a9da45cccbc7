import numpy as np
import pytest

from edgevision.errors import ConfigError
from edgevision.pipeline.rules import Ground, SpeedRule

# A camera that looks along a road 8 m wide: near the picture's lower edge 40 m are far away.
PIXELS = [(100, 700), (1180, 700), (520, 200), (760, 200)]
METRES = [(0, 0), (8, 0), (0, 40), (8, 40)]


@pytest.fixture(scope="module")
def road():
    return Ground.from_points(PIXELS, METRES)


def test_known_points_are_where_they_are_known_to_be(road):
    assert np.allclose(road.metres(np.array(PIXELS, float)), METRES)
    back = np.column_stack([METRES, np.ones(4)]) @ np.linalg.inv(road.matrix).T
    assert np.allclose(back[:, :2] / back[:, 2:], PIXELS)


def test_more_points_than_needed_are_fitted():
    rng = np.random.default_rng(0)
    true = Ground.from_points(PIXELS, METRES)
    pixels = rng.uniform([100, 200], [1100, 700], (30, 2))
    fitted = Ground.from_points((pixels + rng.normal(0, 0.5, (30, 2))).tolist(), true.metres(pixels).tolist())
    assert np.abs(fitted.metres(np.array(PIXELS, float)) - METRES).max() < 0.5


def drive(rule, scene, road, kmh, seconds=4.0, noise=0.0, begin=0.0):
    """Drive along the middle of the road; return what the rule says."""
    rng, said = np.random.default_rng(0), []
    to_pixels = np.linalg.inv(road.matrix)
    for step in range(int(seconds * 20)):
        time = begin + step / 20
        point = to_pixels @ [4, 2 + kmh / 3.6 * step / 20, 1]
        anchor = point[:2] / point[2] + rng.normal(0, noise, 2)
        said += rule.update(scene(time, {1: tuple(anchor)}))
    return said


def test_speed_is_measured_on_the_ground(scene, road):
    for kmh in (18.0, 25.0):
        rule = SpeedRule("limit", road, above_kmh=1)
        drive(rule, scene, road, kmh)
        (track,) = rule.speeds(scene(4.0, {})) or {1: None}
        assert track == 1
        said = rule.close(4.0)
        assert said[0].data["highest_kmh"] == pytest.approx(kmh, abs=0.11)


def test_who_is_too_fast_is_an_event_and_who_is_not_is_none(scene, road):
    assert drive(SpeedRule("limit", road, above_kmh=20), scene, road, 18) == []
    rule = SpeedRule("limit", road, above_kmh=20)
    (started,) = drive(rule, scene, road, 30)
    assert (started.phase, started.data["speed_kmh"]) == ("start", pytest.approx(30, abs=0.1))
    (ended,) = [change for step in range(40) for change in rule.update(scene(4 + step / 20, {}))]
    assert ended.phase == "end" and ended.data["duration_s"] > 2


def test_a_trembling_box_is_not_fast(scene, road):
    """One pixel of noise on a car that stands: from frame to frame that would be up to 30 km/h."""
    rule = SpeedRule("limit", road, above_kmh=8)
    rng = np.random.default_rng(1)
    for step in range(200):
        anchor = np.array([640.0, 450]) + rng.normal(0, 1, 2)
        assert rule.update(scene(step / 20, {1: tuple(anchor)})) == []


def test_one_jump_says_nothing_before_half_the_window(scene, road):
    rule = SpeedRule("limit", road, above_kmh=20)
    assert rule.update(scene(0.0, {1: (640, 600)})) == rule.update(scene(0.05, {1: (640, 400)})) == []


@pytest.mark.parametrize(
    ("pixels", "metres"),
    [
        (PIXELS[:3], METRES[:3]),
        (PIXELS, METRES[:3]),
        ([(0, 0), (1, 1), (2, 2), (3, 3)], METRES),
        ([(5, 5)] * 4, METRES),
        ([*PIXELS[:3], (1,)], METRES),
        (PIXELS, [*METRES[:3], ("a", 1)]),
    ],
)
def test_points_that_fix_no_plane_are_refused(pixels, metres):
    with pytest.raises(ConfigError, match="ground"):
        Ground.from_points(pixels, metres)


def test_settings_that_make_no_sense_are_refused(road):
    with pytest.raises(ConfigError, match="above_kmh"):
        SpeedRule("limit", road, above_kmh=0)
    with pytest.raises(ConfigError, match="3×3"):
        Ground(np.zeros((3, 3)))


def test_who_is_above_the_horizon_is_nowhere_and_not_fast(scene):
    """Somebody on a balcony, or a bird: beyond the horizon a homography goes on behind the camera."""
    ground = Ground.from_points(
        [(300, 400), (500, 400), (700, 580), (100, 580)], [(0, 20), (3.5, 20), (3.5, 0), (0, 0)]
    )
    places = ground.metres(np.array([[400.0, 580], [400, 400], [400, 320], [400, 300], [400, 250], [400, 0]]))
    assert np.isfinite(places[:3]).all() and np.isnan(places[3:]).all() and (np.diff(places[:3, 1]) > 0).all()
    rule = SpeedRule("road", ground, above_kmh=30)
    changes = [rule.update(scene(step / 10, {1: (400, 320 - 4 * step)})) for step in range(3, 40)]
    assert changes == [[]] * 37


def test_points_that_are_named_in_two_orders_are_refused():
    pixels, metres = [(300, 400), (500, 400), (700, 580), (100, 580)], [(0, 20), (3.5, 20), (0, 0), (3.5, 0)]
    with pytest.raises(ConfigError, match="ground: the horizon runs between"):
        Ground.from_points(pixels, metres)
