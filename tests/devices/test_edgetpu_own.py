"""int8 models that TensorFlow exports here, each with something that the Edge TPU's documentation refuses."""

import numpy as np
import pytest

from edgevision.devices.edgetpu import predict_mapping
from edgevision.graphs import read_graph

pytest.importorskip("tensorflow", reason="TensorFlow is not installed (extra train)")


def _export(make):
    import tensorflow as tf
    import tf_keras as keras

    image = keras.Input((32, 32, 3), batch_size=1)
    first = keras.layers.Conv2D(8, 3, padding="same")(image)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, make(keras.layers, tf)(first)))
    rng = np.random.default_rng(0)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([rng.random((1, 32, 32, 3), np.float32)] for _ in range(8))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


OWN = {
    "HARD_SWISH": lambda layers, tf: (
        lambda x: layers.Conv2D(4, 1)(layers.Activation(lambda t: t * tf.nn.relu6(t + 3) / 6)(x))
    ),
    "LEAKY_RELU": lambda layers, tf: lambda x: layers.Conv2D(4, 1)(layers.LeakyReLU(0.1)(x)),
    "SOFTMAX": lambda layers, tf: lambda x: layers.Conv2D(4, 1)(layers.Softmax()(x)),
    "RESIZE_BILINEAR": lambda layers, tf: (
        lambda x: layers.Conv2D(2, 1)(layers.UpSampling2D(16, interpolation="bilinear")(x))
    ),
}
REASONS = {
    "HARD_SWISH": "not among its operators",
    "LEAKY_RELU": "not among its operators",
    "SOFTMAX": "one axis that is longer than 1",
    "RESIZE_BILINEAR": "more than eightfold",
}


@pytest.mark.parametrize("kind", OWN)
def test_the_refused_operator_is_named_with_its_reason_and_what_helps(tmp_path, kind):
    path = tmp_path / "own.tflite"
    path.write_bytes(_export(OWN[kind]))
    left = predict_mapping(read_graph(path)).on_cpu
    assert [placed.kind for placed in left] == [kind, "CONV_2D"]
    assert REASONS[kind] in left[0].reason and left[0].rewrite
    assert "behind an operator" in left[1].reason
