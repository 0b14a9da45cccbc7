"""Verifying an artifact: it must answer its golden samples on each runtime as it did when it was sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.detector import Detector
from edgevision.documents import check_fields
from edgevision.errors import ArtifactError, BackendUnavailableError, ConfigError
from edgevision.metrics.closeness import Closeness
from edgevision.runtimes.base import available_runtimes, check_runtime
from edgevision.tasks.detections import Detections
from edgevision.verify.agreement import agreement, detection_agreement
from edgevision.verify.causes import Findings, find_causes
from edgevision.verify.conditions import conditions
from edgevision.verify.distance import (
    Distance,
    least,
    real_distance,
    real_values,
    step_histogram,
    stored_distance,
    tolerated,
)
from edgevision.verify.layers import compare_layers
from edgevision.verify.running import Answers, how_to_declare, run_images
from edgevision.verify.sealing import float_agreement, identity
from edgevision.verify.verification import BROKEN, HOLDS, UNPROVEN, OutputCheck, RuntimeCheck, Verification

if TYPE_CHECKING:
    from edgevision.data.dataset import Images
    from edgevision.golden import Golden
    from edgevision.metrics.intervals import Proportion
    from edgevision.tensors import Array


_SEALED = {
    "preprocessing": "the preprocessing is not the one that was sealed",
    "labels": "the labels are not those that were sealed",
    "decoding": "the decoding is not the one that was sealed",
}
"""What beside the files was sealed -> what is said where it changed."""

_SEAL = "seal it with images: edgevision verify DIR --seal --data IMAGES"
"""How an artifact gets golden samples."""


def verify(
    artifact: Artifact,
    *,
    runtimes: Sequence[str] | None = None,
    device: str = "cpu",
    dataset: Images | None = None,
    reference: Artifact | None = None,
    options: Mapping[str, Any] | None = None,
    layers: bool = False,
) -> Verification:
    """Check an artifact's files, then run its golden samples on each runtime and compare.

    The verdict of a runtime is "holds" when the model, its preprocessing, labels and decoding are the sealed ones and
    every output is within the tolerance that was measured there: the repeat tolerance under the same conditions, the
    allowance under others (see `edgevision.verify.sealing`). A runtime or device that was never sealed is "unproven".
    Where outputs are too far off, the cause is looked for by experiment (see `edgevision.verify.causes`).

    Args:
        artifact: The artifact.
        runtimes: Names of runtimes; None for all that are here and have the format.
        device: Where they run.
        dataset: Images to count agreement with ``reference`` on (top-1, or which objects both find); it does not
            change the verdict.
        reference: The float model for that.
        options: Options of the runtimes, ``{"threads": 4}``; others than when sealed are other conditions.
        layers: Whether to look for the first layer that a runtime computes otherwise than in its plainest way (see
            `edgevision.verify.layers`); it does not change the verdict.

    Raises:
        ArtifactError: A file is missing, damaged, or not the one that the manifest has the hash of.
        BackendUnavailableError: No runtime for its format is here.
        IncompatibleModelError: A runtime of ``runtimes`` does not run its format.
        ConfigError: An unknown runtime, a dataset without a reference or the other way round, or a reference with other
            labels.
    """
    if not artifact.bare:
        artifact = Artifact.open(artifact.path, check_hashes=True)
    names = tuple(runtimes) if runtimes is not None else available_runtimes(artifact, device)
    for name in names:
        check_runtime(name, artifact, device)
    if not names:
        raise BackendUnavailableError(f"no runtime here runs the format {artifact.manifest.format}")
    wanted = _reference_says(artifact, dataset, reference, device)
    golden = artifact.golden()
    checks = []
    for name in names:
        same = None
        if dataset is not None and wanted is not None:
            same = _same(_says(artifact, dataset, name, device, options), wanted)
        check = _check(artifact, golden, name, device, options, same)
        if layers and golden is not None:
            found = compare_layers(artifact, golden.samples, runtime=name, device=device, options=options)
            check = replace(check, layers=found)
        checks.append(check)
    here = set(available_runtimes(artifact, device)) | set(names)
    absent = tuple(name for name in sorted(artifact.manifest.runtimes) if name not in here)
    return Verification(artifact.manifest.name, 0 if artifact.bare else len(artifact.files), tuple(checks), absent)


def _check(
    artifact: Artifact,
    golden: Golden | None,
    runtime: str,
    device: str,
    options: Mapping[str, Any] | None,
    dataset_agreement: Proportion | None,
) -> RuntimeCheck:
    if golden is None:
        unknown = artifact.manifest.preprocessing is None
        lacking = ", and its preprocessing is unknown" if unknown and not artifact.bare else ""
        way = f"{how_to_declare(artifact)}, then {_SEAL}" if unknown else _SEAL
        reason = f"there are no golden samples to run{lacking}; {way}"
        return RuntimeCheck(runtime, device, UNPROVEN, (reason,), dataset_agreement=dataset_agreement)
    answers = run_images(artifact, golden.samples, runtime=runtime, device=device, options=options)
    parity = _parity(artifact, runtime)
    sealed = golden.expected.get(runtime) if parity is not None and parity["device"] == device else None
    same, findings = None, None
    if sealed is None or parity is None:
        verdict, outputs = UNPROVEN, _outputs(answers, golden, None, [])
        reasons: tuple[str, ...] = (f"never sealed on {runtime} and {device}",)
    else:
        same = conditions(answers.facts) == parity["conditions"]
        tolerances = _tolerances(parity, sealed, answers, same)
        outputs = _outputs(answers, golden, sealed, tolerances)
        changed, too_far = _changed(artifact, parity), _too_far(outputs, same)
        if too_far and not changed:

            def holds(other: Mapping[str, Any]) -> bool:
                changes = {**(options or {}), **other}
                again = run_images(artifact, golden.samples, runtime=runtime, device=device, options=changes)
                return all(check.within for check in _outputs(again, golden, sealed, tolerances))

            findings = Findings()
            if not same:  # what is as it was when sealed cannot be the cause
                integers = (artifact.manifest.scheme or "").startswith("static_wi8")
                findings = find_causes(answers.facts, parity["conditions"], holds, integers=integers)
        reasons = (*changed, *too_far)
        verdict = BROKEN if reasons else HOLDS
    return RuntimeCheck(
        runtime,
        device,
        verdict,
        reasons,
        findings,
        same,
        len(golden.samples),
        outputs,
        float_agreement(artifact, answers, golden),
        dataset_agreement,
        answers.facts,
    )


def _outputs(
    answers: Answers, golden: Golden, sealed: Sequence[Array] | None, tolerances: Sequence[Distance]
) -> tuple[OutputCheck, ...]:
    checks = []
    for k, spec in enumerate(answers.specs):
        got = answers.outputs[k]
        reference = golden.float_outputs[k] if k < len(golden.float_outputs) else None
        real = None if reference is None else real_values(got, reference, spec)
        checks.append(
            OutputCheck(
                spec.name,
                None if sealed is None else stored_distance(got, sealed[k], spec),
                None if sealed is None else tolerances[k],
                None if reference is None or real is None else real_distance(real, reference),
                None if reference is None or real is None else Closeness.of(reference, real),
                None if sealed is None or not spec.is_integer else step_histogram(got, sealed[k]),
            )
        )
    return tuple(checks)


def _tolerances(parity: Mapping[str, Any], sealed: Sequence[Array], answers: Answers, same: bool) -> list[Distance]:
    if len(parity["outputs"]) != len(answers.specs) or len(sealed) != len(answers.specs):
        raise ArtifactError(
            "the sealed outputs are not as many as the model's",
            got=f"tolerances for {len(parity['outputs'])}, values of {len(sealed)}",
            allowed=str(len(answers.specs)),
        )
    tolerances = []
    for table, spec, expected in zip(parity["outputs"], answers.specs, sealed, strict=True):
        repeat, allowance = (_read_distance(table[key]) for key in ("repeat", "allowance"))
        known = repeat.widest(least(expected, spec))
        tolerances.append(known if same else known.widest(tolerated(allowance, expected, spec)))
    return tolerances


def _too_far(outputs: Sequence[OutputCheck], same: bool) -> list[str]:
    reasons = []
    conditions_are = "the same conditions as when sealed" if same else "other conditions than when sealed"
    for check in outputs:
        if check.within or check.sealed is None or check.tolerance is None:
            continue
        got, allowed = check.sealed, check.tolerance
        steps = f" ({got.max_lsb} steps, {allowed.max_lsb} allowed)" if got.max_lsb is not None else ""
        reasons.append(
            f"output {check.name} differs by up to {got.max_abs_error:.3g}, {got.mean_abs_error:.3g} on average; "
            f"{allowed.max_abs_error:.3g} and {allowed.mean_abs_error:.3g} are allowed under {conditions_are}{steps}"
        )
    return reasons


def _changed(artifact: Artifact, parity: Mapping[str, Any]) -> list[str]:
    now, then = identity(artifact), parity["identity"]
    reasons = [f"{name} is not the file that was sealed" for name in now["files"] if then["files"].get(name) is None]
    reasons += [
        f"{name} is not the file that was sealed: sha256 {now['files'][name][:12]}…, then {digest[:12]}…"
        for name, digest in then["files"].items()
        if name in now["files"] and now["files"][name] != digest
    ]
    for name, words in _SEALED.items():
        if name in then and now[name] != then[name]:
            reasons.append(words)
    return reasons


def _parity(artifact: Artifact, runtime: str) -> Mapping[str, Any] | None:
    """What sealing wrote for a runtime, checked; None when it was never sealed there."""
    table = artifact.manifest.runtimes.get(runtime)
    if not isinstance(table, dict) or "parity" not in table:
        return None
    fields = ("device", "conditions", "samples", "repeats", "identity", "outputs", "agreement")
    try:
        parity = check_fields("parity", table["parity"], required=fields)
        identified = check_fields("identity", parity["identity"], required=("files", "preprocessing"), optional=_SEALED)
        _check_texts("identity.files", identified["files"], values=True)
        _check_texts("conditions", parity["conditions"])
        for output in parity["outputs"]:
            check_fields("parity output", output, required=("name", "repeat", "allowance", "float_model"))
            _read_distance(output["repeat"])
            _read_distance(output["allowance"])
    except (ConfigError, TypeError, ValueError) as exc:
        raise ArtifactError(f"{artifact.path}: damaged parity table of {runtime}: {exc}") from exc
    return parity


def _check_texts(name: str, table: Any, *, values: bool = False) -> None:
    """Raise ConfigError unless this is a mapping with texts for keys, and for values."""
    texts = isinstance(table, Mapping) and all(
        isinstance(text, str) for text in (*table, *(table.values() if values else ()))
    )
    if not texts:
        raise ConfigError(f"{name}: not a mapping of texts", got=repr(table)[:60])


def _read_distance(table: Any) -> Distance:
    fields = check_fields("distance", table, required=("max_abs_error", "mean_abs_error", "max_lsb"))
    steps = fields["max_lsb"]
    return Distance(
        float(fields["max_abs_error"]), float(fields["mean_abs_error"]), None if steps is None else int(steps)
    )


def _reference_says(
    artifact: Artifact, dataset: Images | None, reference: Artifact | None, device: str
) -> Array | list[Detections] | None:
    """What the float model says of each image: the best class, or the objects; None where there is none to ask."""
    if dataset is None and reference is None:
        return None
    if reference is None:
        raise ConfigError(
            "agreement over a dataset needs the float model", next_step="name it (--reference), or leave the data out"
        )
    if dataset is None:
        raise ConfigError(
            "agreement with a float model needs images", next_step="name them (--data), or leave the reference out"
        )
    if reference.manifest.labels != artifact.manifest.labels:
        raise ConfigError("the reference has other labels than the artifact")
    if len(dataset) == 0:
        raise ConfigError("agreement over an empty dataset says nothing")
    names = available_runtimes(reference, device)
    if not names:
        raise BackendUnavailableError(f"no runtime here runs the reference's format {reference.manifest.format}")
    return _says(reference, dataset, names[0], device, None)


def _says(
    artifact: Artifact, dataset: Images, runtime: str, device: str, options: Mapping[str, Any] | None
) -> Array | list[Detections]:
    images = (dataset.image(index) for index in range(len(dataset)))
    if artifact.manifest.task == Detector.task:
        with Detector(artifact, runtime=runtime, device=device, options=options) as detector:
            return [detector(image) for image in images]
    return run_images(artifact, images, runtime=runtime, device=device, options=options).best()


def _same(got: Array | list[Detections], wanted: Array | list[Detections]) -> Proportion:
    if isinstance(got, list) and isinstance(wanted, list):
        return detection_agreement(got, wanted)
    return agreement(np.asarray(got), np.asarray(wanted))
