"""Does a runtime here compute faster because of a model's zeros? Measured, against the same model without them.

The dense twin has the same layers and shapes, and each zero replaced by one of the kernel's other weights. Model, twin
and the twin once more take turns: what the twin seems to gain on itself is the noise that a gain has to exceed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.benchmark.comparison import Ratio
from edgevision.benchmark.measure import Candidate, Progress, benchmark
from edgevision.benchmark.result import BenchmarkEntry
from edgevision.calibration import CalibrationDataset
from edgevision.converters.base import convert
from edgevision.converters.fine_tuning import copy_model
from edgevision.converters.formats import FORMATS, SCHEMES
from edgevision.converters.keras_import import SourceModel, leaf_layers
from edgevision.converters.pruning import KERNELS
from edgevision.errors import BackendUnavailableError, ConfigError, check_choice
from edgevision.optional import available
from edgevision.runtimes.base import available_runtimes

if TYPE_CHECKING:
    from edgevision.data.dataset import ImageDataset

CALIBRATION_IMAGES = 50

PARTS = 20
"""A measurement is cut into this many parts in a row; the medians of a part of both sides give one ratio."""


@dataclass(frozen=True)
class RuntimeProfit:
    """What one runtime makes of the zeros.

    Attributes:
        runtime: Its name.
        package: The package that ran, with its version.
        format: Format of the artifact.
        scheme: Its numbers.
        sparse_encoding: Whether the file stored kernels without their zeros.
        dense_ms: Median latency of the dense twin.
        sparse_ms: Median latency of the model.
        speedup: Dense over sparse latency.
        noise: The twin over itself.
    """

    runtime: str
    package: str
    format: str
    scheme: str
    sparse_encoding: bool
    dense_ms: float
    sparse_ms: float
    speedup: Ratio
    noise: Ratio

    @property
    def exploited(self) -> bool:
        """Whether the zeros make it faster, beyond what noise can be."""
        return self.speedup.low > max(1.0, self.noise.high)

    def __str__(self) -> str:
        stored = ", stored without zeros" if self.sparse_encoding else ""
        verdict = "faster by" if self.exploited else "not faster: dense / sparse"
        return f"{self.runtime} ({self.package}), {self.format} {self.scheme}{stored}: {verdict} {self.speedup}"


@dataclass(frozen=True)
class SparsityProfit:
    """What every runtime here makes of a model's zeros.

    Attributes:
        pattern: Where they lie, in words.
        sparsity: Their share in the kernels that have any, 0 to 1.
        runtimes: One entry for each runtime, format, scheme and way of storing.
    """

    pattern: str
    sparsity: float
    runtimes: tuple[RuntimeProfit, ...]

    @property
    def verdict(self) -> str:
        """One sentence: which runtimes profit, or that none does."""
        zeros = f"{self.pattern} sparsity ({self.sparsity:.0%} zeros)"
        using = [entry for entry in self.runtimes if entry.exploited]
        if using:
            return f"{zeros} is exploited by " + "; ".join(
                f"{entry.runtime}, {entry.format} {entry.scheme}: faster by {entry.speedup}" for entry in using
            )
        best = max(self.runtimes, key=lambda entry: entry.speedup.value)
        return f"no runtime here exploits {zeros}: at best {best.runtime}, {best.format} {best.scheme}, {best.speedup}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        entries = [{**asdict(entry), "exploited": entry.exploited} for entry in self.runtimes]
        return {**asdict(self), "runtimes": entries, "verdict": self.verdict}


def sparsity_profit(
    source: SourceModel,
    *,
    pattern: str = "unstructured",
    schemes: Sequence[str] = ("float32", "static_wi8_ai8"),
    calibration_data: ImageDataset | None = None,
    min_duration_s: float = 1.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> SparsityProfit:
    """Convert a pruned model and its dense twin to every format, and time both on every runtime here.

    Args:
        source: The pruned float model.
        pattern: Where its zeros lie, in words, as `edgevision.converters.pruning.PruningReport` says it.
        schemes: Numeric schemes to convert to; the static ones are left out where there are no images.
        calibration_data: Images to calibrate the static schemes on.
        min_duration_s: Seconds of inference for each of the three sides.
        seed: Of the twin's weights and the order of measurement.
        progress: Called with (done, total).

    Raises:
        ConfigError: No kernel has a zero, or an unknown scheme.
        CalibrationError: The images cannot calibrate anything.
        ConversionError: A converter gave up.
        BackendUnavailableError: An extra is not installed, or no runtime is here.
    """
    for scheme in schemes:
        check_choice("scheme", scheme, SCHEMES)
    calibration = _calibration(source, calibration_data, seed)
    schemes = [scheme for scheme in schemes if calibration is not None or not SCHEMES[scheme].calibration]
    twin, sparsity = _dense_twin(source, seed)
    with tempfile.TemporaryDirectory() as folder:
        sides = _converted(source, twin, folder, schemes, calibration)
        if not sides:
            raise BackendUnavailableError("no runtime here", next_step="edgevision devices says what is missing")
        candidates = [
            Candidate(artifact, side.runtime)
            for side in sides
            for artifact in (side.dense, side.dense, *side.sparse.values())
        ]
        report = benchmark(candidates, min_duration_s=min_duration_s, seed=seed, progress=progress)
    measured, entries = iter(report.entries), []
    for side in sides:
        dense, again = next(measured), next(measured)
        entries += [_profit(next(measured), dense, again, encoded=encoded, seed=seed) for encoded in side.sparse]
    return SparsityProfit(pattern, sparsity, tuple(entries))


def _calibration(source: SourceModel, images: ImageDataset | None, seed: int) -> CalibrationDataset | None:
    """Return a few images: how fast a model runs does not hang on its ranges."""
    if images is None or source.preprocessing is None:
        return None
    return CalibrationDataset.from_dataset(images, source.preprocessing, min(CALIBRATION_IMAGES, len(images)), seed)


def _dense_twin(source: SourceModel, seed: int) -> tuple[SourceModel, float]:
    """Return the model with no zero in its kernels, and the share of zeros in the kernels that had any."""
    model, generator = copy_model(source), np.random.default_rng(seed)
    zeros = weights = 0
    for layer in leaf_layers(model):
        for name in KERNELS.get(type(layer).__name__, ()):
            variable = getattr(layer, name)
            kernel = variable.numpy()
            empty = kernel == 0
            if empty.any() and not empty.all():
                kernel[empty] = generator.choice(kernel[~empty], np.count_nonzero(empty))
                variable.assign(kernel)
                zeros, weights = zeros + np.count_nonzero(empty), weights + kernel.size
    if not zeros:
        raise ConfigError(f"{source.name} has no zeros in its kernels", next_step="prune it first (edgevision prune)")
    return replace(source, model=model), zeros / weights


@dataclass(frozen=True)
class _Side:
    """What one runtime is to time: the dense twin, and the model by whether it is stored without its zeros."""

    runtime: str
    dense: Artifact
    sparse: dict[bool, Artifact]


def _converted(
    source: SourceModel,
    twin: SourceModel,
    folder: str,
    schemes: Sequence[str],
    calibration: CalibrationDataset | None,
) -> list[_Side]:
    """Convert both models to each format and scheme that a runtime here runs."""
    sides = []
    for scheme in schemes:
        for name, row in FORMATS.items():
            made_here = row.package is None or available(row.package)
            if scheme not in row.schemes or not made_here or not available_runtimes(name):
                continue
            options: dict[str, Any] = {"to": name, "scheme": scheme, "calibration": calibration}
            dense = convert(twin, f"{folder}/dense", **options).artifact
            sparse = {False: convert(source, f"{folder}/sparse", **options).artifact}
            if scheme in row.sparse_schemes:
                sparse[True] = convert(source, f"{folder}/encoded", sparse_encoding=True, **options).artifact
            sides += [_Side(runtime, dense, sparse) for runtime in available_runtimes(dense)]
    return sides


def _profit(
    sparse: BenchmarkEntry, dense: BenchmarkEntry, again: BenchmarkEntry, *, encoded: bool, seed: int
) -> RuntimeProfit:
    return RuntimeProfit(
        runtime=sparse.runtime,
        package=f"{sparse.facts.get('package')} {sparse.facts.get('version')}",
        format=sparse.format,
        scheme=sparse.scheme or "",
        sparse_encoding=encoded,
        dense_ms=dense.latency.p50_ms,
        sparse_ms=sparse.latency.p50_ms,
        speedup=_ratio(dense.latency.samples_ms, sparse.latency.samples_ms, seed),
        noise=_ratio(dense.latency.samples_ms, again.latency.samples_ms, seed),
    )


def _ratio(above: Sequence[float], below: Sequence[float], seed: int) -> Ratio:
    """Return the median ratio over the parts of two interleaved measurements, with a bootstrapped interval."""
    medians = [[float(np.median(part)) for part in np.array_split(side, PARTS)] for side in (above, below)]
    ratios = np.array(medians[0]) / np.array(medians[1])
    drawn = np.random.default_rng(seed).choice(ratios, (2000, PARTS))
    low, high = np.percentile(np.median(drawn, axis=1), (2.5, 97.5))
    return Ratio(float(np.median(ratios)), float(low), float(high))
