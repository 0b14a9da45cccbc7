"""Writing flatbuffers without generated code: tables by field ids, from plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgevision.errors import ConversionError
from edgevision.optional import require


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

    The schema demands that alignment; Python's writer knows nothing of it. Vectors of the same content are written
    once: the zero points of a model with a scale for each channel, all of them 0, are a twentieth of its file.

    Raises:
        ConversionError: the weights lie behind the flatbuffer, as those of over 2 GB do.
    """
    if any(buffer.offset > 1 for buffer in parsed.buffers):
        raise ConversionError("a TFLite model whose weights lie outside of its flatbuffer cannot be rewritten")
    builder = _sharing_builder(require("flatbuffers"))
    builder.Finish(parsed.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _sharing_builder(flatbuffers: Any) -> Any:
    class Builder(flatbuffers.Builder):  # type: ignore[misc]
        def __init__(self, size: int) -> None:
            super().__init__(size)
            self._written: dict[tuple[str, bytes], int] = {}

        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:
            return super().StartVector(elemSize, numElems, 16 if elemSize == 1 else alignment)

        def CreateNumpyVector(self, x: Any) -> Any:
            key = (x.dtype.str, x.tobytes())
            if key not in self._written:
                self._written[key] = super().CreateNumpyVector(x)
            return self._written[key]

    return Builder(1 << 20)
