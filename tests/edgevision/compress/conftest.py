"""Small models that have learned their task, one on the disk with its images, one with planted outliers."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgevision.compress.constraints import Constraints
from edgevision.compress.working import Plan, load_parts, open_bench
from edgevision.converters.fine_tuning import copy_model
from edgevision.converters.keras_import import SourceModel, save_keras_artifact
from edgevision.data.dataset import ImageDataset
from edgevision.preprocessing import Preprocessing

LABELS = ("across", "down", "plain")
PREPROCESSING = Preprocessing(8, 8, mean=(128.0,) * 3, std=(64.0,) * 3)


@pytest.fixture(scope="session")
def stripes(make_stripes):
    return make_stripes(8)


@pytest.fixture(scope="session")
def source(stripes):
    """A small residual network with a depthwise convolution that has learned its task."""
    import tf_keras as keras

    keras.utils.set_random_seed(3)
    layers, image = keras.layers, keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(image)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_bn")(x))
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    y = layers.ReLU(name="depthwise_relu")(layers.BatchNormalization(name="depthwise_bn")(y))
    y = layers.Conv2D(8, 1, use_bias=False, name="pointwise")(y)
    x = layers.ReLU(name="pointwise_relu")(layers.BatchNormalization(name="pointwise_bn")(y))
    x = layers.ReLU(name="relu")(layers.Add(name="add")([x, layers.Conv2D(8, 1, name="side")(x)]))
    x = layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D(name="pool")(x))
    model = keras.Model(image, layers.Softmax(name="probabilities")(x), name="small")
    inputs = np.stack([PREPROCESSING.apply(stripes.image(i)) for i in range(len(stripes))])
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    model.fit(inputs, stripes.targets, epochs=15, verbose=0)
    return SourceModel(model, "small", PREPROCESSING, LABELS, "classification", {"activation": "softmax"})


def plant(source, kind) -> SourceModel:
    """The model, answering as before in float, with an outlier that integers do not survive."""
    model = copy_model(source)

    def change(name, edit):
        weights = model.get_layer(name).get_weights()
        edit(weights)
        model.get_layer(name).set_weights(weights)

    if kind in ("activations", "weights"):  # one channel is 5000 times the others, and the next layer takes it back

        def wider(weights):
            weights[0][2] *= 5000
            weights[1][2] *= 5000

        def narrower(weights):
            weights[0][:, :, 2] /= 5000

        change("depthwise_bn", wider)
        change("pointwise", narrower)
    else:  # one weight is huge, and its input is always 0

        def silent(weights):
            weights[0][5], weights[1][5] = 1e-3, -1

        def huge(weights):
            weights[0][0, 0, 5, :] = 500 * np.abs(weights[0]).max()

        change("depthwise_bn", silent)
        change("pointwise", huge)
    return dataclasses.replace(source, model=model)


@pytest.fixture(scope="session")
def planted(source):
    """planted(kind) -> the model with huge "activations" (or "weights", by channel), or with "one weight" that is."""
    return lambda kind: plant(source, kind)


@pytest.fixture(scope="session")
def with_activations(planted):
    return planted("activations")


@dataclass(frozen=True)
class Place:
    """A model and images, as a user has them.

    Attributes:
        source: the model.
        model: its artifact.
        data: a folder of images, split.
        train: the images to train on.
        test: the images to evaluate on.
    """

    source: SourceModel
    model: Path
    data: Path
    train: ImageDataset
    test: ImageDataset


@pytest.fixture(scope="session")
def place(make_stripes, tmp_path_factory) -> Place:
    stripes = make_stripes(8)
    train, test = stripes.subset(range(96)), stripes.subset(range(96, 192))
    folder = tmp_path_factory.mktemp("place")
    for name, part in (("train", train), ("test", test)):
        for index in range(len(part)):
            file = folder / "data" / name / part.labels[part.targets[index]] / f"{index:03d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(part.image(index)).save(file)
    source = trained(train)
    return Place(source, save_keras_artifact(source, folder / "model").path, folder / "data", train, test)


def trained(images: ImageDataset) -> SourceModel:
    import numpy as np
    import tf_keras as keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu", name="stem")(image)
    x = layers.Conv2D(64, 3, padding="same", activation="relu", name="body")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(3, activation="softmax", name="scores")(x), name="stripes")
    preprocessing = Preprocessing(8, 8, mean=(128.0,) * 3, std=(64.0,) * 3)
    inputs = np.stack([preprocessing.apply(images.image(index)) for index in range(len(images))])
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    model.fit(inputs, images.targets, epochs=20, verbose=0)
    return SourceModel(
        model, "stripes", preprocessing, images.labels, "classification", {"activation": "softmax"},
    )  # fmt: skip


@pytest.fixture
def plan(place):
    """plan(out, **changes) -> a search of one trial in the folder ``out``."""

    def make(out: Path, **changes) -> Plan:
        url = f"sqlite:///{out / 'study.db'}"
        found = Plan(
            str(place.model), str(place.data), str(out), url, "compress", ("tflite",), "cpu", 1, Constraints(), 1, None,
            1, 0.01, 0,
        )  # fmt: skip
        return dataclasses.replace(found, **changes)

    return make


@pytest.fixture
def opened():
    """opened(plan) -> its bench."""
    return lambda plan: open_bench(plan, load_parts(plan))
