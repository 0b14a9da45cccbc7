"""Find the preprocessing that a classifier wants, from labelled images, or check the one that is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgevision.adopt import image_tensors
from edgevision.artifact import Artifact
from edgevision.classifier import Classifier, class_count
from edgevision.data.classes import match_targets
from edgevision.data.dataset import ImageDataset
from edgevision.doctor.diagnosis import HOLDS, OTHER, RECOVERED, UNKNOWN, Diagnosis, Field, Rival, Sensitivity
from edgevision.doctor.scores import Scores, detect_activation
from edgevision.doctor.searching import STEPS, Search
from edgevision.doctor.space import FIELDS, make_space, starts
from edgevision.doctor.trials import Trial, Trials
from edgevision.errors import ConfigError, DatasetError, IncompatibleModelError, check_choice
from edgevision.image_model import Progress
from edgevision.metrics.intervals import Proportion, proportion
from edgevision.preprocessing import Preprocessing
from edgevision.runtimes.base import CompiledModel, load
from edgevision.tasks.classification import ACTIVATIONS
from edgevision.tensors import Array, TensorSpec

FEWEST_IMAGES = 20
_OVERWHELMING = 1e-6
"""A p value at which a rival is not tried on more images."""

_CROP = 0.875
_QUALITIES = (90, 75, 50)


def diagnose(
    artifact: Artifact,
    dataset: ImageDataset,
    *,
    labels: Sequence[str] | None = None,
    activation: str | None = None,
    layout: str | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    runtime: str | None = None,
    device: str = "cpu",
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Find which preprocessing a model wants, and say whether the declared one is it.

    Normalizations in every channel order race on the first images; from the best one, the resize filter, the policy,
    the channel order and the normalization are changed one after the other, until nothing gets better by more than
    chance; then the same with all images. What decides is the paired t test of the log loss on the same images, at
    the best temperature of each, corrected for every specification that the search could have come to.

    Args:
        artifact: A classifier, as an artifact or as `Artifact.describe` describes a bare file.
        dataset: Labelled images.
        labels: Class names in the order of the outputs, where the artifact does not have them.
        activation: What the scores are, one of `edgevision.tasks.classification.ACTIVATIONS`; by default as declared,
            or what they look like.
        layout: Axes of the image input, where they are unknown: "NHWC" or "NCHW".
        confidence: Of all statements together, between 0 and 1.
        seed: Of the order of the images.
        runtime: What runs the model; None for the first one here that can.
        device: Where it runs.
        options: Options of the runtime, ``{"threads": 4}``.
        progress: Called with (images done, images in all) of each race.

    Raises:
        ConfigError: An option that makes no sense, or the layout or size of the input is unknown.
        DatasetError: Fewer than `FEWEST_IMAGES` images, images of one class, or classes that the model does
            not know.
        IncompatibleModelError: It does not classify single images.
    """
    _check(artifact, dataset, activation, confidence)
    own = artifact.manifest.labels
    if own is not None and labels is not None and tuple(labels) != tuple(own):
        raise ConfigError(
            f"{_place(artifact)} has labels of its own", got=f"{len(labels)} others", next_step="leave --labels out"
        )
    names = labels if own is None else own
    declared = artifact.manifest.preprocessing
    with load(artifact, device, runtime=runtime, options=options) as model:
        spec, classes = _image_input(artifact, model, layout), class_count(artifact, model.outputs[0])
        known = None if names is None else tuple(names)
        if known is not None and len(known) != classes:
            raise ConfigError("labels", got=f"{len(known)} labels", allowed=f"{classes}, one per class")
        targets = match_targets(dataset, known, classes)
        _check_several(targets, known)
        order = _order(targets, seed)
        targets, ordered = targets[order], dataset.subset(order.tolist())
        space = make_space(spec, [ordered.image(index) for index in range(min(len(ordered), STEPS[0]))], declared)
        height, width = spec.length("H") or 0, spec.length("W") or 0
        begin = starts(space, height, width, declared)
        said = activation or artifact.manifest.decoding.get("activation") or _look(model, spec, ordered, begin)
        trials = Trials(model, spec, Scores(model.outputs[0], said), ordered, targets)
        search = Search(trials, space, confidence, progress)
        found = search.run(height, width, declared)
        fields = tuple(_field(search, found, name) for name in FIELDS)
        sensitivities = tuple(_sensitivities(search, found, spec))
        facts = dict(model.facts)
    accuracy = _accuracy(trials, found)
    guessing = float(np.bincount(targets).max()) / len(targets)
    sure = proportion(accuracy.successes, accuracy.count, 1 - (1 - confidence) / space.size)
    pair = (Trial(found), Trial(declared)) if declared is not None and declared != found else None
    return Diagnosis(
        verdict=UNKNOWN if sure.low <= guessing else RECOVERED if declared is None else OTHER if pair else HOLDS,
        spec=found,
        declared=declared,
        against_declared=search.compare(*pair) if pair else None,
        mcnemar_p=search.mcnemar(*pair) if pair else None,
        accuracy=accuracy,
        declared_accuracy=None if declared is None else _accuracy(trials, declared),
        activation=said,
        fields=fields,
        sensitivities=sensitivities,
        labels_by_position=known is None,
        images=len(targets),
        tried=len({trial.spec for trial in trials.answers}),
        comparisons=space.size,
        confidence=confidence,
        inferences=trials.inferences,
        facts=facts,
    )


def _place(artifact: Artifact) -> str:
    return str(artifact.model_file if artifact.bare else artifact.path)


def _check(artifact: Artifact, dataset: ImageDataset, activation: str | None, confidence: float) -> None:
    if activation is not None:
        check_choice("activation", activation, ACTIVATIONS)
    if not 0 < confidence < 1:
        raise ConfigError("doctor: confidence", got=confidence, allowed="between 0 and 1")
    if artifact.manifest.task not in (None, Classifier.task):
        raise IncompatibleModelError(
            f"{_place(artifact)}: not for classification",
            got=f"task {artifact.manifest.task}",
            allowed=Classifier.task,
        )
    if len(dataset) < FEWEST_IMAGES:
        raise DatasetError(
            "too few images to tell anything from chance", got=len(dataset), allowed=f"{FEWEST_IMAGES} or more"
        )


def _check_several(targets: Array, labels: Sequence[str] | None) -> None:
    """Raise DatasetError where all images are of one class: a model that always says it would be right."""
    if len(set(targets.tolist())) == 1:
        only = int(targets[0])
        raise DatasetError(
            "images of one class tell nothing: whoever always names it is right",
            got=f"{len(targets)} images of {f'class {only}' if labels is None else labels[only]}",
            allowed="images of two classes or more",
            next_step="give --data a folder with a folder for each class, best of all classes alike",
        )


def _image_input(artifact: Artifact, model: CompiledModel, layout: str | None) -> TensorSpec:
    """The one input of a model of images, with its layout."""
    inputs, _ = image_tensors(artifact.manifest.format, model, layout)
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        names = ", ".join(f"{spec.name} {list(spec.shape)}" for spec in inputs)
        raise IncompatibleModelError(f"{_place(artifact)}: not a model of one image", got=f"inputs {names}")
    spec = inputs[0]
    if not spec.layout:
        raise ConfigError(
            "the layout of the input is unknown", allowed=("NHWC", "NCHW"), next_step="declare it: --layout"
        )
    sizes = {axis: spec.length(axis) for axis in "HWC"}
    if None in sizes.values() or sizes["C"] not in (1, 3):
        raise IncompatibleModelError(
            f"{_place(artifact)}: its input has no fixed size, or is no image",
            got=list(spec.shape),
            allowed="1 or 3 channels",
        )
    return spec


def _order(targets: Array, seed: int) -> Array:
    """All images in an order whose every beginning has each class about as often as the others: int64 (N,)."""
    generator = np.random.default_rng(seed)
    drawn = generator.permutation(len(targets))
    rank = np.empty(len(targets), np.int64)
    for target in np.unique(targets):
        members = drawn[targets[drawn] == target]
        rank[members] = np.arange(len(members))
    return drawn[np.argsort(rank[drawn], kind="stable")]


def _look(model: CompiledModel, spec: TensorSpec, dataset: ImageDataset, begin: Sequence[Preprocessing]) -> str:
    """What the scores look like, from a few images in every normalization."""
    images = [dataset.image(index) for index in range(4)]
    rows = [model.infer((way.bind(spec)(image)[0],))[0].reshape(-1) for way in begin for image in images]
    return detect_activation(np.stack(rows), model.outputs[0])


def _accuracy(trials: Trials, spec: Preprocessing) -> Proportion:
    answers = trials.answers[Trial(spec)]
    return proportion(int(answers.right[: answers.count].sum()), answers.count)


def _field(search: Search, found: Preprocessing, name: str) -> Field:
    """What the other values of a field do to the loss."""
    best = Trial(found)
    trials = [Trial(spec) for spec in search.space.rivals(found, name)]
    search.race([best, *trials], search.trials.images)
    near = [trial for trial in trials if search.compare(best, trial).p > _OVERWHELMING]
    search.trials.run(near, search.trials.images, search.progress)
    answers = search.trials.answers
    rivals = [
        Rival(
            _words(search, trial.spec, name),
            answers[best].same_input(answers[trial]),
            search.compare(best, trial),
            search.mcnemar(best, trial),
        )
        for trial in trials
    ]
    rivals.sort(key=lambda rival: (not rival.same_input, -rival.loss.p, rival.loss.mean))
    unseen = tuple(rival.value for rival in rivals if rival.same_input)
    close = tuple(rival.value for rival in rivals if not rival.same_input and rival.loss.p >= 1 - search.confidence)
    return Field(
        name, _words(search, found, name), len(unseen) < len(rivals) and not close, unseen, close, tuple(rivals)
    )


def _words(search: Search, spec: Preprocessing, field: str) -> str:
    if field == "normalization":
        return search.space.name(spec)
    if field == "resize" and spec.resize.startswith("letterbox"):
        return f"{spec.resize} on {spec.pad_value}"
    return str(getattr(spec, field))


def _sensitivities(search: Search, found: Preprocessing, spec: TensorSpec) -> list[Sensitivity]:
    best = Trial(found)
    disturbed = {f"only the central {_CROP:.1%} of each side": replace(best, crop=_CROP)}
    disturbed |= {f"JPEG, quality {quality}": replace(best, jpeg=quality) for quality in _QUALITIES}
    if spec.is_integer:
        disturbed |= {f"stored input {shift:+d}": replace(best, shift=shift) for shift in (1, -1)}
    search.trials.run([best, *disturbed.values()], search.trials.images, search.progress)
    right = search.trials.answers[best].right
    return [
        Sensitivity(
            text, search.compare(best, trial), 100 * float((1.0 * search.trials.answers[trial].right - right).mean())
        )
        for text, trial in disturbed.items()
    ]
