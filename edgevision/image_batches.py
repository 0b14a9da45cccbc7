"""A model of one image on several: as many at a time as its file allows, else one after the other."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.errors import ConfigError, EdgeVisionError
from edgevision.image_model import ImageModel
from edgevision.runtimes.base import CompiledModel, load
from edgevision.tensors import Array, TensorSpec

TRIALS = 4


class ImageBatches:
    """Gives the first output of each of some images.

    Where the model file has an open batch axis it is loaded a second time, for ``most`` images. What is left over for
    a batch that is not full goes filled up, or one by one: whichever was faster when both were tried at the beginning.
    Models of a fixed batch, as most for small devices are, go one by one always.

    Attributes:
        size: Images at a time; 1 where the file allows no more.
        pays_from: From so many images on they go together.
    """

    def __init__(
        self,
        model: ImageModel,
        most: int,
        *,
        runtime: str | None = None,
        device: str = "cpu",
        options: Mapping[str, Any] | None = None,
        loader: Callable[..., CompiledModel] = load,
    ) -> None:
        """Load it for several images, if it can be.

        Args:
            model: The model, loaded for one image; closed with this.
            most: Images at a time.
            runtime: What runs it; this and the others as ``model`` was loaded with.
            device: Where.
            options: Options of the runtime.
            loader: Stands in for `edgevision.runtimes.load`.

        Raises:
            ConfigError: ``most`` is less than 1.
        """
        if most < 1:
            raise ConfigError("images at a time", got=most, allowed="1 or more")
        self._model, self.size, self.pays_from = model, 1, 1
        self._wide: CompiledModel | None = None
        spec = model.model.inputs[0]
        if most > 1 and "N" in spec.layout:
            # The artifact says what its inputs are for one image; how long the batch may be, its file says.
            bare = Artifact.describe(model.artifact.model_file)
            with suppress(EdgeVisionError):  # a runtime or a file that refuses the batch: one by one
                self._widen(loader(bare, device, runtime=runtime, options={**(options or {}), "batch": most}), most)

    def __call__(self, images: Sequence[Array]) -> list[Array]:
        """Return the stored first output for each image, uint8 RGB HWC: (1, …), in their order."""
        done: list[Array] = []
        while len(done) < len(images):
            rest = images[len(done) : len(done) + self.size]
            if self._wide is not None and len(rest) >= self.pays_from:
                done += self._together(self._wide, rest)
            else:
                done += [self._model.outputs(image)[0][0] for image in rest]
        return done

    @property
    def models(self) -> tuple[CompiledModel, ...]:
        """What was loaded: for one image, and for several if it could be."""
        return (self._model.model,) if self._wide is None else (self._model.model, self._wide)

    def close(self) -> None:
        """Let go of the model."""
        for model in self.models:
            model.close()

    def _widen(self, wide: CompiledModel, most: int) -> None:
        """Take a model of several images, if it is the same but for its batch."""
        preprocessing, one = self._model.artifact.manifest.preprocessing, self._model.model
        spec = _longer(one.inputs[0], most)
        wanted, output = one.outputs[0], wide.outputs[0]
        same = (wide.inputs[0].shape, wide.inputs[0].dtype) == (spec.shape, spec.dtype) and (
            (output.name, output.shape, output.dtype) == (wanted.name, (most, *wanted.shape[1:]), wanted.dtype)
        )
        if preprocessing is None or len(wide.inputs) != 1 or not same:
            wide.close()
            return
        try:
            bound, slower = preprocessing.bind(spec), _fastest_s(wide, spec) / _fastest_s(one, one.inputs[0])
        except EdgeVisionError:  # it loads, and does not run
            wide.close()
            raise
        self._wide, self._bound, self.size, self.pays_from = wide, bound, most, min(most, math.ceil(slower))

    def _together(self, model: CompiledModel, images: Sequence[Array]) -> list[Array]:
        filled = [*images, *[images[-1]] * (self.size - len(images))]
        rows = model.infer((self._bound.batch(filled)[0],))[0]
        return [rows[place : place + 1] for place in range(len(images))]


def _fastest_s(model: CompiledModel, spec: TensorSpec) -> float:
    """Seconds of the fastest of a few inferences, after a first one."""
    tensor, times = np.zeros([size or 1 for size in spec.shape], spec.dtype), []
    for _ in range(TRIALS):
        start = time.perf_counter()
        model.infer((tensor,))
        times.append(time.perf_counter() - start)
    return min(times[1:])


def _longer(spec: TensorSpec, batch: int) -> TensorSpec:
    axis = spec.layout.index("N")
    return replace(spec, shape=(*spec.shape[:axis], batch, *spec.shape[axis + 1 :]))
