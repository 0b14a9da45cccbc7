import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevision.errors import ConfigError, InputError
from edgevision.tensors import QuantParams, TensorSpec, check_tensor, dequantize, integer_range, quantize

INT8 = TensorSpec("x", (None,), "int8", "", QuantParams((0.01,), (0,)))


@pytest.mark.parametrize(
    ("value", "stored"), [(0.025, 2), (0.015, 2), (0.005, 0), (-0.025, -2), (1.284, 127), (-9, -128), (np.inf, 127)]
)
def test_quantize_rounds_half_to_even_then_saturates(value, stored):
    result = quantize(np.array([value]), INT8)
    assert result.tolist() == [stored]
    assert result.dtype == np.int8


def test_quantize_refuses_nan():
    with pytest.raises(InputError, match="tensor x: values are NaN: got 1 of 3"):
        quantize(np.array([0, np.nan, 1]), INT8)


@given(
    st.sampled_from(["int8", "uint8", "int16"]),
    st.floats(1e-6, 1e3),
    st.data(),
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20),
)
def test_quantize_then_dequantize_is_within_half_a_step(dtype, scale, data, values):
    low, high = integer_range(dtype)
    zero_point = data.draw(st.integers(low, high))
    spec = TensorSpec("x", (None,), dtype, "", QuantParams((scale,), (zero_point,)))
    real = np.array(values)
    inside = np.clip(real, (low - zero_point) * scale, (high - zero_point) * scale)
    back = dequantize(quantize(real, spec), spec)
    assert np.all(np.abs(back - inside) <= scale * 0.5 * (1 + 1e-5) + np.abs(inside) * 1e-6)


@given(st.sampled_from(["int8", "uint8"]), st.floats(1e-4, 10), st.integers(-100, 100))
def test_every_stored_value_survives_the_round_trip(dtype, scale, offset):
    low, high = integer_range(dtype)
    spec = TensorSpec("x", (None,), dtype, "", QuantParams((scale,), (min(max(offset, low), high),)))
    stored = np.arange(low, high + 1).astype(dtype)
    np.testing.assert_array_equal(quantize(dequantize(stored, spec), spec), stored)


def test_dequantize_widens_first():
    spec = TensorSpec("x", (2,), "uint8", "", QuantParams((1.0,), (200,)))
    assert dequantize(np.array([0, 255], np.uint8), spec).tolist() == [-200.0, 55.0]


def test_per_channel_scales_run_along_their_axis():
    spec = TensorSpec("w", (2, 3), "int8", "", QuantParams((0.1, 1.0, 10.0), (0, 1, 2), axis=1))
    stored = quantize(np.full((2, 3), 10.0), spec)
    assert stored.tolist() == [[100, 11, 3]] * 2
    np.testing.assert_allclose(dequantize(stored, spec), np.full((2, 3), 10.0), rtol=1e-6)


def test_float_specs_only_change_the_dtype():
    half = TensorSpec("x", (1,), "float16")
    assert quantize(np.array([0.1]), half).dtype == np.float16
    assert dequantize(np.array([0.5], np.float16), half).dtype == np.float32


def test_integers_without_a_scale_have_no_real_values():
    with pytest.raises(ConfigError, match="int32 without scale"):
        dequantize(np.array([1]), TensorSpec("ids", (1,), "int32"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: QuantParams((0.0,), (0,)),
        lambda: QuantParams((float("nan"),), (0,)),
        lambda: QuantParams((1.0, 2.0), (0,)),
        lambda: QuantParams((1.0, 2.0), (0, 0)),
        lambda: TensorSpec("x", (1,), "int4"),
        lambda: TensorSpec("x", (1, 2), "int8", "N"),
        lambda: TensorSpec("x", (1, 2), "int8", "NN"),
        lambda: TensorSpec("x", (-1,), "int8"),
        lambda: TensorSpec("x", (1,), "float32", "", QuantParams((1.0,), (0,))),
        lambda: TensorSpec("x", (1,), "int8", "", QuantParams((1.0,), (128,))),
        lambda: TensorSpec("x", (3,), "int8", "", QuantParams((1.0, 1.0), (0, 0), axis=0)),
    ],
)
def test_specs_that_make_no_sense_are_refused(make):
    with pytest.raises(ConfigError):
        make()


def test_json_round_trip():
    spec = TensorSpec("image", (1, None, None, 3), "uint8", "NHWC", QuantParams((0.5,), (128,)))
    assert TensorSpec.from_dict(spec.to_dict()) == spec
    assert spec.length("C") == 3
    assert spec.length("H") is None
    with pytest.raises(ConfigError, match="no axis D"):
        spec.length("D")


def test_check_tensor_has_expected_and_actual_in_one_message():
    spec = TensorSpec("image", (1, None, 3), "uint8")
    check_tensor(np.zeros((1, 7, 3), np.uint8), spec)
    with pytest.raises(InputError, match=r"got float32 \[1, 7, 4\]; allowed: uint8 \[1, any, 3\]"):
        check_tensor(np.zeros((1, 7, 4), np.float32), spec)
    with pytest.raises(InputError, match="got float32"):
        check_tensor(np.zeros((1, 7, 3), np.float32), spec)
    with pytest.raises(InputError, match="not a numpy array: got list"):
        check_tensor([1], spec)
