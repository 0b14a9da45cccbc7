"""The model and the images that its layers are judged on: checked, divided, and answered by the float model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevision.calibration import CalibrationDataset
from edgevision.converters.keras_import import SourceModel, check_weights, is_quantization_aware
from edgevision.data.classes import match_targets
from edgevision.errors import CalibrationError, ConfigError, ConversionError, DatasetError

if TYPE_CHECKING:
    from edgevision.compress.sensitivity_simulation import Simulation
    from edgevision.data.dataset import ImageDataset
    from edgevision.preprocessing import Preprocessing
    from edgevision.tensors import Array


class Subject:
    """A float classifier with images to judge it on and others to calibrate with.

    Attributes:
        source: The model.
        dataset: Labelled images to judge on.
        calibration: Images to measure ranges on, none of the former.
        inputs: The former as the model takes them: float32 (N, H, W, C).
        targets: Their classes in the model's order, (N,).
    """

    def __init__(
        self,
        source: SourceModel,
        dataset: ImageDataset,
        calibration_data: ImageDataset | None,
        *,
        images: int,
        calibration_count: int,
        seed: int,
    ) -> None:
        """Check the model and draw the images, each class as often as the others.

        Args:
            source: The model.
            dataset: Labelled images.
            calibration_data: Images to calibrate with; None to set some of ``dataset`` aside for it.
            images: How many to judge on, at most; fewer where there are fewer.
            calibration_count: How many to calibrate with, at most.
            seed: Of the draw.

        Raises:
            ConfigError: Not a float classifier of images with known preprocessing, or a count under 1.
            DatasetError: No images, or of other classes.
            CalibrationError: Images that are all one value.
            ConversionError: Weights that are NaN or infinite.
        """
        preprocessing = _check(source)
        for name, count in (("images", images), ("calibration images", calibration_count)):
            if count < 1:
                raise ConfigError(f"number of {name}", got=count, allowed="1 or more")
        if calibration_data is None:
            dataset, calibration_data = _divide(dataset, calibration_count, seed)
        if not len(dataset) or not len(calibration_data):
            raise DatasetError("the dataset is empty", next_step="name a dataset with images")
        self.source = source
        self.dataset = dataset.balanced(min(images, len(dataset)), seed)
        count = min(calibration_count, len(calibration_data))
        self.calibration = CalibrationDataset.from_dataset(calibration_data, preprocessing, count, seed)
        self.targets = match_targets(self.dataset, source.labels, int(source.model.outputs[0].shape[-1]))
        self.inputs = np.stack([preprocessing.apply(self.dataset.image(i)) for i in range(len(self.dataset))])
        wanted = tuple(source.model.inputs[0].shape[1:])
        if any(w not in (None, f) for w, f in zip(wanted, self.inputs.shape[1:], strict=True)):
            raise CalibrationError(
                f"{source.name}: images of another shape than the input", got=self.inputs.shape[1:], allowed=f"{wanted}"
            )

    def calibration_inputs(self) -> Array:
        """Return the calibration images as the model takes them: float32 (N, H, W, C)."""
        return np.concatenate(list(self.calibration))

    def float_answers(self, simulation: Simulation) -> tuple[Array, Array]:
        """Return the float model's best classes (N,), and its outputs before a softmax (N, C).

        Raises:
            ConversionError: They are NaN or infinite.
        """
        simulation.set([], {})
        outputs, raw = simulation.answers(self.inputs)
        if not (np.isfinite(outputs).all() and np.isfinite(raw).all()):
            raise ConversionError(f"{self.source.name}: its answers are NaN or infinite")
        return outputs.argmax(1), raw


def _check(source: SourceModel) -> Preprocessing:
    """Return how an image becomes the input; raises ConfigError for what is no float classifier of images."""
    if is_quantization_aware(source.model):
        raise ConfigError(f"{source.name} carries quantization already", next_step="start from the float model")
    if source.preprocessing is None:
        raise ConfigError(
            f"{source.name}: how an image becomes its input is unknown",
            next_step="declare it: edgevision adopt MODEL --mean … --std …",
        )
    shapes = [tuple(tensor.shape) for tensor in (*source.model.inputs, *source.model.outputs)]
    if len(shapes) != 2 or len(shapes[0]) != 4 or len(shapes[1]) != 2 or (shapes[1][1] or 0) < 2:
        raise ConfigError(
            f"{source.name}: sensitivity needs a classifier of images",
            got=f"inputs and outputs {shapes}", allowed="(N, height, width, channels) and (N, classes)",
        )  # fmt: skip
    check_weights(source)
    return source.preprocessing


def _divide(dataset: ImageDataset, count: int, seed: int) -> tuple[ImageDataset, ImageDataset]:
    """Return images to judge on and up to ``count`` to calibrate with, no more than half of each class.

    Raises:
        DatasetError: Fewer than two images.
    """
    generator = np.random.default_rng(seed)
    share = min(0.5, count / max(1, len(dataset)))
    judged, aside = list[int](), list[int]()
    for target in range(len(dataset.labels)):
        members = generator.permutation(np.flatnonzero(dataset.targets == target))
        taken = int(np.ceil(share * len(members))) if len(members) > 1 else 0
        aside.extend(members[:taken].tolist())
        judged.extend(members[taken:].tolist())
    if not judged or not aside:
        raise DatasetError(
            "too few images to judge on some and calibrate with others", got=len(dataset), next_step="give more images"
        )
    return dataset.subset(sorted(judged)), dataset.subset(sorted(aside))
