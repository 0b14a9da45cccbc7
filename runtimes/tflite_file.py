"""Is a .tflite file sound enough for vendor code? Some that are not abort the process instead of raising.

TFLite's runtimes check that the flatbuffer's offsets lie inside the file; they do not check that its numbers mean
something: a tensor of a negative length, a buffer that is too short for its tensor, an operator that names a tensor
which is not there. Field numbers are those of TFLite's schema, version 3.
"""

from __future__ import annotations

import math
import mmap
from pathlib import Path

from edgevision.errors import ArtifactError
from edgevision.flatbuffer import Table

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
                if data[4:8] != b"TFL3":
                    raise _Unsound(f"identifier {data[4:8]!r}, not b'TFL3'")
                _check_model(Table.root(data))
    except OSError as exc:
        raise ArtifactError(f"cannot read {path}", got=exc.strerror or exc) from exc
    except (_Unsound, ValueError) as exc:
        raise ArtifactError(f"{path.name} is not a sound TFLite model", got=exc) from exc


def _check_model(model: Table) -> None:
    version = model.number(0, "<I")
    if version != 3:
        raise _Unsound(f"schema version {version}, not 3")
    operators = len(model.places(1, 4))
    buffers = [_buffer_bytes(buffer) for buffer in model.tables(4)]
    subgraphs = list(model.tables(2))
    if not subgraphs:
        raise _Unsound("no graph in it")
    for subgraph in subgraphs:
        _check_subgraph(subgraph, buffers, operators)


def _buffer_bytes(buffer: Table) -> int:
    """Bytes of a buffer, which lie in the flatbuffer or, in files over 2 GB, after it."""
    offset, size = buffer.number(1, "<Q"), buffer.number(2, "<Q")
    if offset > 1:
        if offset + size > len(buffer.data):
            raise _Unsound(f"a buffer of {size} bytes at {offset} of a file of {len(buffer.data)}")
        return size
    return len(buffer.places(0, 1))


def _check_subgraph(subgraph: Table, buffers: list[int], operators: int) -> None:
    tensors = 0
    for tensor in subgraph.tables(0):
        _check_tensor(tensor, tensors, buffers)
        tensors += 1
    inside = range(tensors)
    if any(index not in inside for field in (1, 2) for index in subgraph.integers(field)):
        raise _Unsound(f"an input or output that is none of the {tensors} tensors")
    for operator in subgraph.tables(3):
        if operator.number(0, "<I") >= operators:
            raise _Unsound(f"an operator that is none of the {operators} kinds")
        optional = range(-1, tensors)
        if any(index not in optional for field in (1, 2) for index in operator.integers(field)):
            raise _Unsound(f"an operator on none of the {tensors} tensors")


def _check_tensor(tensor: Table, index: int, buffers: list[int]) -> None:
    shape, kind, buffer = tensor.integers(0), tensor.number(1, "<b"), tensor.number(2, "<I")
    if any(length < 0 for length in shape) or math.prod(shape) > _MAX_ITEMS:
        raise _Unsound(f"tensor {index} of shape {list(shape)}")
    if buffer and buffer >= len(buffers):
        raise _Unsound(f"tensor {index} in none of the {len(buffers)} buffers")
    held, needed = buffers[buffer] if buffers else 0, math.prod(shape) * _ITEM_BYTES.get(kind, 0)
    sparse = tensor.place(6) is not None
    if held and needed and held != needed and not sparse:
        raise _Unsound(f"tensor {index} of {needed} bytes in a buffer of {held}")
