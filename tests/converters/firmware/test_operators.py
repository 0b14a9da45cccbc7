"""Each operator alone, as TensorFlow's converter quantizes it, against TFLite Micro bit for bit."""

import functools
import importlib.util

import numpy as np
import pytest

from edgevision.graphs.tflite import read_tflite

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="the extra train is not installed"
)


def weights(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32) / max(1, np.prod(shape[:-1])) ** 0.5


def cases():
    """Name -> (input shapes, function of tensors); convolutions have SAME or VALID, strides, dilations, odd sizes."""
    import tensorflow as tf

    nn = tf.nn

    def conv(kernel, channels, inputs, padding, strides=1, dilations=1, activation=None):
        def function(x):
            bias = weights(channels, seed=2) * 2
            y = nn.conv2d(x, weights(*kernel, inputs, channels), strides, padding, dilations=dilations) + bias
            return activation(y) if activation else y

        return function

    def depthwise(kernel, inputs, multiplier, padding, stride=1, dilation=1, activation=None):
        def function(x):
            y = nn.depthwise_conv2d(
                x, weights(*kernel, inputs, multiplier), [1, stride, stride, 1], padding, dilations=[dilation, dilation]
            )
            y = y + weights(inputs * multiplier, seed=3)
            return activation(y) if activation else y

        return function

    def dense(x):
        return nn.relu(x @ weights(37, 11) + weights(11, seed=2))

    image, odd = [(1, 9, 7, 6)], [(1, 5, 5, 3)]
    return {
        "conv 3x3 same": (image, conv((3, 3), 8, 6, "SAME", activation=nn.relu6)),
        "conv 3x3 valid, stride 2": (image, conv((3, 3), 7, 6, "VALID", 2, activation=nn.relu)),
        "conv 1x1": (image, conv((1, 1), 5, 6, "SAME")),
        "conv 1x1, stride 2": (image, conv((1, 1), 5, 6, "SAME", 2)),
        "conv 2x4, odd channels": (odd, conv((2, 4), 3, 3, "SAME", (2, 1))),
        "conv 3x3, dilated": (image, conv((3, 3), 4, 6, "SAME", 1, 2)),
        "conv over all": (odd, conv((5, 5), 9, 3, "VALID")),
        "depthwise 3x3": (image, depthwise((3, 3), 6, 1, "SAME", activation=nn.relu6)),
        "depthwise, stride 2, valid": (image, depthwise((3, 3), 6, 1, "VALID", 2)),
        "depthwise, multiplier 2": (odd, depthwise((3, 3), 3, 2, "SAME")),
        "depthwise of one channel": ([(1, 8, 8, 1)], depthwise((3, 3), 1, 8, "SAME", 2)),
        "depthwise, dilated": (image, depthwise((3, 3), 6, 1, "SAME", 1, 2)),
        "fully connected": ([(1, 37)], dense),
        "fully connected, rows": ([(5, 37)], dense),
        "add": ([(1, 4, 4, 3)] * 2, lambda a, b: a + b),
        "add a constant": ([(1, 4, 4, 3)], lambda a: nn.relu(a + weights(3))),
        "add across": ([(1, 4, 1, 3), (1, 1, 4, 3)], lambda a, b: a + b),
        "subtract": ([(1, 4, 4, 3), (1, 4, 4, 1)], lambda a, b: a - b),
        "multiply": ([(1, 4, 4, 3)] * 2, lambda a, b: a * b),
        "multiply by channel": ([(1, 4, 4, 3), (1, 1, 1, 3)], lambda a, b: nn.relu6(a * b)),
        "average pool": (image, lambda x: nn.avg_pool2d(x, 3, 2, "SAME")),
        "average pool, valid": (image, lambda x: nn.avg_pool2d(x, (4, 2), (1, 2), "VALID")),
        "max pool": (image, lambda x: nn.max_pool2d(x, 3, 2, "SAME")),
        "mean": (image, lambda x: tf.reduce_mean(x, [1, 2])),
        "mean, kept axes": (image, lambda x: tf.reduce_mean(x, [1, 2], keepdims=True)),
        "mean of channels": (image, lambda x: tf.reduce_mean(x, [3])),
        "pad": (image, lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 3], [1, 0]])),
        "reshape": (image, lambda x: nn.relu(tf.reshape(x, [1, 63, 6]))),
        "concatenate": ([(1, 4, 4, 3), (1, 4, 4, 5)], lambda a, b: tf.concat([a, b], 3)),
        "concatenate rows": ([(1, 4, 4, 3)] * 2, lambda a, b: tf.concat([a, b, a], 1)),
        "split": ([(1, 4, 4, 6)], lambda x: tf.concat(tf.split(x, 3, 3)[::-1], 3)),
        "slice": (image, lambda x: x[:, 1:8:2, ::-1, 2:5]),
        "slice away": (image, lambda x: x[:, 3, :, 1:]),
        "transpose": (image, lambda x: tf.transpose(x, [0, 3, 1, 2])),
        "softmax": ([(1, 10)], lambda x: nn.softmax(x * 4)),
        "softmax, rows": ([(1, 6, 5)], nn.softmax),
        "logistic": ([(1, 300)], lambda x: nn.sigmoid(x * 5)),
        "tanh": ([(1, 300)], lambda x: nn.tanh(x * 3)),
        "relu": ([(1, 300)], lambda x: nn.relu(tf.reshape(x, [1, 30, 10]) * 1.0)),
        "leaky relu": ([(1, 300)], lambda x: nn.leaky_relu(x, 0.1)),
        "hard swish": ([(1, 300)], lambda x: x * nn.relu6(x + 3) * 0.16666667),
        "prelu": (image, lambda x: nn.relu(x) + -weights(1, 1, 6) * nn.relu(-x)),
        "resize nearest": (image, lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, (18, 14))),
        "resize nearest, half pixels": (
            image, lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, (13, 5), half_pixel_centers=True)
        ),
        "resize bilinear": (image, lambda x: tf.compat.v1.image.resize_bilinear(x, (18, 14))),
        "resize bilinear, half pixels": (
            image, lambda x: tf.compat.v1.image.resize_bilinear(x, (13, 5), half_pixel_centers=True)
        ),
        "transposed conv": (
            image, lambda x: nn.conv2d_transpose(x, weights(3, 3, 4, 6), (1, 18, 14, 4), 2, "SAME") + weights(4)
        ),
        "transposed conv, valid": (
            image, lambda x: nn.conv2d_transpose(x, weights(2, 3, 4, 6), (1, 18, 15, 4), 2, "VALID")
        ),
    }  # fmt: skip


NAMES = (
    "conv 3x3 same", "conv 3x3 valid, stride 2", "conv 1x1", "conv 1x1, stride 2", "conv 2x4, odd channels",
    "conv 3x3, dilated", "conv over all", "depthwise 3x3", "depthwise, stride 2, valid", "depthwise, multiplier 2",
    "depthwise of one channel", "depthwise, dilated", "fully connected", "fully connected, rows", "add",
    "add a constant", "add across", "subtract", "multiply", "multiply by channel", "average pool",
    "average pool, valid", "max pool", "mean", "mean, kept axes", "mean of channels", "pad", "reshape", "concatenate",
    "concatenate rows", "split", "slice", "slice away", "transpose", "softmax", "softmax, rows", "logistic", "tanh",
    "relu", "leaky relu", "hard swish", "prelu", "resize nearest", "resize nearest, half pixels", "resize bilinear",
    "resize bilinear, half pixels", "transposed conv", "transposed conv, valid",
)  # fmt: skip


@functools.cache
def all_cases():
    return cases()


def converted(shapes, function, seed=0):
    """An int8 model of a function, calibrated on normal values."""
    import tensorflow as tf

    signature = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    concrete = tf.function(function).get_concrete_function(*signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    draw = np.random.default_rng(seed)

    def samples():
        for _ in range(20):
            yield [draw.normal(size=shape).astype(np.float32) for shape in shapes]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


KINDS = {
    "conv": "CONV_2D", "depthwise": "DEPTHWISE_CONV_2D", "fully": "FULLY_CONNECTED", "add": "ADD", "subtract": "SUB",
    "multiply": "MUL", "average": "AVERAGE_POOL_2D", "max": "MAX_POOL_2D", "mean": "MEAN", "pad": "PAD",
    "reshape": "RESHAPE", "concatenate": "CONCATENATION", "split": "SPLIT", "slice": "STRIDED_SLICE",
    "transpose": "TRANSPOSE", "softmax": "SOFTMAX", "logistic": "LOGISTIC", "tanh": "TANH", "leaky": "LEAKY_RELU",
    "hard": "HARD_SWISH", "prelu": "PRELU", "resize nearest": "RESIZE_NEAREST_NEIGHBOR",
    "resize bilinear": "RESIZE_BILINEAR", "transposed": "TRANSPOSE_CONV", "relu": "RELU",
}  # fmt: skip
"""First word or words of a case -> the operator that it is about."""


def kind_of(name):
    words = name.replace(",", "").split()
    return KINDS.get(" ".join(words[:2])) or KINDS[words[0]]


def test_every_case_has_a_name():
    assert set(all_cases()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_operator_answers_as_tflite_micro_does(name, same_as_oracle):

    content = converted(*all_cases()[name])
    assert kind_of(name) in {operator.kind for operator in read_tflite(content).nodes}
    same_as_oracle(content, 25)
