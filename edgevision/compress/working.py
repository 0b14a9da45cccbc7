"""One worker of a search: takes a trial, judges it, writes down what came of it, until there is nothing more to do."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.calibration import CalibrationDataset
from edgevision.compress.aiming import aims, room
from edgevision.compress.constraints import Constraints
from edgevision.compress.front import pareto_front
from edgevision.compress.identity import check_folder, claim_folder
from edgevision.compress.images import images_digest, open_images
from edgevision.compress.judging import PASSING, Judge, Judged, hopeless
from edgevision.compress.ledger import LedgerRow
from edgevision.compress.measuring import Setting
from edgevision.compress.running import Progress
from edgevision.compress.space import Manner, Proposal, Space, default_epochs
from edgevision.compress.study import BEAT_S, Record, Study
from edgevision.converters.keras_import import SourceModel, is_quantization_aware, leaf_layers, load_source
from edgevision.converters.quantization_scheme import BATCH_NORMS
from edgevision.documents import digest
from edgevision.errors import ConfigError, EdgeVisionError
from edgevision.files import unfinished
from edgevision.optional import require

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset

TRIALS = "trials"
MODELS = "models"
CALIBRATED = 500
"""Calibration images that are looked at before anything is begun."""
MOST_REPEATS = 60
"""After so many drawn candidates in a row that were known already, the space counts as exhausted."""


@dataclass(frozen=True)
class Plan:
    """A search, in words that another process can read.

    Attributes:
        model: The float Keras model: a file or an artifact.
        data: The labelled images.
        out: The folder of results.
        storage: URL of the database.
        study: The study's name.
        to: Formats.
        device: Where candidates run.
        threads: Of the runtimes; None for all.
        constraints: The limits.
        trials: Finished trials that the study is to have.
        deadline: No trial begins after this moment (seconds since the epoch); None for no limit.
        epochs: Of the longest fine-tuning; None to fit the number of images.
        min_duration_s: Seconds of measured inference of each artifact on each runtime.
        seed: Of everything drawn at random.
    """

    model: str
    data: str
    out: str
    storage: str
    study: str
    to: tuple[str, ...]
    device: str
    threads: int | None
    constraints: Constraints
    trials: int
    deadline: float | None
    epochs: int | None
    min_duration_s: float
    seed: int


@dataclass(frozen=True)
class Bench:
    """What a plan needs, loaded.

    Attributes:
        plan: The plan.
        source: The float model.
        train: Images to calibrate and fine-tune on.
        test: Images to measure accuracy on.
        space: What candidates are drawn from.
        study: Their memory.
        models: Where the models between steps are kept: those of this model and these images, and of nothing else.
    """

    plan: Plan
    source: SourceModel
    train: ImageDataset
    test: ImageDataset
    space: Space
    study: Study
    models: Path

    @property
    def setting(self) -> Setting:
        """What candidates are measured with."""
        plan = self.plan
        return Setting(self.source, self.train, self.test, plan.device, plan.threads, plan.min_duration_s, plan.seed)


@dataclass(frozen=True)
class Parts:
    """What a plan names, loaded."""

    source: SourceModel
    train: ImageDataset
    test: ImageDataset


def load_parts(plan: Plan) -> Parts:
    """Load the model and the images of a plan, and check that they can be worked with.

    Raises:
        EdgeVisionError: No such model or images, a model that is quantized already, or images that calibrate nothing.
    """
    source = load_source(plan.model)
    if is_quantization_aware(source.model):
        raise ConfigError(f"{source.name} carries quantization already", next_step="start from the float model")
    if source.preprocessing is None:
        raise ConfigError(
            f"{source.name}: how an image becomes its input is not known",
            next_step="declare it: edgevision adopt MODEL --mean … --std …",
        )
    train, test = open_images(plan.data, plan.seed)
    calibration = CalibrationDataset.from_dataset(train, source.preprocessing, min(CALIBRATED, len(train)), plan.seed)
    _ = calibration.range
    return Parts(source, train, test)


def open_bench(plan: Plan, parts: Parts, worker: int = 0) -> Bench:
    """Open the study of a plan.

    Raises:
        ConfigError: The study, or the folder of results, is one of another model, other images or settings.
    """
    source, train, test = parts.source, parts.train, parts.test
    epochs = plan.epochs or default_epochs(len(train))
    space = Space(plan.to, epochs, plan.seed, _manner(source, len(train)))
    identity = {
        "model": model_digest(source),
        "images": digest([images_digest(train), images_digest(test)]),
        "formats": list(plan.to),
        "device": plan.device,
        "threads": "all" if plan.threads is None else plan.threads,
        "epochs": epochs,
        "seed": plan.seed,
    }
    out = Path(plan.out)
    check_folder(out, plan.storage, plan.study, identity)  # before the database gets a study that nobody wanted
    out.mkdir(parents=True, exist_ok=True)
    study = Study.open(plan.storage, plan.study, identity)
    claim_folder(out, plan.storage, plan.study, identity)
    study.draw_with(_sampler(plan, worker, len(study.records())))
    return Bench(plan, source, train, test, space, study, out / MODELS / digest(identity)[:16])


def _manner(source: SourceModel, images: int) -> Manner | None:
    """Return how a model is trained on with so many images; None where it cannot be."""
    normalized = any(type(layer).__name__ in BATCH_NORMS for layer in leaf_layers(source.model))
    manner = Manner.fitting(images, normalized=normalized)
    classifier = source.decoding.get("activation") in ("softmax", "logits")
    return manner if classifier and images >= manner.batch_size else None


def work(bench: Bench, progress: Progress | None = None) -> None:
    """Work on the study until it has its trials, time is up, or nothing new can be drawn.

    Raises:
        EdgeVisionError: What is no candidate's fault, such as a full disk, as it came.
        KeyboardInterrupt: As it came. The trial that was running is run again by whoever comes next, in either case.
    """
    plan, study = bench.plan, bench.study
    repeats, known = 0, set[str]()
    with Judge(bench.setting, plan.constraints, bench.models) as judge:
        for format in plan.to:
            judge.measurer.original(bench.source, format)  # a model that cannot be converted at all fails here
        study.revive()
        _tidy(bench)
        study.enqueue(bench.space.untrained(), "untrained")
        _queue_again(bench)
        while repeats < MOST_REPEATS:
            study.revive()
            for reason, parameters in aims(bench, judge, known):
                study.enqueue(parameters, reason)
            records = study.records()
            if _enough(records, plan):
                return
            repeats = 0 if _one_trial(bench, judge, records, progress) else repeats + 1


def model_digest(source: SourceModel) -> str:
    """Return a SHA-256 (hex) of a model: layers, weights, and what becomes its input and of its output."""
    weights = [_weight_digest(weight) for weight in source.model.get_weights()]
    image = source.preprocessing and source.preprocessing.to_dict()
    return digest([source.model.to_json(), weights, image, source.labels, dict(source.decoding)])


def _weight_digest(weight: Any) -> str:
    """Return a SHA-256 (hex) of an array's values."""
    return hashlib.sha256(np.ascontiguousarray(weight).tobytes()).hexdigest()


def _one_trial(bench: Bench, judge: Judge, records: tuple[Record, ...], progress: Progress | None) -> bool:
    """Take a trial and see it through; return False if it was a repetition."""
    plan, study = bench.plan, bench.study
    trial = study.ask()
    start = time.monotonic()
    try:
        with _signs_of_life(study, trial):
            proposal = bench.space.draw(trial, room(bench, records))
            if study.claim(trial, proposal, may_run_again(bench.space, records, plan.constraints)) is not None:
                return False
            if progress is not None:
                done = sum(record.finished for record in records)
                progress(f"trial {trial.number}: {proposal.format} {proposal.recipe.name}", done, plan.trials)
            judged = _judged(judge, proposal, trial_folder(plan, trial.number), _recovery(bench.space, records))
        if isinstance(judged, EdgeVisionError):
            study.fail(trial, str(judged))
        else:
            study.finish(trial, judged, time.monotonic() - start)
    except BaseException as exc:
        study.leave(trial, blameless=isinstance(exc, EdgeVisionError | KeyboardInterrupt | SystemExit))
        raise
    _tidy(bench)
    return True


def _judged(judge: Judge, proposal: Proposal, place: Path, recovery: float) -> Judged | EdgeVisionError:
    """Judge a candidate; return the error where it is the candidate's own."""
    try:
        return judge.judge(proposal, place, recovery)
    except PASSING:
        raise
    except EdgeVisionError as exc:
        return exc


def trial_folder(plan: Plan, number: int) -> Path:
    """Return where a trial's artifact, recipe and ledger are."""
    return Path(plan.out) / TRIALS / f"{number:04d}"


def may_run_again(space: Space, records: tuple[Record, ...], constraints: Constraints) -> frozenset[str]:
    """Return the keys of candidates that were stopped at limits which are wider now."""
    recovery = _recovery(space, records)
    return frozenset(
        record.key
        for record in records
        if record.facts.get("stopped") and not hopeless(constraints, _figures(record), None, recovery)
    )


def _queue_again(bench: Bench) -> None:
    """Queue what was stopped at limits that are wider now."""
    records, limits = bench.study.records(), bench.plan.constraints
    again = may_run_again(bench.space, records, limits)
    parameters = [dict(record.parameters) for record in records if record.key in again and "stopped" in record.facts]
    bench.study.enqueue(parameters, f"again within {limits.to_dict()}")


def _figures(record: Record) -> Mapping[str, float]:
    figures: Mapping[str, float] = record.facts["stopped"]["figures"]
    return figures


def _enough(records: tuple[Record, ...], plan: Plan) -> bool:
    if plan.deadline is not None and time.time() >= plan.deadline:
        return True
    under_way = sum(record.finished or record.state == "RUNNING" for record in records)
    return under_way >= plan.trials


def _recovery(space: Space, records: tuple[Record, ...]) -> float:
    """Return how many points training is trusted to win back: half as much again as the most that was seen."""
    seen = [
        float(record.facts["glance_drop"]) - record.row.drop_points
        for record in records
        if record.state == "COMPLETE" and "glance_drop" in record.facts
    ]
    trusted = space.manner.recovery_points if space.manner else 0.0
    return max(trusted, 1.5 * max(seen, default=0.0))


def _tidy(bench: Bench) -> None:
    """Remove the artifacts of finished trials that are not on the front, and what killed processes left of theirs."""
    records = bench.study.records()
    front = {record.number for record in pareto_front(records)}
    for record in records:
        place = trial_folder(bench.plan, record.number)
        if record.state == "COMPLETE" and record.number not in front:
            shutil.rmtree(place, ignore_errors=True)
        if record.state == "FAIL":
            for leftover in unfinished(place):
                shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _signs_of_life(study: Study, trial: Any) -> Iterator[None]:
    finished = threading.Event()

    def beat() -> None:
        while not finished.wait(BEAT_S):
            study.alive(trial)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _sampler(plan: Plan, worker: int, trials: int) -> Any:
    """Return a seeded sampler that knows the limits; each worker, and each start of one, draws differently."""

    def misses(trial: Any) -> list[float]:
        row = trial.user_attrs.get("row")
        if row is None:
            return [1.0]
        return [sum(item.relative for item in plan.constraints.violations(LedgerRow.from_dict(row)))]

    seed = int(digest([plan.seed, worker, trials])[:8], 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return require("optuna").samplers.TPESampler(seed=seed, constraints_func=misses)
