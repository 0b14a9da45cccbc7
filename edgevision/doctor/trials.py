"""What a model answers when images are brought to it in one way or another: equal inputs are run once."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from edgevision.binding import BoundPreprocessing
from edgevision.data.dataset import ImageDataset
from edgevision.doctor.scores import TEMPERATURES, Scores
from edgevision.image_model import Progress
from edgevision.preprocessing import Preprocessing
from edgevision.runtimes.base import CompiledModel
from edgevision.tensors import Array, TensorSpec, integer_range

_DIGEST = 16


@dataclass(frozen=True)
class Trial:
    """One way to bring an image to the model.

    Attributes:
        spec: How an image becomes the input.
        crop: The central share of each side that is cut out before, 0 to 1.
        jpeg: Quality that the image is stored with before, 1 to 95; None for as it is.
        shift: Added to the stored input, clipped to its range; for integer inputs.
    """

    spec: Preprocessing
    crop: float = 1.0
    jpeg: int | None = None
    shift: int = 0

    def prepare(self, image: Array) -> Array:
        """Return what the preprocessing gets of an image, uint8 RGB HWC."""
        if self.crop < 1:
            height, width = (max(1, round(size * self.crop)) for size in image.shape[:2])
            top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
            image = np.ascontiguousarray(image[top : top + height, left : left + width])
        if self.jpeg is not None:
            file = io.BytesIO()
            Image.fromarray(image).save(file, "JPEG", quality=self.jpeg)
            image = np.asarray(Image.open(file).convert("RGB"))
        return image


class Answers:
    """What came of one trial on the first ``count`` images.

    Attributes:
        losses: -ln(probability of the true class) at each of `TEMPERATURES`, nats: float64 (N, temperatures).
        right: Whether the best class was the true one: bool (N,).
        digests: What identifies the input of each image: bytes (N,).
        count: How many images were tried.
    """

    def __init__(self, images: int) -> None:
        """Make room for ``images``."""
        self.losses = np.empty((images, len(TEMPERATURES)))
        self.right = np.zeros(images, bool)
        self.digests = np.zeros(images, f"S{2 * _DIGEST}")
        self.count = 0

    def loss(self, count: int) -> Array:
        """Return the losses (N,) of the first ``count`` images at the temperature that makes their mean smallest."""
        part = self.losses[:count]
        best: Array = part[:, part.mean(axis=0).argmin()]
        return best

    def same_input(self, other: Answers) -> bool:
        """Whether the model got the same tensors, as far as both were tried."""
        count = min(self.count, other.count)
        return bool((self.digests[:count] == other.digests[:count]).all())


class Trials:
    """Runs trials on the images of a data set, in one order, and remembers what came of them.

    Attributes:
        answers: Trial -> what came of it.
        images: How many images there are.
        inferences: How often the model ran.
    """

    def __init__(
        self, model: CompiledModel, spec: TensorSpec, scores: Scores, dataset: ImageDataset, targets: Array
    ) -> None:
        """Take a loaded model, its input with a layout, and images with the true class of each, int64 (N,)."""
        self._model, self._spec, self._scores = model, spec, scores
        self._dataset, self._targets = dataset, targets
        self.answers: dict[Trial, Answers] = {}
        self.images = len(dataset)
        self.inferences = 0

    def run(self, trials: Sequence[Trial], count: int, progress: Progress | None = None) -> None:
        """Try each of ``trials`` on the first ``count`` images, as far as that was not done before.

        Raises:
            EdgeVisionError: An image cannot be read, or the model does not run.
        """
        pending = [trial for trial in dict.fromkeys(trials) if self._of(trial).count < count]
        if not pending:
            return
        bound = {trial: trial.spec.bind(self._spec) for trial in pending}
        for index in range(min(self._of(trial).count for trial in pending), count):
            image = self._dataset.image(index)
            rows: dict[bytes, Array] = {}
            for trial in pending:
                if self.answers[trial].count == index:
                    self._try(trial, bound[trial], image, index, rows)
            if progress is not None:
                progress(index + 1, count)

    def _of(self, trial: Trial) -> Answers:
        return self.answers.setdefault(trial, Answers(self.images))

    def _try(self, trial: Trial, bound: BoundPreprocessing, image: Array, index: int, rows: dict[bytes, Array]) -> None:
        tensor, _ = bound(trial.prepare(image))
        if trial.shift:
            moved = tensor.astype(np.int64) + trial.shift
            tensor = np.clip(moved, *integer_range(self._spec.dtype)).astype(tensor.dtype)
        digest = hashlib.blake2b(np.ascontiguousarray(tensor).data, digest_size=_DIGEST).hexdigest().encode()
        if digest not in rows:
            rows[digest] = self._model.infer((tensor,))[0]
            self.inferences += 1
        answers, target = self.answers[trial], int(self._targets[index])
        answers.losses[index], answers.right[index] = self._scores.judge(rows[digest], target)
        answers.digests[index] = digest
        answers.count = index + 1
