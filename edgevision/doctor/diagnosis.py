"""What the doctor says: the specification a model wants, how sure that is field by field, and what cannot be known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgevision.metrics.intervals import Proportion
from edgevision.metrics.paired import LossDifference
from edgevision.preprocessing import Preprocessing

SCHEMA = 1
KIND = "edgevision-diagnosis"

HOLDS, OTHER, RECOVERED, UNKNOWN = "holds", "another is better", "recovered", "unknown"


@dataclass(frozen=True)
class Rival:
    """Another value of a field, everything else being equal, against the one found.

    Attributes:
        value: The other value, in words.
        same_input: Whether the model gets the very same tensors with it.
        loss: How much larger the loss is with it; p corrected for all that the search could have come to.
        mcnemar_p: p value of McNemar's test of the classes alone, not corrected.
    """

    value: str
    same_input: bool
    loss: LossDifference
    mcnemar_p: float


@dataclass(frozen=True)
class Field:
    """What is known about one field of the preprocessing.

    Attributes:
        name: "normalization", "color", "resize" or "filter".
        value: The value found, in words.
        identified: Whether every other value that gives another input, and there is one, is worse by more than chance.
        unseen: Values that give the model the same input on these images: no data of this kind can tell them apart.
        close: Values that more images might tell apart.
        rivals: Every other value that was tried, the nearest first.
    """

    name: str
    value: str
    identified: bool
    unseen: tuple[str, ...]
    close: tuple[str, ...]
    rivals: tuple[Rival, ...]


@dataclass(frozen=True)
class Sensitivity:
    """What a disturbance of the images or of the input does, with the specification found.

    Attributes:
        disturbance: What was done, in words.
        loss: How much larger the loss is with it; p corrected as that of the fields.
        points: Change of the accuracy in percentage points.
    """

    disturbance: str
    loss: LossDifference
    points: float


@dataclass(frozen=True)
class Diagnosis:
    """Which preprocessing a model wants.

    Attributes:
        verdict: `HOLDS`: nothing tried is better than what is declared by more than chance. `OTHER`: ``spec`` is.
            `RECOVERED`: nothing was declared, ``spec`` is what the model wants. `UNKNOWN`: with nothing tried is the
            model right more often than by guessing.
        spec: The declared specification, or the one that is better or was recovered.
        declared: What was declared; None for a bare model file.
        against_declared: How much larger the loss is as declared; None where ``spec`` is the declared one or there is
            none.
        mcnemar_p: p value of McNemar's test of the classes, as declared and with ``spec``; None likewise.
        accuracy: Share of the images that are classified rightly with ``spec``.
        declared_accuracy: The same as declared; None where nothing is.
        activation: What the scores are, as declared or as they look.
        fields: What is known about each field.
        sensitivities: What disturbances do.
        labels_by_position: Whether the classes were matched by position, for want of the model's labels.
        images: How many images it was judged on.
        tried: How many specifications were tried.
        comparisons: For how many each p value and interval is corrected: all with different inputs that could be found.
        confidence: Of all statements together, 0 to 1.
        inferences: How often the model ran.
        facts: What ran it: package, version, ….
    """

    verdict: str
    spec: Preprocessing
    declared: Preprocessing | None
    against_declared: LossDifference | None
    mcnemar_p: float | None
    accuracy: Proportion
    declared_accuracy: Proportion | None
    activation: str
    fields: tuple[Field, ...]
    sensitivities: tuple[Sensitivity, ...]
    labels_by_position: bool
    images: int
    tried: int
    comparisons: int
    confidence: float
    inferences: int
    facts: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """Whether what is declared may stay, or what was not declared was found."""
        return self.verdict in (HOLDS, RECOVERED)

    def adopt_options(self) -> list[str]:
        """Return the options of ``edgevision adopt`` that declare ``spec``."""
        spec = self.spec
        numbers = {name: ",".join(f"{value:.9g}" for value in getattr(spec, name)) for name in ("mean", "std")}
        options = ["--task", "classification"]
        for name, text in numbers.items():
            options += [f"--{name}", text.split(",")[0] if len(set(text.split(","))) == 1 else text]
        options += ["--color", spec.color, "--resize", spec.resize, "--filter", spec.filter]
        if spec.resize.startswith("letterbox"):
            options += ["--pad-value", str(spec.pad_value)]
        return [*options, "--activation", self.activation]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "schema": SCHEMA,
            "kind": KIND,
            **asdict(self),
            "facts": dict(self.facts),
            "spec": self.spec.to_dict(),
            "declared": None if self.declared is None else self.declared.to_dict(),
            "adopt_options": self.adopt_options(),
        }
