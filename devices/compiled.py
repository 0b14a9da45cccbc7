"""What a vendor's compiler left to the processor in a compiled file, and why by the rules: such files do not say."""

from __future__ import annotations

from dataclasses import replace

from edgevision.devices.edgetpu import BEHIND, BEHIND_REWRITE
from edgevision.devices.rules.base import RuleSet
from edgevision.devices.rules.sets import rule_set
from edgevision.errors import ArtifactError
from edgevision.graphs import Graph, Node
from edgevision.graphs.edgetpu import CUSTOM as EDGETPU
from edgevision.graphs.edgetpu import compiled_mapping
from edgevision.graphs.vela import CUSTOM as VELA
from edgevision.graphs.vela import vela_mapping
from edgevision.mapping import LEFT, MappingReport


def explain_compiled(graph: Graph, rules: str = "ethos-u") -> MappingReport:
    """Say of each operator of a compiled file where it runs, and why one is left to the processor.

    Args:
        graph: Of a file for the Edge TPU, or of one that Vela wrote.
        rules: For Vela: the rule set of the NPU.

    Raises:
        ArtifactError: Nothing in the file is compiled, or it is damaged.
    """
    if graph.format == "edgetpu":
        said, custom, why = compiled_mapping(graph), EDGETPU, rule_set("edgetpu")
    elif graph.format == "vela":
        said, custom, why = vela_mapping(graph), VELA, rule_set(rules)
    else:
        raise ArtifactError("nothing in the file is compiled", got=graph.format, allowed=("edgetpu", "vela"))
    reasons = {node.index: _why_left(graph, node, custom, why) for node in graph.nodes if node.kind != custom}
    placements = []
    for placed in said.placements:
        reason, rewrite = reasons.get(placed.index, (None, None))
        placements.append(replace(placed, reason=reason, rewrite=rewrite))
    return replace(said, placements=tuple(placements))


def _why_left(graph: Graph, node: Node, custom: str, rules: RuleSet) -> tuple[str, str | None]:
    refused = rules.refusal(graph, node)
    if refused is not None:
        return refused.reason, refused.rewrite
    before = (other for other in graph.nodes[: node.index] if other.kind != custom)
    if custom == EDGETPU and any(set(other.outputs) & set(node.inputs) for other in before):
        return BEHIND, BEHIND_REWRITE
    return LEFT, None
