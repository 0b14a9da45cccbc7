"""Reading protobuf messages of unknown origin without generated code: which fields lie where, with bounds checked."""

from __future__ import annotations

from collections.abc import Iterator

Bytes = bytes | memoryview

_LONGEST_VARINT = 10
_FIXED = {1: 8, 5: 4}
"""Wire type -> bytes of a number of fixed length."""
_VARINT, _LENGTH = 0, 2


def fields(message: Bytes) -> Iterator[tuple[int, Bytes | int]]:
    """Yield the number and value of each field in the order of the message; what is damaged raises ValueError.

    A value is an integer, or the bytes of a number of fixed length, a text or a message within this one.

    >>> [(number, value) for number, value in fields(bytes([0x08, 0x96, 0x01]))]
    [(1, 150)]
    """
    position, end = 0, len(message)
    while position < end:
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise ValueError(f"field 0 before byte {position}")
        if kind == _VARINT:
            integer, position = _varint(message, position)
            yield number, integer
            continue
        if kind == _LENGTH:
            length, position = _varint(message, position)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise ValueError(f"wire type {kind} before byte {position}")
        if position + length > end:
            raise ValueError(f"{length} bytes at {position} of {end}")
        yield number, message[position : position + length]
        position += length


def messages(message: Bytes, field: int) -> Iterator[Bytes]:
    """Yield what the field ``field`` holds, each time that it occurs; ValueError where that is a number."""
    for number, value in fields(message):
        if number == field:
            if isinstance(value, int):
                raise ValueError(f"a number in field {field}, not a message")
            yield value


def _varint(message: Bytes, position: int) -> tuple[int, int]:
    """Return an integer of variable length at ``position``, and the position behind it."""
    value = 0
    for count, byte in enumerate(message[position : position + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, position + count + 1
    raise ValueError(f"an integer without an end at byte {position} of {len(message)}")
