"""What an accelerator or a runtime asks of each operator: small predicates, whose docstrings are docs/operators.md."""

from edgevision.devices.rules.base import Refusal, RuleSet, rule
from edgevision.devices.rules.sets import RULE_SETS, rule_set

__all__ = ["RULE_SETS", "Refusal", "RuleSet", "rule", "rule_set"]
