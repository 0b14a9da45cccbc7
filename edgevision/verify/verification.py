"""What verification says: per runtime a verdict, and the distances behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from edgevision.documents import check_fields, check_schema
from edgevision.errors import ConfigError
from edgevision.metrics.closeness import Closeness
from edgevision.metrics.intervals import Proportion
from edgevision.verify.causes import Findings
from edgevision.verify.distance import Distance, finite
from edgevision.verify.layers import Layers

SCHEMA = 1
KIND = "edgevision-verification"
T = TypeVar("T")
HOLDS, BROKEN, UNPROVEN = "holds", "broken", "unproven"


@dataclass(frozen=True)
class OutputCheck:
    """One output on one runtime.

    Attributes:
        name: Name of the output.
        sealed: Distance to the values sealed for this runtime; None when it was never sealed.
        tolerance: How far that may be; None likewise.
        float_model: Distance to the float model's values; None when those are unknown.
        closeness: Signal to noise and cosine against the float model's values; None likewise.
        steps: How many stored integers are so many steps off what was sealed; None for floats, or when never sealed.
    """

    name: str
    sealed: Distance | None = None
    tolerance: Distance | None = None
    float_model: Distance | None = None
    closeness: Closeness | None = None
    steps: Mapping[int, int] | None = None

    @property
    def within(self) -> bool:
        """Whether it was sealed and is within the tolerance."""
        if self.sealed is None or self.tolerance is None:
            return False
        return self.sealed.within(self.tolerance)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "sealed": _distance(self.sealed),
            "tolerance": _distance(self.tolerance),
            "float_model": _distance(self.float_model),
            "closeness": None if self.closeness is None else self.closeness.to_dict(),
            "steps": None if self.steps is None else {str(step): count for step, count in self.steps.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> OutputCheck:
        """Read the JSON form; raises ConfigError."""
        known = check_fields("output check", data, required=[item.name for item in fields(cls)])
        steps = known["steps"]
        return cls(
            name=known["name"],
            sealed=_optional(Distance.from_dict, known["sealed"]),
            tolerance=_optional(Distance.from_dict, known["tolerance"]),
            float_model=_optional(Distance.from_dict, known["float_model"]),
            closeness=_optional(Closeness.from_dict, known["closeness"]),
            steps=None if steps is None else {int(step): count for step, count in steps.items()},
        )


@dataclass(frozen=True)
class RuntimeCheck:
    """One runtime.

    Attributes:
        runtime: Its name.
        device: Where it ran.
        verdict: "holds", "broken", or "unproven" where no tolerance was ever measured.
        reasons: Why it does not hold; empty when it does.
        findings: What experiments established about the cause; None where outputs were not too far off, or the model
            is not the sealed one.
        same_conditions: Whether package, version, threads, precision and processor are those of the sealing, so that
            the answers must repeat; None when it was never sealed.
        samples: How many golden samples ran.
        outputs: One check per output.
        agreement: Same top-1 as the float model, over the golden samples; None when unknown.
        dataset_agreement: The same over a dataset, with the model that was given as reference; None without one.
        facts: What ran it.
        layers: Where it parts from the runtime's plainest way; None where that was not asked for, or cannot be told.
    """

    runtime: str
    device: str
    verdict: str
    reasons: tuple[str, ...] = ()
    findings: Findings | None = None
    same_conditions: bool | None = None
    samples: int = 0
    outputs: tuple[OutputCheck, ...] = ()
    agreement: Proportion | None = None
    dataset_agreement: Proportion | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    layers: Layers | None = None

    @property
    def float_distance(self) -> Distance | None:
        """The widest distance of an output to the float model's; None when unknown."""
        known = [check.float_model for check in self.outputs if check.float_model is not None]
        return max(known, key=lambda distance: distance.max_abs_error, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "runtime": self.runtime,
            "device": self.device,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "causes": None if self.findings is None else list(self.findings.causes),
            "tried": None if self.findings is None else list(self.findings.tried),
            "same_conditions": self.same_conditions,
            "samples": self.samples,
            "outputs": [check.to_dict() for check in self.outputs],
            "agreement": None if self.agreement is None else self.agreement.to_dict(),
            "dataset_agreement": None if self.dataset_agreement is None else self.dataset_agreement.to_dict(),
            "facts": dict(self.facts),
            "layers": None if self.layers is None else self.layers.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RuntimeCheck:
        """Read the JSON form; raises ConfigError."""
        names = [item.name for item in fields(cls) if item.name != "findings"]
        known = dict(check_fields("runtime check", data, required=[*names, "causes", "tried"]))
        causes, tried = known.pop("causes"), known.pop("tried")
        return cls(
            **{
                **known,
                "reasons": tuple(known["reasons"]),
                "findings": None if causes is None else Findings(tuple(causes), tuple(tried)),
                "outputs": tuple(OutputCheck.from_dict(entry) for entry in known["outputs"]),
                "agreement": _optional(Proportion.from_dict, known["agreement"]),
                "dataset_agreement": _optional(Proportion.from_dict, known["dataset_agreement"]),
                "layers": _optional(Layers.from_dict, known["layers"]),
            }
        )


@dataclass(frozen=True)
class Verification:
    """What verification says of an artifact.

    Attributes:
        artifact: Its name.
        files: How many files of it were compared with their hashes.
        checks: One per runtime.
        not_here: Runtimes that it was sealed on and that are not here.
    """

    artifact: str
    files: int
    checks: tuple[RuntimeCheck, ...]
    not_here: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every runtime that was checked holds, and one was."""
        return bool(self.checks) and all(check.verdict == HOLDS for check in self.checks)

    @property
    def verdict(self) -> str:
        """The worst verdict: "broken" before "unproven" before "holds"."""
        found = {check.verdict for check in self.checks} or {UNPROVEN}
        return next(verdict for verdict in (BROKEN, UNPROVEN, HOLDS) if verdict in found)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "schema": SCHEMA,
            "kind": KIND,
            "artifact": self.artifact,
            "verdict": self.verdict,
            "holds": self.holds,
            "files": self.files,
            "checks": [check.to_dict() for check in self.checks],
            "not_here": list(self.not_here),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Verification:
        """Read the JSON form.

        Raises:
            ConfigError: Another kind of document, a newer schema, unknown or missing keys.
        """
        check_schema("verification", data, SCHEMA)
        names = ("schema", "kind", "artifact", "verdict", "holds", "files", "checks", "not_here")
        known = check_fields("verification", data, required=names)
        if known["kind"] != KIND:
            raise ConfigError("verification: another kind of document", got=known["kind"], allowed=KIND)
        checks = tuple(RuntimeCheck.from_dict(check) for check in known["checks"])
        return cls(known["artifact"], known["files"], checks, tuple(known["not_here"]))


def _optional(read: Callable[[Any], T], data: Any) -> T | None:
    return None if data is None else read(data)


def _distance(distance: Distance | None) -> dict[str, Any] | None:
    return None if distance is None else finite(distance)
