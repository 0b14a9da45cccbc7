"""Distances, agreement, noise and conditions, each on values that can be checked by hand."""

import numpy as np
import pytest

from edgevision.errors import ArtifactError, InputError
from edgevision.tensors import QuantParams, TensorSpec
from edgevision.verify import agreement
from edgevision.verify.conditions import conditions
from edgevision.verify.distance import Distance, float_distance, real_distance, stored_distance
from edgevision.verify.running import FLOAT_NOISE, tremble

INT8 = TensorSpec("y", (1, 3), "int8", "NC", QuantParams((0.5,), (-10,)))


def test_agreement_has_the_wilson_interval():
    same = agreement(np.arange(100), np.where(np.arange(100) < 90, np.arange(100), -1))
    assert (same.successes, same.count) == (90, 100)
    assert (same.low, same.high) == pytest.approx((0.8256, 0.9448), abs=1e-4)


@pytest.mark.parametrize(("first", "second"), [([1, 2], [1]), ([], []), ([[1]], [[1]])])
def test_agreement_refuses(first, second):
    with pytest.raises(InputError):
        agreement(np.array(first), np.array(second))


def test_distance_in_units_and_steps():
    got, expected = np.array([[-128, 0, 127]], np.int8), np.array([[127, 0, 127]], np.int8)
    assert stored_distance(got, expected, INT8) == Distance(127.5, 42.5, 255)


def test_distance_to_the_float_model():
    spec = TensorSpec("y", (1, 2), "int8", "NC", QuantParams((0.25,), (0,)))
    got = np.array([[4, -4]], np.int8)
    assert float_distance(got, np.array([[1.5, -1.0]]), spec) == Distance(0.5, 0.25)
    assert float_distance(got, np.array([[1.5, -1.0, 0.0]]), spec) is None


def test_nan_is_no_match():
    nan = float("nan")
    assert real_distance(np.array([nan, 1.0]), np.array([nan, 1.0])).max_abs_error == 0.0
    assert real_distance(np.array([nan, 1.0]), np.array([0.0, 1.0])).max_abs_error == np.inf
    assert real_distance(np.array([np.inf]), np.array([np.inf])).max_abs_error == 0.0


def test_values_of_another_dtype_are_refused():
    with pytest.raises(ArtifactError, match="do not belong"):
        stored_distance(np.zeros((1, 3), np.int8), np.zeros((1, 3), np.float32), INT8)


def test_noise_is_one_step_and_stays_in_range():
    tensor = np.array([-128, -127, 0, 126, 127] * 200, np.int8)
    shaken = tremble(5)(tensor)
    step = shaken.astype(int) - tensor
    assert shaken.dtype == np.int8 and set(step.tolist()) == {-1, 0, 1}
    np.testing.assert_array_equal(shaken, tremble(5)(tensor))
    assert (shaken != tremble(6)(tensor)).any()


def test_noise_on_floats_is_relative_to_the_largest():
    tensor = np.linspace(-2, 2, 1000, dtype=np.float32)
    moved = np.abs(tremble(0)(tensor).astype(np.float64) - tensor)
    assert 0.9 * 2 * FLOAT_NOISE < moved.max() < 1.1 * 2 * FLOAT_NOISE
    assert not tremble(0)(np.zeros(4, np.float32)).any()


def test_conditions_tell_machines_apart(tmp_path):
    def machine(name, flags):
        (tmp_path / name / "proc").mkdir(parents=True)
        text = f"processor\t: 0\nmodel name\t: CPU\nflags\t\t: lm {flags}\n"
        (tmp_path / name / "proc/cpuinfo").write_text(text, encoding="utf-8")
        return tmp_path / name

    facts = {"package": "p", "version": "1", "threads": 1, "device": "cpu"}
    old, new = machine("old", "avx2"), machine("new", "avx2 avx512_vnni")
    assert conditions(facts, old) == conditions(facts, old)
    assert conditions(facts, old) != conditions(facts, new)
    assert conditions(facts, old) != conditions({**facts, "version": "2"}, old)
