import numpy as np
import pytest

from edgevision.calibration import CalibrationDataset
from edgevision.converters.keras_import import SourceModel
from edgevision.data.locate import open_dataset
from edgevision.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(32, 32, mean=(128.0,), std=(64.0,))


@pytest.fixture(scope="session")
def stripes(make_stripes):
    return make_stripes(8)


@pytest.fixture(scope="session")
def images():
    return open_dataset("sample", "test").balanced(40)


@pytest.fixture(scope="session")
def calibration():
    return CalibrationDataset.from_dataset(open_dataset("sample", "train"), PREPROCESSING, 30)


@pytest.fixture(scope="session")
def inputs(images):
    return np.stack([PREPROCESSING.apply(images.image(index)) for index in range(len(images))])


@pytest.fixture(scope="session")
def small(images):
    """A residual network of a few thousand weights, drawn at random but with sharp answers."""
    import tf_keras as keras

    keras.utils.set_random_seed(7)
    layers = keras.layers
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(image)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_bn")(x))
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = layers.Conv2D(8, 1, name="pointwise")(y)
    x = layers.ReLU(name="relu")(layers.Add(name="add")([x, y]))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    logits = layers.Dense(10, name="logits", kernel_initializer=keras.initializers.RandomNormal(0, 4.0))(x)
    model = keras.Model(image, layers.Softmax(name="probabilities")(logits), name="small")
    return SourceModel(
        model=model,
        name="small",
        preprocessing=PREPROCESSING,
        labels=images.labels,
        task="classification",
        decoding={"activation": "softmax"},
        source_sha256="0" * 64,
    )


@pytest.fixture(scope="session")
def planted(images):
    """A network in which one channel of the first convolution is 500 times the others: 8 bits leave nothing of these.

    The second convolution undoes it, so that the answers do not depend on that channel more than on another.
    """
    import tf_keras as keras

    keras.utils.set_random_seed(5)
    layers = keras.layers
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="loud")(image)
    x = layers.ReLU(name="loud_relu")(layers.BatchNormalization(name="loud_bn")(x))
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="quiet")(x)
    x = layers.Conv2D(8, 3, activation="relu", name="last")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    kernel = keras.initializers.RandomNormal(0, 3.0)
    outputs = layers.Dense(10, name="scores", activation="softmax", kernel_initializer=kernel)(x)
    model = keras.Model(image, outputs, name="planted")
    factor = np.ones(8, np.float32)
    factor[3] = 500
    gamma, *others = model.get_layer("loud_bn").get_weights()
    model.get_layer("loud_bn").set_weights([gamma * factor, *others])
    kernel, bias = model.get_layer("quiet").get_weights()
    model.get_layer("quiet").set_weights([kernel / factor[:, None], bias])
    return SourceModel(model, "planted", PREPROCESSING, images.labels, "classification", {"activation": "softmax"})
