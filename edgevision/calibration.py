"""Calibration data: raw samples, and apart from them the step that makes model inputs of them.

It is never defaulted to somebody else's data: a conversion that needs calibration and has none says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np

from edgevision.errors import CalibrationError

if TYPE_CHECKING:
    from edgevision.preprocessing import Preprocessing
    from edgevision.tensors import Array


class ImageSource(Protocol):
    """What calibration wants of a data set; `edgevision.data.ImageDataset` has it."""

    def __len__(self) -> int: ...

    def image(self, index: int) -> Array:
        """Return image ``index`` as uint8 RGB HWC."""
        ...

    def balanced(self, count: int, seed: int = 0) -> ImageSource:
        """Return ``count`` images, each class as often as the others."""
        ...


class CalibrationDataset:
    """Samples whose value ranges a quantizer measures.

    Iterating yields real-valued inputs with a batch axis of length 1: float32 NHWC.

    Attributes:
        samples: The raw samples; uint8 RGB HWC images.
        transform: Raw sample -> float32 HWC, usually `Preprocessing.apply`.

    Raises:
        CalibrationError: There are no samples.
    """

    def __init__(self, samples: Sequence[Array], transform: Callable[[Array], Array]) -> None:
        if len(samples) == 0:
            raise CalibrationError("no calibration samples", next_step="give images like those the model will see")
        self.samples = samples
        self.transform = transform

    @classmethod
    def from_dataset(
        cls, dataset: ImageSource, preprocessing: Preprocessing, count: int = 500, seed: int = 0
    ) -> CalibrationDataset:
        """Take ``count`` images of a data set, each class as often as the others.

        Images are read when they are needed. The same arguments give the same images.

        Raises:
            CalibrationError: Fewer than one image asked for, or more than there are.
        """
        if not 1 <= count <= len(dataset):
            raise CalibrationError("number of calibration samples", got=count, allowed=f"1 to {len(dataset)}")
        return cls(_Images(dataset.balanced(count, seed)), preprocessing.apply)

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Array]:
        """Yield one input after the other, float32 (1, H, W, C).

        Raises:
            CalibrationError: An input is NaN or infinite, or all inputs are one and the same value: before the first
                is given out.
        """
        _ = self.range  # measured, and so checked, once
        for sample in self.samples:
            yield self._input(sample)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of the raw samples in order, each with its dtype and shape."""
        digest = hashlib.sha256()
        for sample in self.samples:
            digest.update(f"{sample.dtype.str}{sample.shape}".encode())
            digest.update(np.ascontiguousarray(sample).tobytes())
        return digest.hexdigest()

    @cached_property
    def inputs_sha256(self) -> str:
        """SHA-256 (hex) of the inputs in order: of the samples and of what the transform makes of them."""
        digest = hashlib.sha256()
        for values in self:
            digest.update(str(values.shape).encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

    def _input(self, sample: Array) -> Array:
        return np.asarray(self.transform(sample), dtype=np.float32)[None]

    @cached_property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value over all inputs; raises CalibrationError as iterating does."""
        low, high = np.inf, -np.inf
        for index, sample in enumerate(self.samples):
            values = self._input(sample)
            if not np.isfinite(values).all():
                raise CalibrationError(f"calibration sample {index} has values that are NaN or infinite")
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        if low == high:
            raise CalibrationError(
                "calibration samples are all one value", got=low, next_step="give images like those the model will see"
            )
        return low, high


class _Images(Sequence[Any]):
    """The images of a data set as a sequence, each read when it is asked for."""

    def __init__(self, dataset: ImageSource) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    @overload
    def __getitem__(self, index: int) -> Array: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Array]: ...

    def __getitem__(self, index: int | slice) -> Array | Sequence[Array]:
        positions = range(len(self))[index]
        if isinstance(positions, range):
            return [self._dataset.image(position) for position in positions]
        return self._dataset.image(positions)
