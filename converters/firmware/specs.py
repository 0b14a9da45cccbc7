"""The tensors at the ends of generated code, as a manifest tells of them."""

from __future__ import annotations

from edgevision.graphs import Graph, Value
from edgevision.tensors import QuantParams, TensorSpec


def specs_of(graph: Graph, ends: tuple[str, ...], stated: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    """Return the tensors of one side; names and layouts from the manifest of the model, where it states them."""
    specs = []
    named = {spec.name: spec for spec in stated}
    by_name = set(ends) <= set(named)
    for position, end in enumerate(ends):
        tensor = graph.values[end]
        own = named[end] if by_name else stated[position] if position < len(stated) else None
        usual = "NHWC" if len(tensor.sizes) == 4 else ""
        layout = own.layout if own is not None and len(own.layout) == len(tensor.sizes) else usual
        specs.append(
            TensorSpec(own.name if own is not None else tensor.name, tensor.sizes, "int8", layout, _quant(tensor))
        )
    return tuple(specs)


def _quant(tensor: Value) -> QuantParams | None:
    return QuantParams(tensor.scales, tensor.zero_points) if tensor.scales else None
