"""Keras models as they were trained: the float reference that every other runtime is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.errors import IncompatibleModelError
from edgevision.keras_loading import load_keras3_model, load_keras_model
from edgevision.keras_safety import check_keras_file
from edgevision.optional import require, version
from edgevision.runtimes.base import Availability, CompiledModel
from edgevision.runtimes.settle import FileTensor, Settled, attempt, batch_option, fix_batch, settle, threads_option
from edgevision.tensors import Array


class KerasRuntime:
    """Runs .keras and HDF5 files after a check that they carry no code: with the Keras, 2 or 3, that wrote them.

    Options: ``batch``; ``threads``, which TensorFlow has once for the whole process, training included, and takes only
    before its first computation. So it is left alone unless the option is given; the facts say what is used.
    """

    name = "keras"

    def availability(self) -> Availability:
        """Say whether tf_keras is here."""
        return Availability.of("tf-keras", "tf_keras", "tensorflow")

    def load(self, artifact: Artifact, device: str, options: Mapping[str, Any]) -> CompiledModel:
        """Check the file's config, then load it without its training state."""
        threads, batch = threads_option(options), batch_option(options)
        path = artifact.model_file
        tensorflow = require("tensorflow")
        if "threads" in options:
            _set_threads(tensorflow, threads)
        checked = check_keras_file(path)
        model = load_keras3_model(path, checked) if checked.is_keras_3 else load_keras_model(path)
        package = "keras" if checked.is_keras_3 else "tf-keras"
        manifest = artifact.manifest
        inputs = settle(artifact, "input", manifest.inputs, _tensors(model.inputs, _input_names(model)))
        fixed = fix_batch(inputs.specs, batch)
        outputs = settle(artifact, "output", manifest.outputs, _tensors(model.outputs, model.output_names))
        facts = {
            "package": package,
            "version": version(package),
            "device": device,
            "threads": tensorflow.config.threading.get_intra_op_parallelism_threads() or None,
            "precision": model.dtype_policy.compute_dtype,
            "tensorflow": version("tensorflow"),
        }
        return attempt(
            f"{package} refuses {path.name}",
            IncompatibleModelError,
            KerasModel,
            tensorflow,
            model,
            Settled(fixed, inputs.order),
            outputs,
            facts,
        )


class KerasModel(CompiledModel):
    """A model traced once for its fixed input shapes."""

    def __init__(
        self, tensorflow: Any, model: Any, inputs: Settled, outputs: Settled, facts: Mapping[str, Any]
    ) -> None:
        signature = [None] * len(inputs.specs)
        for spec, position in zip(inputs.specs, inputs.order, strict=True):
            signature[position] = tensorflow.TensorSpec(spec.shape, spec.dtype)

        def call(*tensors: Any) -> list[Any]:
            answer = model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
            return tensorflow.nest.flatten(answer)  # type: ignore[no-any-return]

        self._call = tensorflow.function(call).get_concrete_function(*signature)
        found = self._call.structured_outputs
        specs = [
            _with_shape(spec, found[position].shape)
            for spec, position in zip(outputs.specs, outputs.order, strict=True)
        ]
        super().__init__(inputs.specs, specs, facts)
        self.model = model
        self._constant = tensorflow.constant
        self._in_order, self._out_order = inputs.order, outputs.order

    def _run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        tensors: list[Any] = [None] * len(inputs)
        for position, array in zip(self._in_order, inputs, strict=True):
            tensors[position] = self._constant(array)
        answers = self._call(*tensors)
        return tuple([np.array(answers[position]) for position in self._out_order])

    def _release(self) -> None:
        self.model = self._call = None


def _set_threads(tensorflow: Any, threads: int | None) -> None:
    """Ask TensorFlow for a number of threads, None for all."""
    config = tensorflow.config.threading
    # When it has computed already it is too late to change, and it says so.
    with suppress(RuntimeError):
        config.set_intra_op_parallelism_threads(threads or 0)
        config.set_inter_op_parallelism_threads(1 if threads == 1 else 0)


def _input_names(model: Any) -> Sequence[str]:
    names: Sequence[str] = getattr(model, "input_names", None) or [tensor.name for tensor in model.inputs]
    return names


def _tensors(tensors: Any, names: Sequence[str]) -> list[FileTensor]:
    found = []
    for tensor, name in zip(tensors, names, strict=True):
        if getattr(tensor.shape, "rank", 0) is None:
            raise IncompatibleModelError("a tensor without a fixed number of axes", got=name)
        dtype = getattr(tensor.dtype, "name", tensor.dtype)  # a text in Keras 3
        found.append(FileTensor((name, tensor.name), tuple(tensor.shape), dtype))
    return found


def _with_shape(spec: Any, shape: Any) -> Any:
    return replace(spec, shape=tuple(shape.as_list()))
