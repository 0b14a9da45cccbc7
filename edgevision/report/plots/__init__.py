"""The pictures of a report, as SVG for one HTML page: drawn twice, for a wide and a narrow window."""

from edgevision.report.plots.canvas import Picture
from edgevision.report.plots.confusion import change_picture, confusion_picture
from edgevision.report.plots.history import LEAST_EPOCHS, history_pictures
from edgevision.report.plots.latency import latency_picture
from edgevision.report.plots.size import size_picture

__all__ = [
    "LEAST_EPOCHS",
    "Picture",
    "change_picture",
    "confusion_picture",
    "history_pictures",
    "latency_picture",
    "size_picture",
]
