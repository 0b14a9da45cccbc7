"""Running images through an artifact on one runtime, and how far its outputs move when its input trembles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.errors import ArtifactError, IncompatibleModelError
from edgevision.runtimes.base import load
from edgevision.tasks.classification import top1
from edgevision.tensors import Array, TensorSpec, integer_range

if TYPE_CHECKING:
    from edgevision.artifact import Artifact

FLOAT_NOISE = 2.0**-16
"""Noise on a float input, as a share of its largest value: 256 · 2⁻²⁴, the worst rounding error of summing 256
float32 products. bfloat16 (2⁻⁹) errs a hundred times more."""

Change = Callable[[Array], Array]


@dataclass(frozen=True)
class Answers:
    """What an artifact answered to some images on one runtime.

    Attributes:
        outputs: Stored values, one array per output, images along axis 0.
        specs: Specifications of the outputs.
        facts: What ran it.
    """

    outputs: tuple[Array, ...]
    specs: tuple[TensorSpec, ...]
    facts: Mapping[str, Any]

    def best(self) -> Array:
        """Return the best class of each image by the first output, int64 (N,)."""
        return top1(self.outputs[0], self.specs[0])


def how_to_declare(artifact: Artifact) -> str:
    """Return what makes an artifact whose preprocessing is known of a model without."""
    adopt = "edgevision adopt FILE --mean … --std … --out DIR"
    if artifact.bare:
        return f"make an artifact of the file ({adopt})"
    if artifact.manifest.format == "c":
        return (
            f"declare it for the model that this was generated from ({adopt}), and do it anew: edgevision firmware DIR"
        )
    return f"declare it for the model file in it ({adopt})"


def run_images(
    artifact: Artifact,
    images: Iterable[Array],
    *,
    runtime: str,
    device: str = "cpu",
    options: Mapping[str, Any] | None = None,
    change: Change | None = None,
) -> Answers:
    """Run images through an artifact, each on its own.

    Args:
        artifact: A model of one image, whose preprocessing is known.
        images: uint8 RGB HWC, at least one.
        runtime: What runs it.
        device: Where.
        options: Options of the runtime.
        change: What to do to each input tensor before it goes in (`tremble`).

    Raises:
        ArtifactError: The preprocessing is unknown.
        IncompatibleModelError: It takes more than one image.
    """
    preprocessing, place = artifact.manifest.preprocessing, artifact.model_file if artifact.bare else artifact.path
    if preprocessing is None:
        raise ArtifactError(f"{place}: its preprocessing is unknown", next_step=how_to_declare(artifact))
    with load(artifact, device, runtime=runtime, options=options) as model:
        if len(model.inputs) != 1:
            names = ", ".join(spec.name for spec in model.inputs)
            raise IncompatibleModelError(f"{place}: not a model of one image", got=f"inputs {names}")
        bound = preprocessing.bind(model.inputs[0])
        rows: list[tuple[Array, ...]] = []
        for image in images:
            tensor, _ = bound(image)
            rows.append(model.infer([tensor if change is None else change(tensor)]))
        outputs = tuple(_stacked([row[k] for row in rows], spec) for k, spec in enumerate(model.outputs))
        return Answers(outputs, model.outputs, dict(model.facts))


def tremble(seed: int) -> Change:
    """Return a change that moves each input value a little, at random: the smallest disturbance a kernel can make.

    Integers move by -1, 0 or 1 step; floats by up to `FLOAT_NOISE` of the largest value in the tensor.
    """
    generator = np.random.default_rng(seed)

    def change(tensor: Array) -> Array:
        if tensor.dtype.kind == "f":
            noise = FLOAT_NOISE * np.abs(tensor).max(initial=0.0) * generator.uniform(-1, 1, tensor.shape)
            moved: Array = tensor + noise
            return moved.astype(tensor.dtype)
        low, high = integer_range(tensor.dtype.name)
        steps: Array = tensor.astype(np.int64) + generator.integers(-1, 2, tensor.shape)
        shaken: Array = np.clip(steps, low, high).astype(tensor.dtype)
        return shaken

    return change


def _stacked(values: list[Array], spec: TensorSpec) -> Array:
    """One output for all images; raises IncompatibleModelError where its size depends on the image."""
    shapes = {value.shape for value in values}
    if len(shapes) > 1:
        raise IncompatibleModelError(
            f"output {spec.name}: its size changes from image to image, and cannot be compared",
            got=" and ".join(str(list(shape)) for shape in sorted(shapes)[:2]),
        )
    return np.concatenate([_row(value) for value in values])


def _row(output: Array) -> Array:
    return output if output.ndim and output.shape[0] == 1 else output[None]
