"""Where the operators of a model would run, by the rules of a device that need not be here."""

from __future__ import annotations

from edgevision.devices.edgetpu import ACCELERATOR, predict_mapping
from edgevision.devices.rules.sets import rule_set
from edgevision.graphs import Graph
from edgevision.mapping import CPU, MappingReport, Placement


def predict(graph: Graph, rules: str, target: str, *, left: str = CPU) -> MappingReport:
    """Say of each operator whether the target takes it.

    Args:
        graph: The model.
        rules: Name of the rule set.
        target: What computes: "cpu", "edgetpu", "ethos-u", "gpu", ….
        left: Target of what it does not take: "cpu", or `edgevision.mapping.NOWHERE`.

    Raises:
        IncompatibleModelError: For the Edge TPU: no TFLite model, or a compiled one.
    """
    if target == ACCELERATOR:
        return predict_mapping(graph)
    placements, chosen = [], rule_set(rules)
    for node in graph.nodes:
        refused = chosen.refusal(graph, node)
        if refused is None:
            placements.append(Placement(node.index, node.kind, node.name, target))
        else:
            placements.append(Placement(node.index, node.kind, node.name, left, refused.reason, refused.rewrite))
    return MappingReport(target, "predicted", tuple(placements))
