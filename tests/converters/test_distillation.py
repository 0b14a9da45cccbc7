"""Distillation: the loss is Hinton's, and a student comes nearer to its teacher than the labels alone bring it."""

from dataclasses import replace

import numpy as np
import pytest

from edgevision.converters.distillation import Distillation, distillation_loss
from edgevision.converters.fine_tuning import FineTuner, FineTuning, copy_model
from edgevision.converters.keras_import import SourceModel
from edgevision.errors import ConfigError
from edgevision.preprocessing import Preprocessing

keras = pytest.importorskip("tf_keras", reason="the extra train is not installed")

PIXELS = Preprocessing(height=8, width=8, mean=(125.0,) * 3, std=(60.0,) * 3)
LABELS = ("across", "down", "plain")


def source(activation="softmax", seed=0, classes=3):
    keras.utils.set_random_seed(seed)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(8, 3, activation="relu")(image)
    scores = keras.layers.Dense(classes, name="scores")(keras.layers.Flatten()(x))
    outputs = keras.layers.Softmax()(scores) if activation == "softmax" else scores
    model = keras.Model(image, outputs, name=f"student{seed}")
    return SourceModel(model, model.name, PIXELS, LABELS[:classes], "classification", {"activation": activation})


def softmax(logits):
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


@pytest.mark.parametrize("activation", ["softmax", "logits"])
def test_the_loss_is_the_one_of_the_paper(activation):
    rng = np.random.default_rng(0)
    student, teacher, labels = rng.normal(0, 2, (5, 3)), rng.normal(0, 2, (5, 3)), np.eye(3)[[0, 1, 2, 0, 1]]
    soft, learned = softmax(teacher / 3.0), softmax(student / 3.0)
    wanted = 0.3 * -(labels * np.log(softmax(student))).sum(-1)
    wanted += 0.7 * 9.0 * (soft * (np.log(soft) - np.log(learned))).sum(-1)
    loss = distillation_loss(Distillation(source(), weight=0.7, temperature=3.0), 3, activation)
    outputs = softmax(student) if activation == "softmax" else student
    found = loss(np.concatenate([labels, teacher], 1).astype(np.float32), outputs.astype(np.float32))
    assert np.allclose(found, wanted, rtol=1e-4)


def test_a_student_learns_what_its_teacher_answers(make_stripes):
    stripes, teacher, student = make_stripes(8), source(seed=1), source("logits", seed=2)
    inputs = np.stack([PIXELS.apply(stripes.image(index)) for index in range(len(stripes))])
    answers = teacher.model(inputs).numpy()  # an untrained teacher: its answers have nothing to do with the labels

    def distance(distillation):
        model = copy_model(student)
        tuner = FineTuner(student, stripes, FineTuning(10, 32, 3e-3, 0, "none"), distillation)
        history = tuner.run(model)
        assert len(history) == 10 and 0 <= history[-1]["accuracy"] <= 1
        return np.abs(softmax(model(inputs).numpy()) - answers).max(-1).mean()

    taught, alone = distance(Distillation(teacher, weight=1.0, temperature=1.0)), distance(None)
    assert taught < 0.1 < alone


@pytest.mark.parametrize("values", [{"weight": 0.0}, {"weight": 1.5}, {"temperature": 0.0}, {"weight": float("nan")}])
def test_impossible_values_are_refused(values):
    with pytest.raises(ConfigError, match="distillation"):
        Distillation(source(), **values)


def test_a_teacher_that_does_not_fit_is_refused(make_stripes):
    stripes, student = make_stripes(8), source()
    settings = FineTuning(1, 32, 1e-3, 0, "none")
    others = {
        "another way": replace(student, preprocessing=replace(PIXELS, std=(1.0,) * 3)),
        "other classes": source(classes=2),
        "outputs mean": replace(student, decoding={}),
    }
    for reason, teacher in others.items():
        with pytest.raises(ConfigError, match=reason):
            FineTuner(student, stripes, settings, Distillation(teacher))
