"""How good a freshly trained model is on labelled images, before any conversion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset
    from edgevision.metrics.classification import ClassificationMetrics
    from edgevision.preprocessing import Preprocessing


def evaluate_model(
    model: Any, dataset: ImageDataset, preprocessing: Preprocessing, *, batch_size: int = 256
) -> ClassificationMetrics:
    """Compare a ``tf_keras.Model`` that gives probabilities with the truth, in the model's own precision."""
    import numpy as np

    from edgevision.metrics.classification import classification_metrics

    probabilities = []
    for start in range(0, len(dataset), batch_size):
        indices = range(start, min(start + batch_size, len(dataset)))
        inputs = np.stack([preprocessing.apply(dataset.image(index)) for index in indices])
        probabilities.append(model.predict_on_batch(inputs))
    scores = np.concatenate(probabilities)
    return classification_metrics(dataset.targets, scores.argmax(1), dataset.labels, scores)
