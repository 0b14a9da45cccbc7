"""How quantization-aware training rounds a kernel: to 7 of its 8 bits, zeros and clusters kept where that is asked.

Integers reach from -63 to 63. On x86 without VNNI, OpenVINO and ONNX Runtime add pairs of products in 16 bits, which 8
bits overflow: a ResNet-8 with half its channels answered 73.9% of CIFAR-10 correctly instead of 87.5%. Trained with
the bit missing, one model gives the same answers in every format.

tfmot's own cluster-preserving scheme keeps clusters for few models. One quantizer serves all layers there, so a layer
without zeros lets those of the others go; values are taken for clusters of a channel and padded with a centroid of 1.0;
and a range per channel gives one centroid another integer in each channel, which undoes the clusters in the file. Here
each layer has a quantizer of its own, nothing more is stored in the model, and a clustered layer has one range.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgevision.optional import require
from edgevision.tensors import Array

MOST_CLUSTERS = 256
"""With more distinct values than this, weights are not clustered."""
WIDER = 127 / 63
"""An 8-bit range so much wider than the weights leaves them 63 steps to each side."""


class KernelQuantizer:
    """Quantizes the kernel of one layer as tfmot's ``quantizer`` does, in a range twice as wide, what is kept kept.

    Weights of a cluster share their gradients' mean, so the centroids go on learning. Nothing is changed outside of
    training: the model is saved, loaded and exported with the quantizer that this one stands before.
    """

    def __init__(self, quantizer: Any, *, zeros: bool, clusters: bool) -> None:
        """Stand before ``quantizer``; keep zero weights, clusters or both."""
        self._tf = require("tensorflow")
        self._quantizer = quantizer
        self._zeros = zeros
        self._clusters = clusters
        self._kernel: Any = None
        self._mask: Array | None = None
        self._groups: Array | None = None
        self._one_range = False

    def build(self, tensor_shape: Any, name: str, layer: Any) -> Mapping[str, Any]:
        """Note the zeros and clusters of the wrapped layer's weight ``name``; return the quantizer's variables."""
        self._kernel = getattr(layer.layer, name)
        values = self._kernel.numpy()
        self._mask = (values != 0).astype(values.dtype) if self._zeros else None
        if self._clusters:
            self._groups, self._one_range = clusters_of(values)
        variables: Mapping[str, Any] = self._quantizer.build(tensor_shape, name, layer)
        return variables

    def __call__(self, inputs: Any, training: bool, weights: Mapping[str, Any], **kwargs: Any) -> Any:
        """Return the quantized kernel; in training, of the kept weights, whose range is then the one that holds."""
        if not training:
            return self._quantizer(inputs, training, weights=weights, **kwargs)
        kept, tf = self._kept(inputs), self._tf
        self._quantizer(kept, training, weights=weights, **kwargs)  # leaves the range of what is kept in its variables
        limit = weights["max_var"] * WIDER
        if self._one_range:
            limit = tf.fill(tf.shape(limit), tf.reduce_max(limit))
        weights["min_var"].assign(-limit)
        weights["max_var"].assign(limit)
        return self._quantizer(kept, False, weights=weights, **kwargs)

    @property
    def clustered(self) -> bool:
        """Whether the layer has clusters that are kept."""
        return self._groups is not None

    def settle(self) -> None:
        """Write what is kept into the kernel: rounding in training may have moved a weight by its last bit."""
        if self._kernel is not None:
            self._kernel.assign(self._kept(self._kernel))

    def _kept(self, kernel: Any) -> Any:
        tf, groups = self._tf, self._groups
        if groups is not None:
            means = tf.math.unsorted_segment_mean(tf.reshape(kernel, [-1]), groups.ravel(), int(groups.max()) + 1)
            kernel = tf.gather(means, groups)
        return kernel if self._mask is None else kernel * self._mask


def clusters_of(kernel: Array) -> tuple[Array | None, bool]:
    """Return the number of each weight's cluster, int64 of the kernel's shape, and whether clusters span the layer.

    Otherwise they are those of each output channel (the last axis); None where the weights are not clustered.

    >>> clusters_of(np.array([[0.5, 2.0], [0.5, 2.0], [0.5, 0.5], [2.0, 0.5]]))[0].tolist()
    [[0, 1], [0, 1], [0, 0], [1, 0]]
    """
    if _is_clustered(kernel):
        return np.unique(kernel, return_inverse=True)[1].reshape(kernel.shape), True
    channels = [kernel[..., index] for index in range(kernel.shape[-1])]
    if not all(map(_is_clustered, channels)):
        return None, False
    numbers, count = [], 0
    for channel in channels:
        values, places = np.unique(channel, return_inverse=True)
        numbers.append(places.reshape(channel.shape) + count)
        count += len(values)
    return np.stack(numbers, axis=-1), False


def _is_clustered(weights: Array) -> bool:
    """Whether weights other than zero share few values, each of them twice or more on average."""
    others = weights[weights != 0]
    return bool(len(np.unique(others)) <= min(MOST_CLUSTERS, others.size // 2))
