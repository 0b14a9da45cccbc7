import pytest

from edgevision.errors import ConfigError
from edgevision.train.config import TrainingConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "sdg"}, "did you mean sgd"),
        ({"schedule": "linear"}, "cosine, step, constant"),
        ({"augment": "cutout"}, "none, flip, crop-flip"),
        ({"epochs": 0}, "epochs is out of range: got 0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"validation": 1.5}, "validation"),
        ({"patience": 3}, "needs images to judge by"),
        ({"frozen_epochs": 3}, "needs pretrained weights"),
        ({"frozen_epochs": 30, "pretrained": "imagenet"}, "frozen_epochs is out of range"),
    ],
)
def test_settings_that_cannot_train_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(**settings)


def test_phases_cover_the_epochs_once():
    config = TrainingConfig(epochs=10, pretrained="imagenet", frozen_epochs=4, learning_rate=0.1)
    first, second = config.phases
    assert (first.start, first.end, second.start, second.end) == (0, 4, 4, 10)
    assert (first.classifier_only, second.classifier_only) == (True, False)
    assert second.learning_rate == pytest.approx(0.01)
