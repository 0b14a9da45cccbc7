"""Flatbuffers without generated code: tables by field ids, written from plain data and read with bounds checked."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgevision.errors import ConversionError
from edgevision.optional import require


class Table:
    """A table in a flatbuffer of unknown origin; what lies outside of the content raises ValueError.

    Attributes:
        data: The whole flatbuffer.
        position: Of the table, in bytes.
    """

    def __init__(self, data: bytes, position: int) -> None:
        self.data, self.position = data, position
        self._vtable = position - self.unpack("<i", position)
        self._vtable_bytes = self.unpack("<H", self._vtable)

    @classmethod
    def root(cls, data: bytes) -> Table:
        """Return the table that the flatbuffer starts with."""
        if len(data) < 8:
            raise ValueError(f"a flatbuffer of {len(data)} bytes")
        return cls(data, struct.unpack_from("<I", data)[0])

    def unpack(self, kind: str, position: int) -> int:
        """Return the integer of the `struct` format ``kind`` at ``position``."""
        if not 0 <= position <= len(self.data) - struct.calcsize(kind):
            raise ValueError(f"position {position} of {len(self.data)} bytes")
        return int(struct.unpack_from(kind, self.data, position)[0])

    def _place(self, field: int) -> int | None:
        slot = 4 + 2 * field
        offset = self.unpack("<H", self._vtable + slot) if slot + 2 <= self._vtable_bytes else 0
        return self.position + offset if offset else None

    def _target(self, field: int) -> int | None:
        place = self._place(field)
        return None if place is None else place + self.unpack("<I", place)

    def number(self, field: int, kind: str) -> int:
        """Return an integer of the `struct` format ``kind``; 0 when absent."""
        place = self._place(field)
        return 0 if place is None else self.unpack(kind, place)

    def table(self, field: int) -> Table | None:
        """Return the table that a field refers to, or None."""
        target = self._target(field)
        return None if target is None else Table(self.data, target)

    def tables(self, field: int) -> list[Table]:
        """Return the tables of a vector; none when absent."""
        places = self._vector(field, 4)
        return [Table(self.data, place + self.unpack("<I", place)) for place in places]

    def content(self, field: int, itemsize: int = 1) -> bytes:
        """Return the bytes of a vector of items of ``itemsize`` bytes, or of a text; empty when absent."""
        places = self._vector(field, itemsize)
        return self.data[places.start : places.stop]

    def text(self, field: int) -> str:
        """Return a text; empty when absent."""
        return self.content(field).decode()

    def floats(self, field: int) -> list[float] | None:
        """Return a vector of float32, or None."""
        return np.frombuffer(self.content(field, 4), "<f4").tolist() or None

    def _vector(self, field: int, itemsize: int) -> range:
        target = self._target(field)
        if target is None:
            return range(0, 0, itemsize)
        start, count = target + 4, self.unpack("<I", target)
        if start + count * itemsize > len(self.data):
            raise ValueError(f"{count} items at {start} of {len(self.data)} bytes")
        return range(start, start + count * itemsize, itemsize)


def encode(table: Mapping[int, Any], identifier: bytes) -> bytes:
    """Return a flatbuffer with ``table`` (field id -> value) as its root.

    A value is a numpy scalar, a text, a float32 array, a table, or a list of tables; None and "" are left out.
    """
    builder = require("flatbuffers").Builder(1024)
    builder.Finish(_encode(builder, table), identifier)
    return bytes(builder.Output())


def _encode(builder: Any, value: Any) -> int:
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, Mapping):
        return _encode_table(builder, value)
    offsets = [_encode(builder, item) for item in value]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _encode_table(builder: Any, table: Mapping[int, Any]) -> int:
    present = {
        f: value for f, value in table.items() if value is not None and not (isinstance(value, str) and not value)
    }
    offsets = {f: _encode(builder, value) for f, value in present.items() if not isinstance(value, np.generic)}
    builder.StartObject(max(table, default=-1) + 1)
    for field, value in present.items():
        if field in offsets:
            builder.PrependUOffsetTRelativeSlot(field, offsets[field], 0)
        else:
            getattr(builder, f"Prepend{value.dtype.name.capitalize()}Slot")(field, int(value), 0)
    return int(builder.EndObject())


def pack_model(parsed: Any) -> bytes:
    """Return a TFLite model (a ``ModelT``) as a file, with the content of buffers at multiples of 16 bytes.

    The schema demands that alignment; Python's writer knows nothing of it.

    Raises:
        ConversionError: the weights lie behind the flatbuffer, as those of over 2 GB do.
    """
    if any(buffer.offset > 1 for buffer in parsed.buffers):
        raise ConversionError("a TFLite model whose weights lie outside of its flatbuffer cannot be rewritten")
    builder = _aligned_builder(require("flatbuffers"))
    builder.Finish(parsed.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _aligned_builder(flatbuffers: Any) -> Any:
    class Builder(flatbuffers.Builder):  # type: ignore[misc]
        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:
            return super().StartVector(elemSize, numElems, 16 if elemSize == 1 else alignment)

    return Builder(1 << 20)
