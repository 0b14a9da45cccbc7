"""Is a .tflite file sound enough for vendor code? Some that are not abort the process instead of raising.

TFLite's runtimes check that the flatbuffer's offsets lie inside the file; they do not check that its numbers mean
something: a tensor of a negative length, a buffer that is too short for its tensor, an operator that names a tensor
which is not there. Field numbers are those of TFLite's schema, version 3.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgevision.errors import ArtifactError

MIN_BYTES = 32
_MAX_ITEMS = (1 << 31) - 1  # kernels count the elements of a tensor in 32 bits
# Bytes per element by the schema's TensorType; those that are left out have no fixed size or are packed.
_ITEM_BYTES = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 8: 8, 9: 1, 10: 8, 11: 16, 12: 8, 15: 4, 16: 2}


class _Unsound(Exception):
    """What is wrong, in words."""


def check_tflite(path: Path) -> None:
    """Raise ArtifactError unless the file is a TFLite model whose parts refer to parts that are there.

    Reads the structure, not the weights; a model of 100 KB takes about a millisecond.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < MIN_BYTES:
                raise _Unsound(f"{size} bytes")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                _check_model(_Table.root(data))
    except OSError as exc:
        raise ArtifactError(f"cannot read {path}", got=exc.strerror or exc) from exc
    except (struct.error, _Unsound, IndexError, ValueError, OverflowError) as exc:
        reason = str(exc) if isinstance(exc, _Unsound) else "a reference outside the file"
        raise ArtifactError(f"{path.name} is not a sound TFLite model", got=reason) from exc


class _Table:
    """One table of a flatbuffer."""

    def __init__(self, data: Any, position: int) -> None:
        self.data = data
        self.position = position
        self.fields = position - self.read("<i", position)
        self.length = self.read("<H", self.fields)

    @classmethod
    def root(cls, data: Any) -> _Table:
        if data[4:8] != b"TFL3":
            raise _Unsound(f"identifier {bytes(data[4:8])!r}, not b'TFL3'")
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def read(self, code: str, position: int) -> int:
        if position < 0:
            raise _Unsound("a reference outside the file")
        value: int = struct.unpack_from(code, self.data, position)[0]
        return value

    def where(self, field: int) -> int | None:
        slot = 4 + 2 * field
        offset = self.read("<H", self.fields + slot) if slot + 2 <= self.length else 0
        return self.position + offset if offset else None

    def scalar(self, field: int, code: str) -> int:
        place = self.where(field)
        return 0 if place is None else self.read(code, place)

    def target(self, field: int) -> int | None:
        place = self.where(field)
        return None if place is None else place + self.read("<I", place)

    def vector(self, field: int, item_bytes: int) -> tuple[int, int]:
        """Where the items begin, and how many there are."""
        target = self.target(field)
        if target is None:
            return 0, 0
        count = self.read("<I", target)
        if target + 4 + count * item_bytes > len(self.data):
            raise _Unsound(f"{count * item_bytes} bytes at {target + 4} of a file of {len(self.data)}")
        return target + 4, count

    def numbers(self, field: int, code: str = "i") -> tuple[Any, ...]:
        start, count = self.vector(field, struct.calcsize("<" + code))
        return struct.unpack_from(f"<{count}{code}", self.data, start)

    def tables(self, field: int) -> Iterator[_Table]:
        start, count = self.vector(field, 4)
        for place in range(start, start + 4 * count, 4):
            yield _Table(self.data, place + self.read("<I", place))


def _check_model(model: _Table) -> None:
    version = model.scalar(0, "<I")
    if version != 3:
        raise _Unsound(f"schema version {version}, not 3")
    operators = model.vector(1, 4)[1]
    buffers = [_buffer_bytes(buffer) for buffer in model.tables(4)]
    subgraphs = list(model.tables(2))
    if not subgraphs:
        raise _Unsound("no graph in it")
    for subgraph in subgraphs:
        _check_subgraph(subgraph, buffers, operators)


def _buffer_bytes(buffer: _Table) -> int:
    """Bytes of a buffer, which lie in the flatbuffer or, in files over 2 GB, after it."""
    offset, size = buffer.scalar(1, "<Q"), buffer.scalar(2, "<Q")
    if offset > 1:
        if offset + size > len(buffer.data):
            raise _Unsound(f"a buffer of {size} bytes at {offset} of a file of {len(buffer.data)}")
        return size
    return buffer.vector(0, 1)[1]


def _check_subgraph(subgraph: _Table, buffers: list[int], operators: int) -> None:
    tensors = 0
    for tensor in subgraph.tables(0):
        _check_tensor(tensor, tensors, buffers)
        tensors += 1
    inside = range(tensors)
    if any(index not in inside for field in (1, 2) for index in subgraph.numbers(field)):
        raise _Unsound(f"an input or output that is none of the {tensors} tensors")
    for operator in subgraph.tables(3):
        if operator.scalar(0, "<I") >= operators:
            raise _Unsound(f"an operator that is none of the {operators} kinds")
        optional = range(-1, tensors)
        if any(index not in optional for field in (1, 2) for index in operator.numbers(field)):
            raise _Unsound(f"an operator on none of the {tensors} tensors")


def _check_tensor(tensor: _Table, index: int, buffers: list[int]) -> None:
    shape, kind, buffer = tensor.numbers(0), tensor.scalar(1, "<b"), tensor.scalar(2, "<I")
    if any(length < 0 for length in shape) or math.prod(shape) > _MAX_ITEMS:
        raise _Unsound(f"tensor {index} of shape {list(shape)}")
    if buffer and buffer >= len(buffers):
        raise _Unsound(f"tensor {index} in none of the {len(buffers)} buffers")
    held, needed = buffers[buffer] if buffers else 0, math.prod(shape) * _ITEM_BYTES.get(kind, 0)
    sparse = tensor.where(6) is not None
    if held and needed and held != needed and not sparse:
        raise _Unsound(f"tensor {index} of {needed} bytes in a buffer of {held}")
