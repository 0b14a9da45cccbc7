"""What came of a model: a terminal table, report.json for programs, and one HTML file that opens offline."""

from edgevision.report.build import Measured, build_report
from edgevision.report.model import Entry, History, Report, Step
from edgevision.report.run import Latency, Run
from edgevision.report.terminal import terminal_table
from edgevision.report.write import write_report

__all__ = [
    "Entry",
    "History",
    "Latency",
    "Measured",
    "Report",
    "Run",
    "Step",
    "build_report",
    "terminal_table",
    "write_report",
]
