"""The steps of a recipe: one record for each method, with the names and defaults of the library's function.

A new method is a record and a row of `METHODS`; a test compares both with the function's signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from edgevision.compress.values import Options, choice, flag, names, number, pair, record, whole
from edgevision.converters.channel_importance import IMPORTANCES
from edgevision.converters.channel_plan import SCOPES
from edgevision.converters.channel_report import ChannelTarget
from edgevision.converters.clustering import CENTROIDS
from edgevision.converters.fine_tuning import OPTIMIZERS
from edgevision.converters.formats import FORMATS, SCHEMES
from edgevision.converters.pruning import SCHEDULES
from edgevision.converters.ranges import METHODS as CALIBRATION_METHODS
from edgevision.converters.sparsity_allocation import ALLOCATIONS
from edgevision.converters.sparsity_patterns import PATTERNS, SparsityPattern
from edgevision.data.batches import AUGMENTATIONS

GRANULARITIES = tuple(dict.fromkeys(name for row in FORMATS.values() for name in row.granularities))
IO_DTYPES = tuple(dict.fromkeys(name for row in FORMATS.values() for kinds in row.io_dtypes.values() for name in kinds))
FLOAT = "float32"
INT8 = "static_wi8_ai8"


@dataclass(frozen=True, kw_only=True)
class Teaching(Options):
    """Learning from the answers of the original model; see `edgevision.converters.distillation.Distillation`.

    Attributes:
        weight: Share of the original model in the loss, above 0 and up to 1.
        temperature: Divides the logits of both, above 0.
    """

    weight: float = field(default=0.9, metadata=number(0, 1, above=True))
    temperature: float = field(default=4.0, metadata=number(0, above=True))


@dataclass(frozen=True, kw_only=True)
class Step(Options):
    """One step of a recipe.

    Attributes:
        method: Its name in a recipe.
    """

    method: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the TOML form, the method first."""
        return {"method": self.method, **super().to_dict()}


@dataclass(frozen=True, kw_only=True)
class FineTuned(Step):
    """What the steps share that train the model on a little; the attributes are those of `FineTuning`."""

    epochs: int = field(default=2, metadata=whole(1))
    batch_size: int = field(default=32, metadata=whole(1))
    learning_rate: float = field(default=3e-4, metadata=number(0, above=True))
    seed: int = field(default=0, metadata=whole(0))
    augment: str = field(default="flip", metadata=choice(AUGMENTATIONS))
    optimizer: str = field(default="adam", metadata=choice(OPTIMIZERS))
    weight_decay: float = field(default=0.0, metadata=number(0, 1, below=True))
    distillation: Teaching | None = field(default=None, metadata=record(Teaching))
    layers: tuple[str, ...] | None = field(default=None, metadata=names())


@dataclass(frozen=True, kw_only=True)
class Target(Options):
    """How small channel pruning makes a model; see `edgevision.converters.channel_report.ChannelTarget`.

    Bytes and milliseconds are no targets of a recipe: which channels they cost depends on a format and on a machine.

    Attributes:
        kind: ``macs`` or ``parameters``.
        value: The share of them that remains or, above 1, their number.
    """

    kind: str = field(metadata=choice(("macs", "parameters")))
    value: float = field(metadata=number(0, above=True))

    def __post_init__(self) -> None:
        super().__post_init__()
        ChannelTarget(self.kind, self.value)  # refuses a share of 1


@dataclass(frozen=True, kw_only=True)
class PruneChannels(FineTuned):
    """Channel pruning; the attributes are the options of `edgevision.converters.channel_pruning.prune_channels`."""

    method = "prune_channels"
    target: Target = field(metadata=record(Target))
    importance: str = field(default="l1", metadata=choice(IMPORTANCES))
    scope: str = field(default="global", metadata=choice(SCOPES))
    multiple: int = field(default=8, metadata=whole(1))
    steps: int = field(default=1, metadata=whole(1))
    epochs: int = field(default=2, metadata=whole(0))


@dataclass(frozen=True, kw_only=True)
class Prune(FineTuned):
    """Magnitude pruning; the attributes are the options of `edgevision.converters.pruning.prune`."""

    method = "prune"
    target_sparsity: float | None = field(default=None, metadata=number(0, 1, above=True, below=True))
    schedule: str = field(default="polynomial", metadata=choice(SCHEDULES))
    pattern: str = field(default="unstructured", metadata=choice(PATTERNS))
    allocation: str = field(default="uniform", metadata=choice(ALLOCATIONS))
    block_size: tuple[int, int] | None = field(default=None, metadata=pair())
    n_m: tuple[int, int] | None = field(default=None, metadata=pair())

    def __post_init__(self) -> None:
        super().__post_init__()
        SparsityPattern(self.pattern, self.block_size, self.n_m)  # refuses sizes that the pattern does not have


@dataclass(frozen=True, kw_only=True)
class Cluster(FineTuned):
    """Weights of a few values; the attributes are the options of `edgevision.converters.clustering.cluster`."""

    method = "cluster"
    clusters: int = field(default=16, metadata=whole(2, 256))
    centroids: str = field(default="kmeans++", metadata=choice(tuple(CENTROIDS)))
    per_channel: bool = field(default=False, metadata=flag())
    keep_sparsity: bool = field(default=False, metadata=flag())
    learning_rate: float = field(default=1e-4, metadata=number(0, above=True))


@dataclass(frozen=True, kw_only=True)
class QuantizeAware(FineTuned):
    """Quantization-aware training; the attributes are options of `edgevision.converters.quantization.quantize_aware`.

    It decides the numerics of the export too: ``io_dtype`` is that of `edgevision.export.export`.
    """

    method = "quantize_aware"
    epochs: int = field(default=2, metadata=whole(0))
    learning_rate: float = field(default=1e-4, metadata=number(0, above=True))
    keep_sparsity: bool = field(default=False, metadata=flag())
    keep_clusters: bool = field(default=False, metadata=flag())
    scheme: str = field(default=INT8, metadata=choice((INT8,)))
    granularity: str = field(default="per_channel", metadata=choice(("per_channel",)))
    io_dtype: str | None = field(default=None, metadata=choice(IO_DTYPES))


@dataclass(frozen=True, kw_only=True)
class Quantize(Step):
    """Quantization after training, or another float type; the attributes are options of `edgevision.export.export`."""

    method = "quantize"
    scheme: str = field(default=INT8, metadata=choice(tuple(SCHEMES)))
    granularity: str = field(default="per_channel", metadata=choice(GRANULARITIES))
    io_dtype: str | None = field(default=None, metadata=choice(IO_DTYPES))
    calibration_count: int = field(default=500, metadata=whole(1))
    calibration_method: str = field(default="min_max", metadata=choice(CALIBRATION_METHODS))
    float_layers: tuple[str, ...] = field(default=(), metadata=names())
    int16_layers: tuple[str, ...] = field(default=(), metadata=names())
    seed: int = field(default=0, metadata=whole(0))


@dataclass(frozen=True)
class Method:
    """How a step is run.

    Attributes:
        step: Its record.
        function: What runs it, "module:name"; called with the record's options by their names.
        place: Where it may stand: steps come in the order of their places.
    """

    step: type[Step]
    function: str
    place: int


LAST = 9
"""The place of what decides the numerics: at most one step, and nothing after it."""

METHODS: Mapping[str, Method] = {
    "prune_channels": Method(PruneChannels, "edgevision.converters.channel_pruning:prune_channels", 0),
    "prune": Method(Prune, "edgevision.converters.pruning:prune", 1),
    "cluster": Method(Cluster, "edgevision.converters.clustering:cluster", 2),
    "quantize_aware": Method(QuantizeAware, "edgevision.converters.quantization:quantize_aware", LAST),
    "quantize": Method(Quantize, "edgevision.export:export", LAST),
}
"""Method -> how it is run."""


def numerics_of(step: Step | None) -> Quantize:
    """Return how the model after ``step`` is exported: as the step says, or in float32."""
    if isinstance(step, Quantize):
        return step
    if isinstance(step, QuantizeAware):
        return Quantize(scheme=step.scheme, granularity=step.granularity, io_dtype=step.io_dtype)
    return Quantize(scheme=FLOAT)
