"""Reading flatbuffers of unknown origin without generated code: tables by field ids, with bounds checked."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np


class Table:
    """A table in a flatbuffer; what lies outside of the content raises ValueError, and nothing else is raised.

    Attributes:
        data: The whole flatbuffer: bytes, or a memory map of its file.
        position: Of the table, in bytes.
    """

    __slots__ = ("_vtable", "_vtable_bytes", "data", "position")

    def __init__(self, data: Any, position: int) -> None:
        self.data, self.position = data, position
        self._vtable = position - self.unpack("<i", position)
        self._vtable_bytes = self.unpack("<H", self._vtable)

    @classmethod
    def root(cls, data: Any) -> Table:
        """Return the table that the flatbuffer starts with."""
        if len(data) < 8:
            raise ValueError(f"a flatbuffer of {len(data)} bytes")
        return cls(data, struct.unpack_from("<I", data)[0])

    def unpack(self, kind: str, position: int) -> int:
        """Return the integer of the `struct` format ``kind`` at ``position``."""
        if not 0 <= position <= len(self.data) - struct.calcsize(kind):  # struct counts negative ones from the end
            raise ValueError(f"a reference to byte {position} of {len(self.data)}")
        value: int = struct.unpack_from(kind, self.data, position)[0]
        return value

    def place(self, field: int) -> int | None:
        """Return where a field's value or reference lies, or None."""
        slot = 4 + 2 * field
        offset = self.unpack("<H", self._vtable + slot) if slot + 2 <= self._vtable_bytes else 0
        return self.position + offset if offset else None

    def _target(self, field: int) -> int | None:
        place = self.place(field)
        return None if place is None else place + self.unpack("<I", place)

    def number(self, field: int, kind: str) -> int:
        """Return an integer of the `struct` format ``kind``; 0 when absent."""
        place = self.place(field)
        return 0 if place is None else self.unpack(kind, place)

    def table(self, field: int) -> Table | None:
        """Return the table that a field refers to, or None."""
        target = self._target(field)
        return None if target is None else Table(self.data, target)

    def tables(self, field: int) -> Iterator[Table]:
        """Yield the tables of a vector; none when absent."""
        for place in self.places(field, 4):
            yield Table(self.data, place + self.unpack("<I", place))

    def integers(self, field: int) -> tuple[int, ...]:
        """Return a vector of int32; empty when absent."""
        places = self.places(field, 4)
        return struct.unpack_from(f"<{len(places)}i", self.data, places.start)

    def content(self, field: int, itemsize: int = 1) -> bytes:
        """Return the bytes of a vector of items of ``itemsize`` bytes, or of a text; empty when absent."""
        places = self.places(field, itemsize)
        return bytes(self.data[places.start : places.stop])

    def text(self, field: int) -> str:
        """Return a text; empty when absent."""
        return self.content(field).decode()

    def floats(self, field: int) -> list[float] | None:
        """Return a vector of float32, or None."""
        return np.frombuffer(self.content(field, 4), "<f4").tolist() or None

    def places(self, field: int, itemsize: int) -> range:
        """Return where the items of a vector lie; its length is their number, 0 when absent."""
        target = self._target(field)
        if target is None:
            return range(0, 0, itemsize)
        start, count = target + 4, self.unpack("<I", target)
        if start + count * itemsize > len(self.data):
            raise ValueError(f"{count * itemsize} bytes at {start} of {len(self.data)}")
        return range(start, start + count * itemsize, itemsize)
