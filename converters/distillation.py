"""Knowledge distillation: a changed model learns from the answers of the model that it came from, beside the labels.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015): the loss is (1 − w) times the
cross-entropy with the labels plus w·T² times the Kullback-Leibler divergence of both models' softmax at temperature T.
The teacher sees the very pixels that the student sees, augmented alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgevision.errors import ConfigError
from edgevision.optional import require

if TYPE_CHECKING:
    from edgevision.converters.keras_import import SourceModel

SMALLEST = 1e-7
"""Probabilities below this count as this: their logarithm stays finite."""


@dataclass(frozen=True)
class Distillation:
    """Who teaches, and how much its answers count.

    Attributes:
        teacher: The model that is learned from; usually the one from before a compression.
        weight: Share of the teacher in the loss, above 0 and up to 1.
        temperature: Divides the logits of both before their softmax, above 0.
    """

    teacher: SourceModel
    weight: float = 0.9
    temperature: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise ConfigError("distillation weight", got=self.weight, allowed="a share above 0 and up to 1")
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ConfigError("distillation temperature", got=self.temperature, allowed="more than 0")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as the lineage keeps them."""
        return {"teacher": self.teacher.name, "weight": self.weight, "temperature": self.temperature}


def check_teacher(student: SourceModel, teacher: SourceModel) -> None:
    """Raise ConfigError unless both models see the same input and name the same classes."""
    if student.preprocessing != teacher.preprocessing:
        raise ConfigError(
            f"{teacher.name} cannot teach {student.name}: it sees images another way",
            got=str(teacher.preprocessing), allowed=str(student.preprocessing),
        )  # fmt: skip
    if teacher.decoding.get("activation") not in ("softmax", "logits"):
        raise ConfigError(
            f"{teacher.name} cannot teach: what its outputs mean is not known", allowed=("softmax", "logits")
        )
    shapes = [tuple(model.model.outputs[0].shape) for model in (student, teacher)]
    if shapes[0] != shapes[1] or student.labels != teacher.labels:
        raise ConfigError(f"{teacher.name} cannot teach {student.name}: it has other classes")


def with_answers(batches: Any, distillation: Distillation, classes: int) -> Any:
    """Return batches of (inputs, float32 (N, 2·classes)): one-hot labels, then the teacher's logits."""
    tf = require("tensorflow")
    teacher, scores = distillation.teacher.model, distillation.teacher.decoding["activation"]

    def answer(inputs: Any, targets: Any) -> Any:
        logits = _logits(tf, teacher(inputs, training=False), scores)
        return inputs, tf.concat([tf.one_hot(targets, classes), logits], axis=-1)

    return batches.map(answer, num_parallel_calls=1).prefetch(2)


def distillation_loss(distillation: Distillation, classes: int, activation: str) -> Any:
    """Return the loss of targets as `with_answers` makes them; ``activation`` says what the student's outputs are."""
    tf = require("tensorflow")
    weight, temperature = distillation.weight, distillation.temperature

    def loss(targets: Any, outputs: Any) -> Any:
        labels, answers = targets[:, :classes], targets[:, classes:]
        logits = _logits(tf, outputs, activation)
        hard = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
        taught = tf.nn.log_softmax(answers / temperature)
        learned = tf.nn.log_softmax(logits / temperature)
        soft = tf.reduce_sum(tf.exp(taught) * (taught - learned), axis=-1)
        return (1 - weight) * hard + weight * temperature**2 * soft

    return loss


def distillation_accuracy(classes: int) -> Any:
    """Return the metric ``accuracy``: share of images whose best class is that of the labels."""
    tf = require("tensorflow")

    def accuracy(targets: Any, outputs: Any) -> Any:
        hits = tf.equal(tf.argmax(targets[:, :classes], axis=-1), tf.argmax(outputs, axis=-1))
        return tf.cast(hits, tf.float32)

    return accuracy


def _logits(tf: Any, outputs: Any, activation: str) -> Any:
    outputs = tf.cast(outputs, tf.float32)
    return outputs if activation == "logits" else tf.math.log(tf.maximum(outputs, SMALLEST))
