"""The rule sets by name."""

from __future__ import annotations

from collections.abc import Mapping

from edgevision.devices.rules import common, dla, edgetpu, ethosu, micro, tensorrt
from edgevision.devices.rules.base import RuleSet
from edgevision.errors import check_choice

RULE_SETS: Mapping[str, RuleSet] = {
    rules.name: rules
    for rules in (
        edgetpu.RULES, ethosu.RULES, ethosu.U85_RULES, micro.RULES, tensorrt.RULES, dla.RULES, common.TFLITE,
        common.ONNX, common.OPENVINO, common.STATIC_ONNX, common.STATIC_OPENVINO, common.VX,
    )
}  # fmt: skip


def rule_set(name: str) -> RuleSet:
    """Return a rule set; raises ConfigError, naming the nearest, for an unknown one."""
    check_choice("rules", name, RULE_SETS)
    return RULE_SETS[name]
