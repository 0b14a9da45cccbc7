"""Taking channels out of a model, and the proof that nothing else changed.

The smaller model computes what the whole one computes when every weight that went is zero there: the masked original.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from edgevision.converters.channel_graph import ChannelGraph
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConversionError
from edgevision.optional import require
from edgevision.tensors import Array

TOLERANCE = 1e-3
"""Largest difference between the smaller model and the masked original; see `identity_error`."""

ROUNDING = 1e-6
"""A difference that float32 explains, as a share of the outputs' largest value."""

PROBES = 4
"""Random inputs that the identity is tried on."""


def smaller_model(model: Any, graph: ChannelGraph, gone: Iterable[int]) -> Any:
    """Return a copy of ``model`` without some of its channels, not compiled.

    Args:
        model: The model that ``graph`` was made of.
        graph: Its channels.
        gone: Roots of the sets of channels that go.

    Raises:
        ConversionError: A layer cannot be rebuilt.
    """
    kept = _Kept(graph, gone)
    with vendor_step(f"rebuilding {model.name}"):
        surgeon = _Surgeon(graph, kept)
        smaller = surgeon.rebuilt(model)
        for layer, made in surgeon.made.values():
            made.set_weights([kept.slice(layer, place, weight) for place, weight in enumerate(layer.get_weights())])
    return smaller


def masked_model(model: Any, graph: ChannelGraph, gone: Iterable[int]) -> Any:
    """Return a copy of ``model`` of its own size, in which every weight that would go is zero."""
    kept = _Kept(graph, gone)
    with vendor_step(f"copying {model.name}"):
        masked = require("tf_keras").models.clone_model(model)
        masked.set_weights(model.get_weights())
        copies = dict(zip(_layers(model), _layers(masked), strict=True))
        for layer, copy in copies.items():
            weights = layer.get_weights()
            for place, weight in enumerate(weights):
                for axis, stays in kept.of(layer, place):
                    shape = [1] * weight.ndim
                    shape[axis] = -1
                    weight *= stays.reshape(shape)
            copy.set_weights(weights)
    return masked


def identity_error(smaller: Any, masked: Any, seed: int = 0) -> float:
    """Return how far both models differ on random inputs: the share of its range by which the worst output is off.

    Probabilities are compared by their logarithms. A difference of no more than `ROUNDING` is 0.

    Raises:
        ConversionError: Further than `TOLERANCE`: the channels of this model were not followed rightly. Or an answer
            is NaN or infinite, and nothing can be said.
    """
    rng = np.random.default_rng(seed)
    inputs = [_probe(rng, tensor) for tensor in masked.inputs]
    with vendor_step(f"comparing {smaller.name} with its masked original"):
        found, wanted = _answers(smaller, inputs), _answers(masked, inputs)
    _check_finite(masked.name, {"masked original": wanted, "smaller model": found})
    error = max(_difference(a, b) for a, b in zip(*_comparable(found, wanted), strict=True))
    if not error <= TOLERANCE:
        raise ConversionError(
            f"{smaller.name}: the smaller model differs from the masked original",
            got=f"{error:.2g} of what its outputs range over", allowed=f"{TOLERANCE:g}",
            next_step="leave out some layers (--layers), and report the model",
        )  # fmt: skip
    return error


def _probe(rng: np.random.Generator, tensor: Any) -> Array:
    """Return random values for an input; integers, which stand for words or classes, are the first two."""
    shape = (PROBES, *(length or 32 for length in tensor.shape[1:]))
    if tensor.dtype.is_integer:
        return rng.integers(0, 2, shape).astype(tensor.dtype.as_numpy_dtype)
    return rng.standard_normal(shape).astype(np.float32)


class _Kept:
    """Which elements of each weight stay."""

    def __init__(self, graph: ChannelGraph, gone: Iterable[int]) -> None:
        self._gone = np.array(sorted(gone), np.int64)
        self._graph = graph
        self._axes: dict[tuple[int, int], list[tuple[int, Array]]] = {}
        for axis in graph.axes:
            stays = self.stays(axis.channels)
            if not stays.all():
                self._axes.setdefault((id(axis.layer), axis.weight), []).append((axis.axis, stays))

    def stays(self, channels: Array) -> Array:
        """Return for each channel whether it stays: bool."""
        return ~np.isin(self._graph.roots(channels), self._gone)

    def of(self, layer: Any, place: int) -> list[tuple[int, Array]]:
        """Return the axes of a weight that lose elements, each with what stays."""
        return self._axes.get((id(layer), place), [])

    def slice(self, layer: Any, place: int, weight: Array) -> Array:
        """Return what stays of a weight."""
        for axis, stays in self.of(layer, place):
            weight = np.compress(stays, weight, axis=axis)
        return weight


class _Surgeon:
    """Builds the layers of the smaller model.

    Attributes:
        made: id of a layer -> (the layer, what stands for it).
    """

    def __init__(self, graph: ChannelGraph, kept: _Kept) -> None:
        self._keras = require("tf_keras")
        self._nested: dict[int, Any] = {}
        self._tensors = {number: int(kept.stays(channels).sum()) for number, channels in graph.tensors.items()}
        self._widths = {id(call.layer): self._tensors[call.outputs[0]] for call in graph.calls}
        self._makers = {id(axis.layer) for axis in graph.axes if axis.role in ("output", "through")}
        self._taken = graph.nested
        self.made: dict[int, tuple[Any, Any]] = {}

    def rebuilt(self, model: Any, inputs: Any = None) -> Any:
        """Return a model like ``model`` of layers that are made anew."""
        return self._keras.models.clone_model(model, input_tensors=inputs, clone_function=self._layer)

    def _layer(self, layer: Any) -> Any:
        key = id(layer)
        if isinstance(layer, self._keras.Model):
            if key not in self._nested:
                self._nested[key] = self.rebuilt(layer, self._inputs(layer))
            return self._nested[key]
        if key not in self.made:
            self.made[key] = (layer, type(layer).from_config(self._config(layer)))
        return self.made[key][1]

    def _config(self, layer: Any) -> dict[str, Any]:
        config = dict(layer.get_config())
        config.pop("batch_input_shape", None)
        width = self._widths.get(id(layer), 0)
        if id(layer) in self._makers:
            if config.get("groups", 1) != 1:
                config["groups"] = width * config["groups"] // config["filters"]
            config.update((name, width) for name in ("filters", "units") if name in config)
        if type(layer).__name__ == "Reshape" and width and config["target_shape"][-1] != -1:
            config["target_shape"] = (*config["target_shape"][:-1], width)
        return config

    def _inputs(self, model: Any) -> list[Any]:
        """Return inputs for a model inside the model, as wide as what it now gets."""
        return [
            self._keras.Input(
                batch_shape=(*tensor.shape[:-1], self._tensors[number]), dtype=tensor.dtype, name=tensor.node.layer.name
            )
            for tensor, number in zip(model.inputs, self._taken[id(model)], strict=True)
        ]


def _layers(model: Any) -> list[Any]:
    found: list[Any] = []
    for layer in model.layers:
        found.extend(_layers(layer) if getattr(layer, "layers", None) else [layer])
    return found


def _answers(model: Any, inputs: list[Array]) -> list[Array]:
    results = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(result, np.float64) for result in (results if isinstance(results, list | tuple) else [results])]


def _check_finite(name: str, answers: Mapping[str, list[Array]]) -> None:
    """Raise ConversionError, naming the side and the output, for an answer that is NaN or infinite."""
    for side, outputs in answers.items():
        for number, output in enumerate(outputs, 1):
            if not np.isfinite(output).all():
                raise ConversionError(
                    f"{name}: the {side} answers random inputs with NaN or infinite values", got=f"output {number}",
                    next_step="check the model's weights and constants",
                )  # fmt: skip


def _difference(found: Array, wanted: Array) -> float:
    """Return the largest difference as a share of the range of ``wanted``; 0 where rounding explains it."""
    largest = float(np.abs(found - wanted).max())
    if largest <= ROUNDING * float(np.abs(wanted).max()):
        return 0.0
    return largest / (float(wanted.max() - wanted.min()) or 1.0)


def _comparable(found: list[Array], wanted: list[Array]) -> tuple[list[Array], list[Array]]:
    """Return both as they are; probabilities, which may all be near 0 and 1, as their logarithms."""
    for place, answer in enumerate(wanted):
        if answer.ndim == 2 and answer.min() >= 0 and np.allclose(answer.sum(-1), 1, atol=1e-3):
            found[place], wanted[place] = (np.log(np.maximum(one[place], 1e-30)) for one in (found, wanted))
    return found, wanted
