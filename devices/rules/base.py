"""A rule, and a set of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgevision.graphs import Graph, Node

Test = Callable[[Graph, Node], str | None]


@dataclass(frozen=True)
class Rule:
    """One condition on an operator.

    Attributes:
        test: Takes the graph and the operator; returns what was got where the condition does not hold, else None.
        condition: The condition, in one sentence without a full stop.
        rewrite: What to change in the model where it does not hold; None where nothing is known to help.
    """

    test: Test
    condition: str
    rewrite: str | None = None


@dataclass(frozen=True)
class Refusal:
    """Why an operator is refused: the reason in words, and what would help."""

    reason: str
    rewrite: str | None


def rule(rewrite: str | None = None) -> Callable[[Test], Rule]:
    """Make a predicate a rule; its docstring is the condition."""

    def decorate(test: Test) -> Rule:
        return Rule(test, " ".join((test.__doc__ or "").split()).rstrip("."), rewrite)

    return decorate


@dataclass(frozen=True)
class RuleSet:
    """What a device or a runtime asks of operators.

    Attributes:
        name: What profiles call it.
        title: What it is about.
        source: The document that the rules are from.
        format: Operators of which format they are about.
        generic: Rules that hold for every operator.
        operators: Operator -> its own rules; one that is not in here is refused.
        open: Whether operators that are not listed are taken all the same, where `generic` holds.
        needs_static: Whether every shape has to be known.
    """

    name: str
    title: str
    source: str
    format: str
    generic: tuple[Rule, ...]
    operators: Mapping[str, tuple[Rule, ...]]
    open: bool = False
    needs_static: bool = True
    rewrites: Mapping[str, str] | None = None

    def refusal(self, graph: Graph, node: Node) -> Refusal | None:
        """Return why an operator is refused, or None."""
        own = self.operators.get(node.kind)
        if own is None and not self.open:
            known = (self.rewrites or {}).get(node.kind)
            what = "a custom operator" if node.custom else f"{node.kind} is not among its operators"
            return Refusal(what, known)
        for one in (*self.generic, *(own or ())):
            got = one.test(graph, node)
            if got is not None:
                return Refusal(f"{one.condition}: got {got}", one.rewrite)
        return None
