"""The closing table: what it says, in which width."""

import dataclasses

import pytest

from edgevision.report import Entry, Report, terminal_table


def header(table: str) -> str:
    return table.splitlines()[0]


def test_says_all_that_a_deployer_asks_for(report):
    table = terminal_table(report, width=120)
    for title in ("artifact", "bytes", "deflated", "of float", "runtime", "top-1", "agreement", "p50", "p99", "parity"):
        assert title in header(table)
    line = next(line for line in table.splitlines() if line.startswith("tflite static_wi8_ai8 "))
    for figure in ("98,480", "82,055", "30.8", "tflite", "88.25 ±1.41", "98.45 ±0.55", "0.119", "0.1", "holds"):
        assert figure in line
    assert "2,000 images" in table


def test_the_reference_comes_first(report):
    moved = dataclasses.replace(report, entries=report.entries[::-1])
    assert terminal_table(moved, width=120).splitlines()[3].startswith("keras float32")


@pytest.mark.parametrize("width", [120, 110, 100, 80, 60, 50])
def test_fits_the_terminal(report, width):
    table = terminal_table(report, width=width).split("\n\n")[0]
    assert max(map(len, table.splitlines())) <= width
    assert "artifact" in header(table) and "runtime" in header(table)


def test_keeps_what_the_closing_table_is_for_at_100_columns(report):
    first = header(terminal_table(report, width=100))
    assert all(title in first for title in ("bytes", "deflated", "top-1", "agreement", "p50", "p99"))


def test_one_line_per_runtime_and_the_artifact_once(report):
    lines = terminal_table(report, width=120).split("\n\n")[0].splitlines()[3:]
    assert len(lines) == sum(len(entry.runs) for entry in report.entries)
    assert sum(line.startswith("tflite float32") for line in lines) == 1


def test_what_was_not_measured_has_no_column():
    bare = Report("t", "m", (Entry("m", "tflite", "float32", 2000, 1500),))
    assert header(terminal_table(bare, width=100)).split() == ["artifact", "bytes", "deflated", "of", "float"]


def test_ascii_only(report):
    assert terminal_table(report, width=120, unicode=False).isascii()


def test_a_hostile_name_cannot_move_the_cursor():
    entry = Entry("m\x1b[2J\n", "tflite\x1b[31m", "float32", 2000, 1500)
    table = terminal_table(Report("t", entry.name, (entry,)), width=100)
    assert "\x1b" not in table


def test_equal_forms_are_told_apart_by_their_names(report):
    table = terminal_table(report, width=120)
    assert "qat tflite static_wi8_ai8" in table and "pruned tflite static_wi8_ai8" in table
