"""What tests of benchmarks time."""

import pytest


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    """A TFLite model with an open batch: the mean of each colour of an 8×8 image."""
    tf = pytest.importorskip("tensorflow")
    function = tf.function(lambda image: tf.reduce_mean(image, axis=(1, 2)))
    concrete = function.get_concrete_function(tf.TensorSpec((None, 8, 8, 3), tf.float32, "image"))
    path = tmp_path_factory.mktemp("model") / "mean.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert())
    return path
