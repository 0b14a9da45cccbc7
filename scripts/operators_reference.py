"""Write docs/operators.md from the rules' docstrings and the profiles, or with --check say whether it is up to date."""

import sys
from collections.abc import Iterator
from pathlib import Path

from edgevision.devices.profile import load_profile, profile_names
from edgevision.devices.rules import RULE_SETS, RuleSet

PAGE = Path(__file__).resolve().parents[1] / "docs/operators.md"
HEADER = """# Operators

What accelerators and runtimes ask of each operator, made from the rules by `scripts/operators_reference.py`; a test
fails when the two differ. `edgevision check MODEL --profile NAME` applies them.
"""


def section(rules: RuleSet) -> Iterator[str]:
    """One rule set: where it is from, which profiles use it, its conditions."""
    users = [name for name in profile_names() if any(way.rules == rules.name for way in load_profile(name).ways)]
    yield f"## {rules.name}: {rules.title}\n"
    yield f"Source: {rules.source}. Profiles: {', '.join(users) or 'none'}.\n"
    if rules.generic:
        yield "Every operator:\n"
        yield from (_condition(one) for one in rules.generic)
        yield ""
    plain = sorted(name for name, own in rules.operators.items() if not own)
    bound = {name: own for name, own in sorted(rules.operators.items()) if own}
    if rules.open:
        yield "Operators that are not listed are taken.\n"
    elif plain:
        yield f"Taken without more conditions: {', '.join(plain)}.\n"
    if bound:
        yield "| operator | condition | where it does not hold |\n| --- | --- | --- |"
        for name, own in bound.items():
            yield from (f"| {name} | {one.condition} | {one.rewrite or ''} |" for one in own)
        yield ""


def _condition(one) -> str:
    return f"- {one.condition}" + (f" ({one.rewrite})" if one.rewrite else "")


def page() -> str:
    """The whole page."""
    return "\n".join([HEADER, *(line for rules in RULE_SETS.values() for line in section(rules))]).rstrip() + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page() else 3)
    PAGE.write_text(page(), encoding="utf-8")
