"""What every runtime settles when it loads: option values, and the manifest's tensors against the file's."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from edgevision.artifact import Artifact
from edgevision.errors import ArtifactError, ConfigError, EdgeVisionError, IncompatibleModelError, reason_of
from edgevision.tensors import DTYPES, QuantParams, TensorSpec

T = TypeVar("T")

MAX_THREADS = 1024


@dataclass(frozen=True)
class FileTensor:
    """An input or output as the runtime found it in the model file.

    Attributes:
        names: Every name that it goes by there.
        shape: Its axes; None where one is open.
        dtype: numpy name of its type.
        quant: Quantization, when the runtime tells.
    """

    names: tuple[str, ...]
    shape: tuple[int | None, ...]
    dtype: str
    quant: QuantParams | None = None

    def spec(self, index: int) -> TensorSpec:
        """A specification with what the file says; its layout stays unknown."""
        return TensorSpec(self.names[0] if self.names else f"tensor_{index}", self.shape, self.dtype, "", self.quant)


@dataclass(frozen=True)
class Settled:
    """One side of a model, settled.

    Attributes:
        specs: The tensors in the manifest's order.
        order: For each of them, its position in the model file.
    """

    specs: tuple[TensorSpec, ...]
    order: tuple[int, ...]


def settle(artifact: Artifact, side: str, stated: Sequence[TensorSpec], found: Sequence[FileTensor]) -> Settled:
    """Bring the manifest's tensors and the file's together; the manifest gives names, order, layout, quantization.

    Tensors are paired by name when every name is known to the file, else by position.

    Raises:
        ArtifactError: They disagree in number, dtype or shape.
        IncompatibleModelError: The file has a tensor of a type that numpy does not have.
    """
    for tensor in found:
        if tensor.dtype not in DTYPES:
            raise IncompatibleModelError(
                f"{artifact.model_file.name}: an {side} of a type that cannot be handed over", got=tensor.dtype
            )
    if not stated:
        return Settled(tuple(t.spec(i) for i, t in enumerate(found)), tuple(range(len(found))))
    if len(stated) != len(found):
        raise ArtifactError(
            f"{artifact.manifest.name}: the manifest and the model file disagree",
            got=f"{len(found)} {side}s in the file",
            allowed=f"{len(stated)} in the manifest",
        )
    order = _by_name(stated, found) or tuple(range(len(found)))
    for spec, position in zip(stated, order, strict=True):
        _agree(artifact, side, spec, found[position])
    return Settled(tuple(stated), order)


def _by_name(stated: Sequence[TensorSpec], found: Sequence[FileTensor]) -> tuple[int, ...] | None:
    positions = {name: index for index, tensor in enumerate(found) for name in tensor.names}
    order = tuple(positions.get(spec.name, -1) for spec in stated)
    return order if -1 not in order and len(set(order)) == len(order) else None


def _agree(artifact: Artifact, side: str, spec: TensorSpec, tensor: FileTensor) -> None:
    fits = len(spec.shape) == len(tensor.shape) and all(
        None in (want, have) or want == have for want, have in zip(spec.shape, tensor.shape, strict=True)
    )
    if not fits or spec.dtype != tensor.dtype:
        raise ArtifactError(
            f"{artifact.manifest.name}: the manifest and the model file disagree on {side} {spec.name}",
            got=f"{tensor.dtype} {_shown(tensor.shape)} in the file",
            allowed=f"{spec.dtype} {_shown(spec.shape)} in the manifest",
        )


def _shown(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join("any" if size is None else str(size) for size in shape) + "]"


def filled(side: Settled, found: Sequence[FileTensor]) -> Settled:
    """The same tensors, with the file's length wherever the manifest leaves an axis open."""
    specs = []
    for spec, position in zip(side.specs, side.order, strict=True):
        axes = zip(spec.shape, found[position].shape, strict=True)
        specs.append(replace(spec, shape=tuple(have if want is None else want for want, have in axes)))
    return Settled(tuple(specs), side.order)


def fix_batch(specs: Sequence[TensorSpec], batch: int | None) -> tuple[TensorSpec, ...]:
    """Fix the open batch axis of inputs at ``batch`` (1 when it is None).

    The batch axis is the N of the layout, or the first axis when the layout is unknown.

    Raises:
        IncompatibleModelError: The batch axis is fixed at another length, or another axis is open.
    """
    fixed = []
    for spec in specs:
        axis = spec.layout.find("N") if spec.layout else 0
        shape = list(spec.shape)
        if shape and axis >= 0:
            if shape[axis] is not None and batch not in (None, shape[axis]):
                raise IncompatibleModelError(
                    f"input {spec.name} has a fixed batch of {shape[axis]}",
                    got=f"batch {batch}",
                    next_step=f"convert the model again with batch {batch}",
                )
            shape[axis] = shape[axis] if shape[axis] is not None else (batch or 1)
        if None in shape:
            raise IncompatibleModelError(
                f"input {spec.name} has an open dimension beside the batch",
                got=_shown(spec.shape),
                next_step="convert the model again with a fixed size",
            )
        fixed.append(replace(spec, shape=tuple(shape)))
    return tuple(fixed)


def threads_option(options: Mapping[str, Any]) -> int | None:
    """The option ``threads``: 1 when it is not given, None for all; raises ConfigError."""
    if options.get("threads", 1) is None:
        return None
    threads = positive("threads", options.get("threads", 1))
    if threads > MAX_THREADS:  # some vendors pass larger numbers on to the system, which then has none left
        raise ConfigError("option threads", got=threads, allowed=f"1 to {MAX_THREADS}, or all")
    return threads


def all_cores() -> int:
    """How many cores this process may use: what ``threads`` None means to vendors that want a number."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def batch_option(options: Mapping[str, Any]) -> int | None:
    """The option ``batch``, None when it is not given; raises ConfigError."""
    return None if options.get("batch") is None else positive("batch", options["batch"])


def positive(name: str, value: Any) -> int:
    """Return ``value`` when it is a whole number above 0; raises ConfigError."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"option {name}", got=repr(value), allowed="a whole number of at least 1")
    return value


def attempt(what: str, error: type[Exception], call: Callable[..., T], *args: Any) -> T:
    """Return ``call(*args)``; anything that a vendor raises there becomes ``error("what: reason")``, chained."""
    try:
        return call(*args)
    except EdgeVisionError:
        raise
    except Exception as exc:
        raise error(f"{what}: {reason_of(exc)}") from exc
