"""A float model in which any weight and any tensor can be rounded, traced once: what an integer model would answer.

Which tensors are rounded, and how, is data (one row for each place), so that no choice of layers makes TensorFlow trace
the model anew. TFLite rounds what an integer operator takes and what it makes; OpenVINO (as NNCF
quantizes) rounds what its integer operators take.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevision.compress.sensitivity_graph import Edge, open_graph
from edgevision.converters.fine_tuning import copy_model
from edgevision.converters.vendor import vendor_step
from edgevision.errors import ConversionError
from edgevision.optional import require

if TYPE_CHECKING:
    from edgevision.compress.sensitivity_weights import Altered, Change
    from edgevision.converters.keras_import import SourceModel
    from edgevision.tensors import Array

SOFTMAX = ("Softmax", "softmax", "softmax_v2")
FIXED_RANGES = {**dict.fromkeys(SOFTMAX, (0.0, 255 / 256)), "sigmoid": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}
"""Ranges that TFLite's kernels have, whatever was measured."""
_FLOAT_IN_OPENVINO_TEXT = """
softmax softmax_v2 Softmax sigmoid swish silu tanh hard_sigmoid elu ELU gelu selu softplus softsign mish exponential
relu relu6 ReLU LeakyReLU leaky_relu PReLU ThresholdedReLU DepthwiseConv2D
"""
FLOAT_IN_OPENVINO = frozenset(_FLOAT_IN_OPENVINO_TEXT.split())
"""What takes its input as it is: activations, and depthwise convolutions, which have one scale for each channel."""
BATCH_PIXELS = 2_000_000


class Simulation:
    """A copy of a model, with a switch for each weight tensor and each place where a tensor may be rounded.

    Attributes:
        model: The copy; its layers are those of the source, in the same order.
        graph: The units and what lies between them.
        ranges: Value -> (lowest, highest), after `calibrate`.
    """

    def __init__(self, source: SourceModel, to: str) -> None:
        """Open a copy of the model.

        Args:
            source: A float model with one input and one output.
            to: The format that decides what is rounded where.

        Raises:
            ConversionError: The model cannot be copied or laid open.
        """
        tf = require("tensorflow")
        self.model = model = copy_model(source)
        with vendor_step(f"laying {source.name} open"):
            self.graph = open_graph(model)
        self.ranges: dict[int, tuple[float, float]] = {}
        self._name, self._to = source.name, to
        self._changed: dict[int, Altered] = {}
        self._rows = tf.Variable(np.zeros((len(self.graph.edges), 5), np.float32), trainable=False)
        shape = model.inputs[0].shape
        self._batch = shape[0] or max(1, min(64, BATCH_PIXELS // max(1, int(np.prod(shape[1:3])))))
        signature = [tf.TensorSpec((self._batch, *shape[1:]), model.inputs[0].dtype)]
        self._answer = tf.function(self._answers, input_signature=signature, autograph=False)
        self._observe = tf.function(self._observations, input_signature=signature, autograph=False)
        self._look = tf.function(self._inside, input_signature=signature, autograph=False)

    def calibrate(self, inputs: Array) -> None:
        """Measure the range of every tensor on ``inputs`` (N, H, W, C).

        Raises:
            ConversionError: A layer gives NaN or infinite values.
        """
        found = np.concatenate([part[: len(batch)] for batch, part in self._run(self._observe, inputs)])
        values = sorted({edge.value for edge in self.graph.edges})
        for value, low, high in zip(values, found[..., 0].T, found[..., 1].T, strict=True):
            if not (np.isfinite(low).all() and np.isfinite(high).all()):
                raise ConversionError(
                    f"{self._name}: a layer gives values that are NaN or infinite", got=self.graph.name_of(value)
                )
            fixed = FIXED_RANGES.get(self.graph.kind_of(value)) if self._to == "tflite" else None
            self.ranges[value] = fixed or (min(0.0, float(low.min())), max(0.0, float(high.max())))

    def rounds(self, edge: Edge) -> bool:
        """Whether an integer model in this format rounds there at all."""
        if edge.value not in self.ranges or self.ranges[edge.value] == (0.0, 0.0):
            return False
        if self._to == "tflite":
            return True
        return edge.step is not None and self.graph.steps[edge.step].kind not in FLOAT_IN_OPENVINO

    def set(self, changes: Collection[Change], bits: Mapping[int, int]) -> None:
        """Let weights be as ``changes`` say and all others as they were; round at the edges in ``bits`` only.

        Args:
            changes: Of the weights.
            bits: Edge -> 8 or 16.
        """
        wanted = {id(part.variable): part for change in changes for part in change}
        for key in [key for key in self._changed if key not in wanted]:
            part = self._changed.pop(key)
            part.variable.assign(part.before)
        for part in wanted.values():
            part.variable.assign(part.after)
        self._changed.update(wanted)
        rows = np.zeros((len(self.graph.edges), 5), np.float32)
        for edge, width in bits.items():
            if self.rounds(self.graph.edges[edge]):
                rows[edge] = (1, *self._steps(self.ranges[self.graph.edges[edge].value], width))
        self._rows.assign(rows)

    def answers(self, inputs: Array) -> tuple[Array, Array]:
        """Return the model's output (N, C), and the same before its softmax if it ends with one."""
        parts = [(out[: len(batch)], raw[: len(batch)]) for batch, (out, raw) in self._run(self._answer, inputs)]
        return np.concatenate([out for out, _ in parts]), np.concatenate([raw for _, raw in parts])

    def inside(self, inputs: Array) -> list[Array]:
        """Return what each unit makes of ``inputs``, of up to one batch, rounded where the next one gets it so."""
        (batch, found), *_ = self._run(self._look, inputs[: self._batch])
        return [part[: len(batch)] for part in found]

    def _run(self, function: Callable[[Any], Any], inputs: Array) -> Iterator[tuple[Array, Any]]:
        tf = require("tensorflow")
        for start in range(0, len(inputs), self._batch):
            batch = inputs[start : start + self._batch]
            filled = np.concatenate([batch, np.repeat(batch[:1], self._batch - len(batch), axis=0)])
            with vendor_step(f"running {self._name}"):
                result = function(tf.constant(filled))
            yield batch, tf.nest.map_structure(lambda tensor: tensor.numpy(), result)

    def _answers(self, inputs: Any) -> Any:
        tf = require("tensorflow")
        values = self._values(inputs)
        last = self._arriving(values, self.graph.output, len(self.graph.edges) - 1)
        end = self.graph.origin[self.graph.output]
        raw = self._source(values, self.graph.maker[end], 0) if self.graph.kind_of(end) in SOFTMAX else last
        return tf.cast(last, tf.float32), tf.cast(raw, tf.float32)

    def _observations(self, inputs: Any) -> Any:
        """Lowest and highest of each value, (N, values, 2)."""
        tf = require("tensorflow")
        values = self._values(inputs)
        found = []
        for value in sorted({edge.value for edge in self.graph.edges}):
            flat = tf.cast(tf.reshape(values[value], (tf.shape(values[value])[0], -1)), tf.float32)
            found.append(tf.stack([tf.reduce_min(flat, 1), tf.reduce_max(flat, 1)], axis=-1))
        return tf.stack(found, axis=1)

    def _inside(self, inputs: Any) -> Any:
        values = self._values(inputs)
        found = []
        for unit in self.graph.units:
            value = self.graph.steps[unit.steps[-1]].results[0]
            leaving = [place for place, edge in enumerate(self.graph.edges) if edge.value == value]
            found.append(self._arriving(values, value, leaving[0]) if leaving else values[value])
        return found

    def _values(self, inputs: Any) -> dict[int, Any]:
        values: dict[int, Any] = {0: inputs}
        for position, step in enumerate(self.graph.steps):
            tensors = [self._source(values, position, place) for place in range(len(step.sources))]
            values.update(zip(step.results, step.call(tensors), strict=True))
        return values

    def _source(self, values: Mapping[int, Any], position: int, place: int) -> Any:
        """What a step gets: the value, rounded where the switch says so."""
        source = self.graph.steps[position].sources[place]
        for number, edge in enumerate(self.graph.edges):
            if edge.step == position and edge.value == self.graph.origin[source]:
                return self._arriving(values, source, number)
        return values[source]

    def _arriving(self, values: Mapping[int, Any], value: int, edge: int) -> Any:
        tf = require("tensorflow")
        tensor = values[value]
        if not tensor.dtype.is_floating:
            return tensor

        def rounded() -> Any:
            _, scale, zero, low, high = tf.unstack(self._rows[edge])
            steps = tf.clip_by_value(tf.round(tf.cast(tensor, tf.float32) / scale) + zero, low, high)
            return tf.cast((steps - zero) * scale, tensor.dtype)

        return tf.cond(self._rows[edge, 0] > 0, rounded, lambda: tensor)

    def _steps(self, limits: tuple[float, float], bits: int) -> tuple[float, float, float, float]:
        """Scale, zero point, lowest and highest step of a range."""
        low, high = limits
        if bits == 16:
            return max(-low, high) / 32767, 0, -32768, 32767
        if self._to == "tflite":
            scale = (high - low) / 255
            return scale, round(-128 - low / scale), -128, 127
        return (high / 255, 0, 0, 255) if low == 0 else (max(-low, high) / 127, 0, -128, 127)
