"""Tables of a flatbuffer are read by field ids; whatever is wrong with them is a ValueError."""

import mmap
import struct

import pytest

from edgevision.flatbuffer import Table

# A root table with a number (7), three integers, a text and a vector of two tables, each with one number (1 and 2).
CHILDREN = 60
CONTENT = b"".join(
    (
        struct.pack("<I", 16),
        struct.pack("<6H", 12, 20, 4, 8, 12, 16),  # the vtable, at 4
        struct.pack("<iIIII", 12, 7, 36 - 24, 52 - 28, CHILDREN - 32),  # the table, at 16
        struct.pack("<Iiii", 3, -1, 5, 2**31 - 1),  # at 36
        struct.pack("<I3sx", 3, b"abc"),  # at 52
        struct.pack("<III", 2, 84 - 64, 92 - 68),  # at 60
        bytes(4),
        struct.pack("<3Hxx", 6, 8, 4),  # the children's vtable, at 76
        struct.pack("<ii", 84 - 76, 1),
        struct.pack("<ii", 92 - 76, 2),
    )
)


def read_all(data):
    root = Table.root(data)
    children = [child.number(0, "<i") for child in root.tables(3)]
    return root.number(0, "<I"), root.integers(1), root.text(2), children, root.table(9), root.floats(9)


def test_fields_are_read_by_their_ids():
    assert read_all(CONTENT) == (7, (-1, 5, 2**31 - 1), "abc", [1, 2], None, None)
    root = Table.root(CONTENT)
    assert root.place(0) == 20 and root.place(9) is None
    assert root.places(1, 4) == range(40, 52, 4) and len(root.places(9, 4)) == 0


def test_a_memory_map_reads_the_same(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    with (tmp_path / "file").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        assert read_all(data) == read_all(CONTENT)
        assert isinstance(Table.root(data).content(2), bytes)


@pytest.mark.parametrize("keep", range(0, len(CONTENT), 3))
def test_cut_content_is_a_value_error(keep):
    with pytest.raises(ValueError):
        read_all(CONTENT[:keep])


@pytest.mark.parametrize("value", [0xFF, 0x7F, 0x80])
def test_damage_anywhere_is_read_or_a_value_error(value):
    refused = 0
    for position in range(len(CONTENT)):
        damaged = bytearray(CONTENT)
        damaged[position] = value
        try:
            read_all(bytes(damaged))
        except ValueError:
            refused += 1
    assert refused > len(CONTENT) // 4


def test_a_table_before_the_content_is_not_read_from_its_end():
    with pytest.raises(ValueError, match="a reference to byte -4"):
        Table(CONTENT, -4)
