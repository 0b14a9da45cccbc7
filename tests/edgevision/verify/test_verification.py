"""The JSON form of a verification says all that the object does."""

import json
import math

import pytest

from edgevision.errors import ConfigError
from edgevision.metrics.closeness import Closeness
from edgevision.metrics.intervals import proportion
from edgevision.verify.causes import Findings
from edgevision.verify.distance import Distance
from edgevision.verify.verification import OutputCheck, RuntimeCheck, Verification


def full() -> Verification:
    output = OutputCheck(
        "scores",
        Distance(0.5, 0.25, 3),
        Distance(0.1, 0.1, 1),
        Distance(0.7, 0.3),
        Closeness(20.0, 0.99),
        {-1: 2, 0: 8},
    )
    broken = RuntimeCheck(
        "tflite", "cpu", "broken", ("too far",), Findings(("threads",), ("kernels", "threads")), False, 8, (output,),
        proportion(7, 8), proportion(90, 100), {"package": "ai-edge-litert", "threads": 1},
    )  # fmt: skip
    return Verification("colors", 3, (broken, RuntimeCheck("openvino", "cpu", "unproven")), ("onnxruntime",))


def test_it_reads_back_what_it_wrote():
    document = json.loads(json.dumps(full().to_dict()))
    assert Verification.from_dict(document) == full()
    assert Verification.from_dict(document).verdict == "broken"


def test_a_figure_that_is_not_finite_is_null_there_and_nan_here():
    check = OutputCheck("scores", Distance(math.nan, math.inf), Distance(1.0, 1.0))
    written = check.to_dict()
    assert written["sealed"] == {"max_abs_error": None, "mean_abs_error": None, "max_lsb": None}
    read = OutputCheck.from_dict(written)
    assert math.isnan(read.sealed.max_abs_error) and not read.within


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "edgevision-report"}, "another kind"),
        ({"schema": 99}, "newer"),
        ({"more": 1}, "unknown key: got more"),
    ],
)
def test_another_document_is_refused(change, said):
    with pytest.raises(ConfigError, match=said):
        Verification.from_dict({**full().to_dict(), **change})
