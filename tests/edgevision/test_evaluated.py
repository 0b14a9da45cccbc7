"""Both kinds of evaluation are read as they were written, and told apart."""

import json

import numpy as np
import pytest

from edgevision.data.detection import Objects
from edgevision.errors import ConfigError
from edgevision.evaluate import EvaluationSummary, read_summary
from edgevision.evaluate_detection import DetectionSummary
from edgevision.metrics.classification import classification_metrics
from edgevision.metrics.detection import detection_metrics
from edgevision.tasks.detections import Detections

RAN = {"runtime": "tflite", "device": "cpu", "facts": {"threads": 1}}


@pytest.fixture(params=["classification", "detection"])
def summary(request):
    if request.param == "classification":
        metrics = classification_metrics(np.array([0, 1, 1]), np.array([0, 1, 0]), ("cat", "dog"), None)
        return EvaluationSummary(classification=metrics, **RAN)
    boxes = np.array([[0, 0, 10, 10]])
    found = Detections(boxes, np.array([0.9]), np.array([0]))
    return DetectionSummary(detection=detection_metrics([Objects.of(boxes, np.array([0]))], [found], ["cat"]), **RAN)


def test_it_is_read_as_it_was_written(summary):
    document = json.loads(json.dumps(summary.to_dict()))
    again = read_summary(document)
    assert type(again) is type(summary) and again.to_dict() == summary.to_dict()
    assert (again.runtime, again.device, again.facts) == ("tflite", "cpu", {"threads": 1})


def test_what_is_missing_or_unknown_is_named(summary):
    document = summary.to_dict()
    with pytest.raises(ConfigError, match="evaluation: unknown key: got more"):
        read_summary({**document, "more": 1})
    del document["device"]
    with pytest.raises(ConfigError, match="evaluation: no key 'device'"):
        read_summary(document)
