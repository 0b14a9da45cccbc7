"""The weights in a file of Keras 3, layer by layer, each used once and none left over.

Layers stand in the order of the model under their class and a number: ``layers/conv2d_3/vars/0``. Newer files also note
the layer's name there, which then decides.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.converters.keras3_graph import Graph
from edgevision.errors import ArtifactError
from edgevision.optional import require
from edgevision.tensors import Array

PARTS: Mapping[str, Mapping[str, str]] = {
    "Bidirectional": {"forward_layer": "forward_layer", "backward_layer": "backward_layer"},
    "GRU": {"cell": "cell"},
    "LSTM": {"cell": "cell"},
    "MultiHeadAttention": {
        "query_dense": "_query_dense",
        "key_dense": "_key_dense",
        "value_dense": "_value_dense",
        "output_dense": "_output_dense",
    },
    "SimpleRNN": {"cell": "cell"},
    "TimeDistributed": {"layer": "layer"},
}
"""Class -> the layers within it that have the weights: name in the file -> attribute in tf_keras."""


class StoredWeights:
    """The weights of one ``.keras`` file.

    Attributes:
        arrays: Place ("layers/conv2d/vars/0") -> values.
    """

    def __init__(self, file: Path) -> None:
        """Read all weights; raises ArtifactError when they are damaged."""
        self._file = file
        self.arrays: dict[str, Array] = {}
        self._names: dict[str, str] = {}
        self._used: set[str] = set()
        h5py = require("h5py")
        try:
            with zipfile.ZipFile(file) as archive:
                content = io.BytesIO(archive.read("model.weights.h5"))
            with h5py.File(content, "r") as stored:
                stored.visititems(self._take)
        except Exception as exc:  # h5py lets OSError, KeyError, RuntimeError and ValueError through on damaged files
            raise ArtifactError(f"{file.name}: its weights are damaged", got=str(exc).split("\n")[0]) from exc

    def _take(self, place: str, item: Any) -> None:
        if not hasattr(item, "keys"):
            self.arrays[place] = np.asarray(item)
        elif isinstance(item.attrs.get("name"), str):
            self._names[place] = item.attrs["name"]

    def places(self, graph: Graph, root: str = "") -> dict[str, str]:
        """Return where each layer of a graph has its weights: name -> group.

        Args:
            graph: A model in the file.
            root: The group of the model, with a final slash; "" for the outermost.
        """
        counts: dict[str, int] = {}
        places = {}
        for node in graph.layers:
            stem = _snake_case(node.kind)
            number = counts[stem] = counts.get(stem, -1) + 1
            places[node.name] = f"{root}layers/{stem}_{number}" if number else f"{root}layers/{stem}"
        vars_of_layer = re.compile(f"{re.escape(root)}layers/[^/]+/vars")
        noted = {n: place.removesuffix("/vars") for place, n in self._names.items() if vars_of_layer.fullmatch(place)}
        return {name: noted.get(name, place) for name, place in places.items()}

    def set(self, layer: Any, place: str) -> None:
        """Give a layer of tf_keras its weights; raises ArtifactError when they do not fit it."""
        inside: set[int] = set()
        for part, attribute in PARTS.get(type(layer).__name__, {}).items():
            inner = getattr(layer, attribute)
            self.set(inner, f"{place}/{part}")
            inside.update(id(weight) for weight in inner.weights)
        own = [weight for weight in layer.weights if id(weight) not in inside]
        stored = re.compile(rf"{re.escape(place)}/vars/\d+")
        names = sorted(filter(stored.fullmatch, self.arrays), key=lambda name: int(name.rpartition("/")[2]))
        values = [self.arrays[name] for name in names]
        if [value.shape for value in values] != [tuple(weight.shape) for weight in own]:
            raise ArtifactError(
                f"{self._file.name}: the weights of layer {layer.name} do not fit it",
                got=_shapes(value.shape for value in values),
                allowed=_shapes(weight.shape for weight in own),
            )
        for weight, value in zip(own, values, strict=True):
            weight.assign(value)
        self._used.update(names)
        if own and hasattr(layer, "finalize_state"):
            layer.finalize_state()

    def check_all_used(self) -> None:
        """Raise ArtifactError when the file has weights that no layer took."""
        left = [
            name for name in self.arrays
            if name not in self._used and "seed_generator" not in name and not name.startswith("optimizer")
        ]  # fmt: skip
        if left:
            raise ArtifactError(f"{self._file.name}: weights that belong to no layer", got=", ".join(left[:3]))


def _snake_case(name: str) -> str:
    """Return a class's name as Keras 3 writes it in files.

    >>> _snake_case("BatchNormalization"), _snake_case("PReLU"), _snake_case("Conv2D"), _snake_case("Conv2DTranspose")
    ('batch_normalization', 'p_re_lu', 'conv2d', 'conv2d_transpose')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _shapes(shapes: Iterable[Any]) -> str:
    return ", ".join(str(list(shape)) for shape in shapes) or "none"
