"""A small classifier that was trained for a second, and its images on the disk."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from edgevision.converters.keras_import import SourceModel, save_keras_artifact
from edgevision.data.dataset import ImageDataset
from edgevision.preprocessing import Preprocessing


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
