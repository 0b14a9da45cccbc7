"""Tables, facts and the progress line."""

import io
import time

from edgevision.cli import progress
from edgevision.cli.output import facts, table
from edgevision.cli.progress import ProgressLine


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_table_aligns_numbers_right():
    assert table(["name", "ms"], [["a", "1.25"], ["long name", "10.00"]]) == (
        "name          ms\na           1.25\nlong name  10.00"
    )


def test_table_without_rows_is_its_headers():
    assert table(["name", "ms"], []) == "name  ms"


def test_facts_leave_out_what_is_unknown():
    assert facts({"task": None, "format": "tflite"}) == "format  tflite"


def test_progress_draws_on_a_terminal_and_leaves_nothing(monkeypatch):
    monkeypatch.setattr(progress, "APPEARS_AFTER_S", 0.0)
    monkeypatch.setattr(progress, "REFRESH_S", 0.01)
    terminal = Terminal()
    with ProgressLine("evaluating", terminal) as line:
        line(5, 10)
        time.sleep(0.2)
    drawn = terminal.getvalue()
    assert "evaluating ████████████░░░░░░░░░░░░ 5/10 0 s" in drawn
    assert drawn.endswith("\r\x1b[K")


def test_progress_is_silent_where_no_terminal_is(monkeypatch):
    monkeypatch.setattr(progress, "APPEARS_AFTER_S", 0.0)
    stream = io.StringIO()
    with ProgressLine("evaluating", stream) as line:
        line(5, 10)
        time.sleep(0.02)
    assert stream.getvalue() == ""


def test_progress_is_silent_for_what_is_quick():
    terminal = Terminal()
    with ProgressLine("evaluating", terminal):
        pass
    assert terminal.getvalue() == ""


def test_progress_says_how_long_the_rest_takes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    line = ProgressLine("searching", io.StringIO())
    line(4, 10, "trial 4")
    assert line.text() == "trial 4 █████████░░░░░░░░░░░░░░░ 4/10 0 s"
    now[0] = 20.0
    line(5, 10)
    assert line.text().endswith("5/10 20 s, 100 s left")
    now[0] = 80.0
    line(6, 10)
    assert line.text().endswith("6/10 80 s, 3 min left")
    line(10, 10)
    assert line.text().endswith("10/10 80 s")
