"""Where a model's answers part: each layer as a runtime computes it, against the same runtime's plainest way.

The same file, on the same samples, is computed twice: with the options in question, and with reference kernels or in
full precision. What a layer may differ by is measured as for outputs: twice the mean, and the largest, that it moves
when the input trembles (see `edgevision.verify.sealing`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.converters.every_layer import WRITERS, show_every_layer
from edgevision.documents import check_fields
from edgevision.metrics.closeness import sqnr_db
from edgevision.runtimes.base import exact_options
from edgevision.verify.distance import Distance, finite, real_stored, stored_distance, tolerated
from edgevision.verify.running import Answers, run_images, tremble

if TYPE_CHECKING:
    from edgevision.artifact import Artifact
    from edgevision.tensors import Array

SAMPLES = 4
"""Golden samples that layers are compared on: all activations of each are kept at once."""

TREMBLES = 2


@dataclass(frozen=True)
class LayerCheck:
    """One layer.

    Attributes:
        name: As the file has it.
        dtype: Of its stored values.
        off: Distance to the plainest way's values.
        tolerance: How far that may be.
        sqnr_db: Signal of the plainest way to what differs from it, in decibels; None where nothing differs.
    """

    name: str
    dtype: str
    off: Distance
    tolerance: Distance
    sqnr_db: float | None

    @property
    def diverges(self) -> bool:
        """Whether it is off by more than its tolerance."""
        return not self.off.within(self.tolerance)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "off": finite(self.off),
            "tolerance": finite(self.tolerance),
            "sqnr_db": self.sqnr_db,
            "diverges": self.diverges,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LayerCheck:
        """Read the JSON form; raises ConfigError."""
        known = check_fields("layer", data, required=("name", "dtype", "off", "tolerance", "sqnr_db", "diverges"))
        off, tolerance = (Distance.from_dict(known[name]) for name in ("off", "tolerance"))
        return cls(known["name"], known["dtype"], off, tolerance, known["sqnr_db"])


@dataclass(frozen=True)
class Layers:
    """The layers of a model on a runtime, in the order in which they are computed.

    Attributes:
        samples: How many golden samples were run.
        exact: The options of the plainest way.
        checks: One per layer.
    """

    samples: int
    exact: Mapping[str, Any]
    checks: tuple[LayerCheck, ...]

    @property
    def first(self) -> LayerCheck | None:
        """The first layer that diverges; None where none does."""
        return next((check for check in self.checks if check.diverges), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        first = self.first
        return {
            "samples": self.samples,
            "exact": dict(self.exact),
            "first": None if first is None else first.name,
            "checks": [check.to_dict() for check in self.checks],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Layers:
        """Read the JSON form; raises ConfigError."""
        known = check_fields("layers", data, required=("samples", "exact", "first", "checks"))
        return cls(known["samples"], known["exact"], tuple(LayerCheck.from_dict(check) for check in known["checks"]))


def compare_layers(
    artifact: Artifact,
    samples: Sequence[Array],
    *,
    runtime: str,
    device: str = "cpu",
    options: Mapping[str, Any] | None = None,
) -> Layers | None:
    """Compare each layer with what the runtime's plainest way makes of it; None where it has one way, or the format.

    Args:
        artifact: A model of one image, whose preprocessing is known.
        samples: uint8 RGB HWC; the first `SAMPLES` are run.
        runtime: What runs it.
        device: Where.
        options: The options in question.

    Raises:
        IncompatibleModelError: The file cannot be taken apart, or the runtime refuses what comes of it.
        BackendUnavailableError: What takes the format apart is not installed.
    """
    exact = exact_options(runtime)
    if exact is None or artifact.manifest.format not in WRITERS:
        return None
    images = samples[:SAMPLES]
    with tempfile.TemporaryDirectory() as folder:
        shown = show_every_layer(artifact, Path(folder))

        def run(chosen: Mapping[str, Any], seed: int | None = None) -> Answers:
            change = None if seed is None else tremble(seed)
            return run_images(shown, images, runtime=runtime, device=device, options=chosen, change=change)

        plain, found = run(exact), run(options or {})
        shaken = [run(exact, seed) for seed in range(TREMBLES)]
    checks = [_check(plain, found, shaken, place) for place in range(len(plain.specs))]
    return Layers(len(images), exact, tuple(checks))


def _check(plain: Answers, found: Answers, shaken: Sequence[Answers], place: int) -> LayerCheck:
    spec, wanted, got = plain.specs[place], plain.outputs[place], found.outputs[place]
    allowance = stored_distance(shaken[0].outputs[place], wanted, spec)
    for answers in shaken[1:]:
        allowance = allowance.widest(stored_distance(answers.outputs[place], wanted, spec))
    real, changed = (np.asarray(real_stored(values, spec)) for values in (wanted, got))
    off = stored_distance(got, wanted, spec)
    return LayerCheck(spec.name, spec.dtype, off, tolerated(allowance, wanted, spec), sqnr_db(real, changed))
