"""Labelled images as raw samples: what every dataset of edgevision looks like, however it is stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from edgevision.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np

    from edgevision.tensors import Array

D = TypeVar("D", bound="Images")


class Images(ABC):
    """A sequence of labelled images, raw: no resizing, no normalisation. What the labels are is for others to say.

    Attributes:
        labels: class names.
    """

    labels: tuple[str, ...]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def image(self, index: int) -> Array:
        """Return image ``index`` as uint8 RGB, shape (height, width, 3)."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Return where image ``index`` comes from: a path, or a position in an archive."""

    def stamp(self, index: int) -> bytes:
        """Return bytes that tell image ``index`` from another one, at less than decoding it costs where possible."""
        pixels = self.image(index)
        return f"{pixels.shape}".encode() + pixels.tobytes()

    def target(self, index: int) -> int | None:
        """Return the class of image ``index``; None where an image has not one class."""
        return None

    @abstractmethod
    def subset(self: D, indices: Sequence[int]) -> D:
        """Return the images at ``indices``, in that order."""

    def balanced(self: D, count: int, seed: int = 0) -> D:
        """Return ``count`` images drawn without replacement, in order; each class as often as the others if it can be.

        Raises:
            DatasetError: there are fewer images than ``count``.
        """
        import numpy as np

        if not 0 <= count <= len(self):
            raise DatasetError(
                f"too few images for a draw of {count}", got=len(self), next_step=f"ask for at most {len(self)}"
            )
        return self.subset(np.sort(self._draw(count, np.random.default_rng(seed))).tolist())

    def _draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return ``count`` places, drawn without replacement."""
        return rng.choice(len(self), count, replace=False)


class ImageDataset(Images):
    """Images that each have one class.

    Attributes:
        labels: class names; ``targets`` index into them.
        targets: class of each image, int64, shape (N,).
    """

    targets: Array

    def __len__(self) -> int:
        return len(self.targets)

    def target(self, index: int) -> int:
        """Return the class of image ``index``."""
        return int(self.targets[index])

    def subset(self, indices: Sequence[int]) -> ImageDataset:
        """Return the images at ``indices``, in that order."""
        return _Subset(self, indices)

    def _draw(self, count: int, rng: np.random.Generator) -> Array:
        """Each class as often as the others; one that has too few gives all it has, and the others make up for it."""
        import numpy as np

        members = [np.flatnonzero(self.targets == target) for target in range(len(self.labels))]
        quotas = _even_quotas([len(indices) for indices in members], count)
        chosen = [rng.choice(indices, quota, replace=False) for indices, quota in zip(members, quotas, strict=True)]
        return np.concatenate(chosen)


def _even_quotas(sizes: Sequence[int], count: int) -> list[int]:
    """Return how many to take of classes of these sizes, as equal as they allow; of equal ones the first take more."""
    quotas = [0] * len(sizes)
    while count:
        open_classes = [k for k, size in enumerate(sizes) if quotas[k] < size]
        share = max(1, count // len(open_classes))
        for k in open_classes[:count]:
            taken = min(share, sizes[k] - quotas[k])
            quotas[k] += taken
            count -= taken
    return quotas


class ArrayDataset(ImageDataset):
    """Images of one size, held in memory."""

    def __init__(self, pixels: Array, targets: Array, labels: Sequence[str], origin: str) -> None:
        """Wrap uint8 RGB ``pixels`` (N, height, width, 3) with integer ``targets`` (N,)."""
        import numpy as np

        if pixels.ndim != 4 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8:
            raise DatasetError(
                "images must be uint8 of shape (N, height, width, 3)", got=f"{pixels.dtype} {pixels.shape}"
            )
        if len(pixels) != len(targets):
            raise DatasetError(f"{origin}: {len(pixels)} images but {len(targets)} labels")
        if len(pixels) == 0:
            raise DatasetError(f"{origin} holds no image", next_step="name a dataset with images")
        if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < len(labels):
            raise DatasetError(
                f"{origin}: a label lies outside the {len(labels)} classes",
                got=f"{targets.min()}..{targets.max()}",
            )
        self.pixels = pixels
        self.targets = np.asarray(targets, np.int64)
        self.labels = tuple(labels)
        self.origin = origin

    def image(self, index: int) -> Array:
        """Return image ``index`` as uint8 RGB, shape (height, width, 3)."""
        pixels: Array = self.pixels[index]
        return pixels

    def name(self, index: int) -> str:
        """Return the origin with the image's position, ``cifar10_test.zip#17``."""
        return f"{self.origin}#{index}"


class _Subset(ImageDataset):
    def __init__(self, parent: ImageDataset, indices: Sequence[int]) -> None:
        import numpy as np

        self._parent = parent
        self._indices = np.asarray(indices, np.int64)
        self.labels = parent.labels
        self.targets = parent.targets[self._indices]

    def image(self, index: int) -> Array:
        return self._parent.image(int(self._indices[index]))

    def name(self, index: int) -> str:
        return self._parent.name(int(self._indices[index]))

    def stamp(self, index: int) -> bytes:
        return self._parent.stamp(int(self._indices[index]))
