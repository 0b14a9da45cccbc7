import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevision.errors import ConfigError, InputError
from edgevision.preprocessing import Preprocessing
from edgevision.tensors import QuantParams, TensorSpec, quantize

RNG = np.random.default_rng(0)
EVERY_VALUE = np.stack([np.arange(256, dtype=np.uint8).reshape(16, 16)] * 3, axis=-1)
OURS = Preprocessing(16, 16, mean=(128,), std=(64,))
SHAPES = {"NHWC": (1, 16, 16, 3), "NCHW": (1, 3, 16, 16), "HWC": (16, 16, 3), "CHW": (3, 16, 16)}
AXES = {"NHWC": (0, 1, 2, 3), "NCHW": (0, 3, 1, 2), "HWC": (0, 1, 2), "CHW": (2, 0, 1)}


def spec_of(layout, dtype, quant=None):
    return TensorSpec("image", SHAPES[layout], dtype, layout, quant)


def by_hand(preprocessing, spec, image):
    real = preprocessing.apply(image)
    real = real[None] if "N" in spec.layout else real
    return quantize(real.transpose(AXES[spec.layout]), spec)


means = st.tuples(*[st.floats(0, 255)] * 3)
stds = st.tuples(*[st.floats(0.1, 255)] * 3)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["int8", "uint8", "int16"]),
    st.sampled_from(list(SHAPES)),
    st.sampled_from(["RGB", "BGR"]),
    means,
    stds,
    st.floats(1e-4, 4),
    st.integers(0, 127),
    st.booleans(),
)
def test_integer_tables_equal_float_then_quantize_for_every_pixel_value(
    dtype, layout, color, mean, std, scale, zero, per_channel
):
    preprocessing = Preprocessing(16, 16, color=color, mean=mean, std=std)
    quant = QuantParams((scale,), (zero,))
    if per_channel:
        quant = QuantParams((scale, scale * 2, scale / 3), (zero, 0, 1), layout.index("C"))
    spec = spec_of(layout, dtype, quant)
    tensor, _ = preprocessing.bind(spec)(EVERY_VALUE)
    assert tensor.dtype == dtype
    assert tensor.flags.c_contiguous
    np.testing.assert_array_equal(tensor, by_hand(preprocessing, spec, EVERY_VALUE))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["float32", "float16"]), st.sampled_from(list(SHAPES)), st.sampled_from(["RGB", "BGR"]), means, stds
)
def test_float_inputs_equal_apply_to_the_last_bit(dtype, layout, color, mean, std):
    preprocessing = Preprocessing(16, 16, color=color, mean=mean, std=std)
    spec = spec_of(layout, dtype)
    tensor, _ = preprocessing.bind(spec)(EVERY_VALUE)
    assert tensor.dtype == dtype
    np.testing.assert_array_equal(tensor, by_hand(preprocessing, spec, EVERY_VALUE))


@pytest.mark.parametrize(("dtype", "zero"), [("int8", 0), ("uint8", 128)])
def test_our_own_models_only_shift_pixel_values(dtype, zero):
    spec = spec_of("NHWC", dtype, QuantParams((1 / 64,), (zero,)))
    tensor, _ = OURS.bind(spec)(EVERY_VALUE)
    np.testing.assert_array_equal(tensor[0], EVERY_VALUE.astype(int) - 128 + zero)


def test_grey_models():
    preprocessing = Preprocessing(16, 16, color="GRAY", mean=10, std=3)
    spec = TensorSpec("image", (1, 1, 16, 16), "float32", "NCHW")
    image = RNG.integers(0, 256, (40, 20, 3), dtype=np.uint8)
    tensor, geometry = preprocessing.bind(spec)(image)
    np.testing.assert_array_equal(tensor[0, 0], preprocessing.apply(image)[..., 0])
    assert geometry.source == (40, 20)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_results_are_the_callers_own(dtype):
    quant = QuantParams((1.0,), (0,)) if dtype == "uint8" else None
    bound = Preprocessing(16, 16).bind(spec_of("NHWC", dtype, quant))
    first, _ = bound(EVERY_VALUE)
    first[:] = 7
    assert not np.shares_memory(first, EVERY_VALUE)
    assert (bound(EVERY_VALUE)[0][0] == EVERY_VALUE).all()


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_batches(layout):
    shape = tuple(None if axis == "N" else size for axis, size in zip(layout, SHAPES[layout], strict=True))
    bound = OURS.bind(TensorSpec("image", shape, "int8", layout, QuantParams((1 / 64,), (0,))))
    images = [RNG.integers(0, 256, (9 + i, 20, 3), dtype=np.uint8) for i in range(3)]
    tensor, geometries = bound.batch(images)
    np.testing.assert_array_equal(tensor, np.concatenate([bound(image)[0] for image in images]))
    assert [geometry.source for geometry in geometries] == [(9, 20), (10, 20), (11, 20)]


def test_a_batch_length_of_the_model_is_kept():
    one = OURS.bind(spec_of("NHWC", "float32"))
    with pytest.raises(InputError, match="number of images: got 2; allowed: 1"):
        one.batch([EVERY_VALUE, EVERY_VALUE])
    with pytest.raises(InputError, match="number of images: got 0"):
        one.batch([])
    four = OURS.bind(TensorSpec("image", (4, 16, 16, 3), "float32", "NHWC"))
    with pytest.raises(InputError, match="got 1; allowed: 4"):
        four(EVERY_VALUE)
    with pytest.raises(InputError, match="no batch axis"):
        OURS.bind(spec_of("HWC", "float32")).batch([EVERY_VALUE])


@pytest.mark.parametrize(
    ("shape", "layout", "message"),
    [
        ((1, 16, 16, 3), "", "unknown layout"),
        ((1, 10), "NC", "not an image"),
        ((1, 16, 16, 3, 1), "NHWCD", "not an image"),
        ((1, 3, 16, 16), "NHWC", "disagree on H"),
        ((1, 16, 17, 3), "NHWC", "disagree on W"),
        ((1, 16, 16, 1), "NHWC", "disagree on C: got 1 in the model"),
    ],
)
def test_inputs_that_contradict_the_definition_are_refused(shape, layout, message):
    with pytest.raises(ConfigError, match=message):
        OURS.bind(TensorSpec("image", shape, "float32", layout))


def test_integer_inputs_need_a_scale():
    with pytest.raises(ConfigError, match="without scale and zero point"):
        OURS.bind(spec_of("NHWC", "int8"))


def test_open_height_and_width_become_the_definitions():
    tensor, _ = OURS.bind(TensorSpec("image", (1, None, None, 3), "float32", "NHWC"))(EVERY_VALUE[:5])
    assert tensor.shape == (1, 16, 16, 3)
