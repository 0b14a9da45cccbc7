"""Calibration images as TensorRT's int8 calibrators take them: whole batches, in order, on the GPU; and the cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.errors import CalibrationError
from edgevision.tensors import Array

if TYPE_CHECKING:
    from edgevision.cuda import Cuda

CLASSES = {"entropy": "IInt8EntropyCalibrator2", "min_max": "IInt8MinMaxCalibrator"}
"""How ranges are chosen -> the calibrator of TensorRT; DLA takes the first alone."""


class CalibrationBatches:
    """Inputs in batches of one length. Iterating again gives the same batches.

    Attributes:
        inputs: float32 (samples, …): the model's inputs, in the order of the calibration dataset.
        batch: How many of them a batch has.
    """

    def __init__(self, inputs: Array, batch: int) -> None:
        """Take the inputs; raises CalibrationError when there are none, or they are no finite float32."""
        if inputs.ndim < 2 or not len(inputs):
            raise CalibrationError("no calibration inputs", got=f"shape {list(inputs.shape)}")
        if inputs.dtype != np.float32 or not np.isfinite(inputs).all():
            raise CalibrationError("calibration inputs", got=str(inputs.dtype), allowed="finite float32")
        self.inputs, self.batch = inputs, batch

    @classmethod
    def of(cls, dataset: Iterable[Array], batch: int) -> CalibrationBatches:
        """Take what a `CalibrationDataset` yields: float32 with a batch axis of 1."""
        return cls(np.concatenate(list(dataset)), batch)

    def __len__(self) -> int:
        """Return how many batches there are."""
        return -(-len(self.inputs) // self.batch)

    def __iter__(self) -> Iterator[Array]:
        """Yield float32 (batch, …), contiguous; the last one is filled up from the beginning, so that all count."""
        for first in range(0, len(self.inputs), self.batch):
            positions = np.arange(first, first + self.batch) % len(self.inputs)
            yield np.ascontiguousarray(self.inputs[positions])


def make_calibrator(
    vendor: Any, method: str, cuda: Cuda | None, batches: CalibrationBatches | None, table: str | None
) -> Any:
    """Return a calibrator for ``IBuilderConfig.int8_calibrator``; its ``table`` is the cache, in the end.

    Args:
        vendor: The package ``tensorrt``, of release 10 or older.
        method: ``entropy`` or ``min_max``.
        cuda: The GPU that batches are copied to; None where a table is all that is given.
        batches: The calibration batches; None where a table is all that is given.
        table: The text of a calibration table that spares measuring; None to measure.
    """
    base = getattr(vendor, CLASSES[method])

    class Calibrator(base):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            base.__init__(self)
            self.table = table
            self._left = iter(batches) if batches is not None else iter(())
            self._buffer: Any = None
            self._stream = 0

        def get_batch_size(self) -> int:
            return 1 if batches is None else batches.batch

        def get_batch(self, names: list[str]) -> list[int] | None:
            batch = next(self._left, None)
            if batch is None or cuda is None:
                return None
            if self._buffer is None:
                from edgevision.cuda import PinnedBuffer

                self._stream = cuda.stream()
                self._buffer = PinnedBuffer(cuda, batch.shape, "float32")
            np.copyto(self._buffer.array, batch)
            self._buffer.send(self._stream)
            cuda.synchronize(self._stream)
            return [self._buffer.device]

        def read_calibration_cache(self) -> bytes | None:
            return None if self.table is None else self.table.encode()

        def write_calibration_cache(self, cache: Any) -> None:
            self.table = bytes(cache).decode("utf-8", "replace")

        def close(self) -> None:
            if self._buffer is not None and cuda is not None:
                self._buffer.free()
                cuda.destroy_stream(self._stream)
                self._buffer = None

    return Calibrator()
