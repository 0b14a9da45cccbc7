import numpy as np
import pytest

from edgevision.pipeline.tracking.motion import ACCELERATED, FIRST_SPEED, MEASURED, Motion, centred

BOXES = np.array([[0.0, 0, 40, 90], [300, 200, 360, 240]])


def test_the_four_filters_are_the_one_of_eight_dimensions():
    """The same motion and measurements through the textbook's matrices."""
    rng = np.random.default_rng(0)
    motion = Motion()
    motion.add(centred(BOXES[:1]))
    size = np.sqrt(40 * 90)
    state = np.concatenate([centred(BOXES[:1])[0], np.zeros(4)])
    covariance = np.diag(np.concatenate([np.full(4, (MEASURED * size) ** 2), (np.array(FIRST_SPEED) * size) ** 2]))
    observe = np.eye(4, 8)
    for dt in (0.04, 0.2, 0.1):
        size = np.sqrt(state[2] * state[3])
        step, density = np.eye(8) + dt * np.eye(8, k=4), np.diag((np.array(ACCELERATED) * size) ** 2)
        noise = np.block([[density * dt**3 / 3, density * dt**2 / 2], [density * dt**2 / 2, density * dt]])
        state, covariance = step @ state, step @ covariance @ step.T + noise
        measured = state[:4] + rng.normal(0, 3, 4)
        gain = (
            covariance
            @ observe.T
            @ np.linalg.inv(observe @ covariance @ observe.T + np.eye(4) * MEASURED**2 * measured[2] * measured[3])
        )
        state, covariance = state + gain @ (measured - state[:4]), covariance - gain @ observe @ covariance

        motion.predict(dt)
        motion.correct(np.array([0]), measured[None])
        assert motion.position[0] == pytest.approx(state[:4])
        assert motion.velocity[0] == pytest.approx(state[4:])


def test_one_long_step_is_many_short_ones():
    long, short = Motion(), Motion()
    for motion in (long, short):
        motion.add(centred(BOXES))
        motion.velocity[:] = [[50.0, -20, 0, 0], [0, 0, 0, 0]]
    long.predict(0.5)
    for _ in range(50):
        short.predict(0.01)
    assert np.allclose(long.position, short.position)
    assert np.allclose(long._covariance, short._covariance)


def test_it_learns_a_speed_whatever_the_frame_rate():
    for rate in (5, 25, 100):
        motion = Motion()
        motion.add(centred(BOXES[:1]))
        for frame in range(1, 2 * rate + 1):
            motion.predict(1 / rate)
            moved = np.array([60, 0, 60, 0]) * frame / rate
            motion.correct(np.array([0]), centred(BOXES[:1] + moved))
        assert motion.velocity[0, :2] == pytest.approx([60, 0], abs=1)


def test_a_box_that_shrinks_never_turns_inside_out():
    motion = Motion()
    motion.add(centred(BOXES))
    motion.velocity[:, 2:] = -1000
    motion.predict(1.0)
    boxes = motion.boxes()
    assert (boxes[:, 2:] > boxes[:, :2]).all() and np.isfinite(boxes).all()


def test_nearness_shrinks_with_distance_and_forgets_other_sizes():
    motion = Motion()
    motion.add(centred(BOXES[:1]))
    motion.predict(0.2)
    places = np.concatenate([BOXES[:1] + offset for offset in (0, 10, 40, 200)] + [BOXES[:1] * 2])
    here, near, far, gone, large = motion.nearness(np.array([0]), centred(places))[0]
    assert here == pytest.approx(1) and 1 > near > far > 0
    assert gone == large == 0
