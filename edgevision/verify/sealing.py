"""Sealing an artifact: what it answers to its golden samples on each runtime here, and how far that may drift.

Three things are measured on each runtime and kept in the manifest, under ``runtimes.NAME.parity``:

- *repeat*: the distance between runs of freshly loaded models. Under the same conditions (package, version, threads,
  precision, processor) this is the tolerance. For integer models it is 0 steps. Float outputs are given 2⁻²⁰ of the
  largest expected value beside it, because the place of a buffer in memory may choose another order of summation.
- *allowance*: the distance that outputs move when each input value trembles by one step (int8), or by 2⁻¹⁶ of the
  largest (float; see `edgevision.verify.running.FLOAT_NOISE`). Another processor or version means other kernels,
  which round differently by about that much, layer by layer; a model that answers such noise by tens of steps answers
  other kernels likewise. On an int8 ResNet-8 and 100 images, four kernel sets differed by at most 80 steps, 1.03 on
  average; the noise made 86, and 1.6 on average. Under other conditions the allowance is the tolerance; of the mean
  twice of it, because the mean over a few samples scatters, and one step at least.
- the distance to the float model's outputs, and top-1 agreement with it: not a tolerance, but what the scheme costs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from edgevision.errors import ArtifactError, BackendUnavailableError, ConfigError
from edgevision.golden import Golden
from edgevision.golden_selection import choose_golden
from edgevision.metrics.intervals import Proportion
from edgevision.runtimes.base import available_runtimes
from edgevision.verify.agreement import agreement
from edgevision.verify.conditions import conditions
from edgevision.verify.distance import Distance, float_distance, stored_distance
from edgevision.verify.running import Answers, run_images, tremble

if TYPE_CHECKING:
    from edgevision.artifact import Artifact
    from edgevision.data.dataset import Images

_REPEATS = 3
_TREMBLES = 4


def seal(
    artifact: Artifact,
    dataset: Images | None = None,
    *,
    reference: Artifact | None = None,
    runtimes: Sequence[str] | None = None,
    device: str = "cpu",
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Artifact:
    """Measure an artifact on the runtimes here, and write expected outputs and tolerances into it, in one step.

    Args:
        artifact: The artifact; what was sealed on other runtimes before stays.
        dataset: Where golden samples are taken from, when the artifact has none (see
            `edgevision.golden_selection.choose_golden`).
        reference: The float model that answers new golden samples; without it they have no float outputs, and are
            chosen by the artifact's own answers.
        runtimes: Names of runtimes; None for all that are here and have the format.
        device: Where they run.
        seed: Of the choice of samples and of the noise.
        options: Options of the runtimes, ``{"threads": 4}``; verifying with others is verifying under other conditions.
            The reference runs with its runtime's defaults.

    Returns:
        The sealed artifact.

    Raises:
        ArtifactError: It has no golden samples, and no dataset is given; or its preprocessing is unknown; or an output
            is finite for the samples alone.
        ConfigError: It was sealed on another device of a runtime, whose evidence this would replace.
        BackendUnavailableError: No runtime for its format is here.
    """
    names = tuple(runtimes) if runtimes is not None else available_runtimes(artifact, device)
    if not names:
        raise BackendUnavailableError(f"no runtime here runs the format {artifact.manifest.format}")
    _check_devices(artifact, names, device)
    golden = artifact.golden() or _choose(artifact, names[0], dataset, reference, device, seed, options)
    expected, measured = dict(golden.expected), dict(artifact.manifest.runtimes)
    for name in names:
        answers, parity = _measure(artifact, golden, name, device, seed, options)
        expected[name] = answers.outputs
        measured[name] = {**measured.get(name, {}), "parity": parity}
    return artifact.update(golden=replace(golden, expected=expected), runtimes=measured)


def _check_devices(artifact: Artifact, names: Sequence[str], device: str) -> None:
    for name in names:
        table = artifact.manifest.runtimes.get(name)
        before = (table.get("parity") or {}).get("device", device) if isinstance(table, Mapping) else device
        if before != device:
            raise ConfigError(
                f"{artifact.path} is sealed on {name} for another device", got=device, allowed=before,
                next_step="seal a copy of the artifact for this device",
            )  # fmt: skip


def _choose(
    artifact: Artifact,
    runtime: str,
    dataset: Images | None,
    reference: Artifact | None,
    device: str,
    seed: int,
    options: Mapping[str, Any] | None,
) -> Golden:
    if dataset is None:
        raise ArtifactError(
            f"{artifact.path}: no golden samples", next_step="give a dataset to take some from (--data)"
        )
    if reference is not None:
        return choose_golden(dataset, lambda images: _float_outputs(reference, images, device), seed=seed)
    # Its own answers say where it is least sure, but they are no float model's.
    golden = choose_golden(
        dataset,
        lambda images: run_images(artifact, images, runtime=runtime, device=device, options=options).outputs,
        seed=seed,
    )
    return replace(golden, float_outputs=())


def _float_outputs(reference: Artifact, images: Sequence[Any], device: str) -> tuple[Any, ...]:
    names = available_runtimes(reference, device)
    if not names:
        raise BackendUnavailableError(f"no runtime here runs the reference's format {reference.manifest.format}")
    answers = run_images(reference, images, runtime=names[0], device=device)
    if any(spec.is_integer for spec in answers.specs):
        raise ConfigError("the reference is not a float model", got=reference.manifest.scheme or reference.path)
    return answers.outputs


def _measure(
    artifact: Artifact, golden: Golden, runtime: str, device: str, seed: int, options: Mapping[str, Any] | None
) -> tuple[Answers, dict[str, Any]]:
    run = partial(run_images, artifact, golden.samples, runtime=runtime, device=device, options=options)
    runs = [run() for _ in range(_REPEATS)]
    first = runs[0]
    shaken = [run(change=tremble(seed + trial)) for trial in range(_TREMBLES)]
    outputs = []
    for k, spec in enumerate(first.specs):
        reference = golden.float_outputs[k] if k < len(golden.float_outputs) else None
        cost = None if reference is None else float_distance(first.outputs[k], reference, spec)
        repeat, allowance = _widest(first, runs[1:], k), _widest(first, shaken, k)
        if math.isfinite(repeat.max_abs_error) and not math.isfinite(allowance.max_abs_error):
            raise ArtifactError(
                f"{artifact.path}: output {spec.name} is no number once the input trembles a little",
                next_step="find the layer that overflows: edgevision verify --layers",
            )
        outputs.append(
            {
                "name": spec.name,
                "repeat": repeat.to_dict(),
                "allowance": allowance.to_dict(),
                "float_model": None if cost is None else cost.to_dict(),
            }
        )
    same = float_agreement(artifact, first, golden)
    parity = {
        "device": device,
        "conditions": conditions(first.facts),
        "samples": len(golden.samples),
        "repeats": _REPEATS,
        "identity": identity(artifact),
        "outputs": outputs,
        "agreement": None if same is None else same.to_dict(),
    }
    return first, parity


def _widest(first: Answers, others: Sequence[Answers], output: int) -> Distance:
    spec, expected = first.specs[output], first.outputs[output]
    distances = [stored_distance(other.outputs[output], expected, spec) for other in others]
    widest = distances[0]
    for distance in distances[1:]:
        widest = widest.widest(distance)
    return widest


def float_agreement(artifact: Artifact, answers: Answers, golden: Golden) -> Proportion | None:
    """Return top-1 agreement with the float model over golden samples; None where there is no such thing."""
    if artifact.manifest.task != "classification" or not golden.float_outputs:
        return None
    reference = golden.float_outputs[0].reshape(len(golden.samples), -1)
    return agreement(answers.best(), reference.argmax(axis=1))


def identity(artifact: Artifact) -> Mapping[str, Any]:
    """Return what was sealed: hashes of the model's files, of its preprocessing and labels; and how it is decoded."""
    hashes = {entry.name: entry.sha256 for entry in artifact.manifest.files}
    preprocessing, labels = artifact.manifest.preprocessing, artifact.manifest.labels
    return {
        "files": {
            name: hashes[name] for name in (p.relative_to(artifact.path).as_posix() for p in artifact.model_files)
        },
        "preprocessing": None if preprocessing is None else preprocessing.hash,
        "labels": None if labels is None else hashlib.sha256("\n".join(labels).encode()).hexdigest(),
        "decoding": dict(artifact.manifest.decoding),
    }
