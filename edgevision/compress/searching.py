"""Searching for a recipe that meets limits: measured candidates in two formats, their front, and the best of them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from edgevision.compress.constraints import Constraints
from edgevision.compress.identity import SEARCH_FILE, STUDY_FILE
from edgevision.compress.outcome import BEST, FRONT_FILE, SearchResult, outcome
from edgevision.compress.running import Progress
from edgevision.compress.study import Study
from edgevision.compress.workers import run_workers
from edgevision.compress.working import MODELS, TRIALS, Bench, Plan, load_parts, open_bench, work
from edgevision.converters.formats import COMPRESSED_FORMATS
from edgevision.errors import ConfigError, check_choice

PARTS = (STUDY_FILE, STUDY_FILE + ".lock", STUDY_FILE + "-journal", FRONT_FILE, BEST, TRIALS, MODELS, SEARCH_FILE)
"""What a search writes, and may remove."""


def search(
    model: str | Path,
    data: str | Path,
    out: str | Path,
    *,
    to: Sequence[str] = COMPRESSED_FORMATS,
    max_drop: float | None = None,
    min_accuracy: float | None = None,
    max_bytes: int | None = None,
    max_latency_ms: float | None = None,
    device: str = "cpu",
    threads: int | None = 1,
    trials: int = 40,
    time_limit: float | None = None,
    epochs: int | None = None,
    jobs: int = 1,
    storage: str | None = None,
    study: str = "compress",
    min_duration_s: float = 1.0,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> SearchResult:
    """Search for recipes that make a model small and fast and keep it accurate, and write the best artifact.

    Called again with the same arguments it goes on where it was, even where it was killed: a finished trial is never
    run again. Limits may change in between. ``out`` gets ``study.db``, the front's artifacts below ``trials/``,
    ``front.json``, and below ``best/`` the artifact that meets every limit with its recipe and ledger; no ``best/``
    where none does. A folder is for one study: ``search.json`` says of what, and another one is refused.

    Args:
        model: The float Keras model: a file or an artifact.
        data: Labelled images; where they are not split, a fifth is held out to measure accuracy on.
        out: The folder of results.
        to: Formats.
        max_drop: Percentage points of accuracy that may be lost against the float model, on the same images.
        min_accuracy: Percent of the images that must be right.
        max_bytes: Bytes of the model files.
        max_latency_ms: Median latency of one inference.
        device: Where candidates run.
        threads: Of the runtimes; None for all.
        trials: Finished trials that the study is to have.
        time_limit: Minutes after which no trial begins; None for no limit.
        epochs: Of the longest fine-tuning; None to fit the number of images.
        jobs: Processes that work side by side.
        storage: URL of a database that several machines share; None for ``study.db`` in the folder.
        study: The study's name in it.
        min_duration_s: Seconds of measured inference of each artifact on each runtime.
        seed: Of everything drawn at random.
        overwrite: Whether an earlier search there, and its study in ``storage``, is removed and begun anew.
        progress: Called with what is going on, finished trials, and how many there are to be.

    Raises:
        ConfigError: A value that makes no sense, or a study of another model, data or settings.
        CalibrationError: Calibration data that is constant or NaN.
        ConversionError: Weights that are NaN, or nothing could be converted.
        BackendUnavailableError: An extra or a runtime is not installed.
    """
    for name in to:
        check_choice("format", name, COMPRESSED_FORMATS)
    limits = Constraints(max_drop, min_accuracy, max_bytes, max_latency_ms)
    for name, value, least in (("trials", trials, 1), ("jobs", jobs, 1), ("epochs", epochs, 1)):
        if value is not None and (not isinstance(value, int) or value < least):
            raise ConfigError(name, got=value, allowed=f"{least} or more")
    if time_limit is not None and not time_limit > 0:
        raise ConfigError("time_limit", got=time_limit, allowed="minutes, more than 0")
    folder = _checked(Path(out))
    plan = Plan(
        model=str(model),
        data=str(data),
        out=str(folder),
        storage=storage or f"sqlite:///{folder / STUDY_FILE}",
        study=study,
        to=tuple(dict.fromkeys(to)),
        device=device,
        threads=threads,
        constraints=limits,
        trials=trials,
        deadline=None if time_limit is None else time.time() + 60 * time_limit,
        epochs=epochs,
        min_duration_s=min_duration_s,
        seed=seed,
    )
    parts = load_parts(plan)
    if overwrite:
        if storage is not None or _is_database(folder / STUDY_FILE):
            Study.remove(plan.storage, study)
        _clear(folder)
    bench = open_bench(plan, parts)
    if jobs == 1:
        work(bench, progress=progress)
    else:
        run_workers(plan, jobs, lambda: _tell(bench, progress))
    return outcome(bench)


def _checked(out: Path) -> Path:
    """Return the folder of results; raise ConfigError where it holds something that no search wrote."""
    folder = out.expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, not a directory", next_step="name another place")
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    foreign = [name for name in names if name not in PARTS and not name.startswith(".")]
    if foreign:
        raise ConfigError(
            f"{folder} holds something that no search made", got=foreign[0],
            next_step="name another or an empty directory",
        )  # fmt: skip
    return folder


def _is_database(file: Path) -> bool:
    """Whether a file is a database at all, which a process may be working on."""
    return file.is_file() and file.read_bytes()[:16] == b"SQLite format 3\0"


def _clear(folder: Path) -> None:
    for name in PARTS:
        place = folder / name
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def _tell(bench: Bench, progress: Progress | None) -> None:
    if progress is not None:
        records = bench.study.records()
        running = [record.number for record in records if record.state == "RUNNING"]
        what = f"trials {', '.join(map(str, running))}" if running else "starting"
        progress(what, sum(record.finished for record in records), bench.plan.trials)
