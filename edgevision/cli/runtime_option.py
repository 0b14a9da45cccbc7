"""``--option KEY=VALUE``: options of a runtime that have no option of their own on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import click

from edgevision.errors import ConfigError, check_choice


class KeyValue(click.ParamType):  # type: ignore[type-arg]
    """A name and a value with ``=`` between them."""

    name = "key=value"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what stands for the value in the help."""
        return "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return name and value as they were typed; a usage error for anything else."""
        if isinstance(value, tuple):
            return value
        key, sign, text = str(value).partition("=")
        if not (key and sign):
            self.fail(f"got {value}; allowed: KEY=VALUE, such as package=tflite-runtime", param, ctx)
        return key, text


def typed_options(chosen: Sequence[tuple[str, str]], runtimes: Sequence[str]) -> dict[str, Any]:
    """Return options of runtimes, of the types that their registry rows name.

    Args:
        chosen: Names and values as they were typed; ``NAME.KEY`` for an entry of an option that is a mapping.
        runtimes: What may run the model; none for any.

    Raises:
        ConfigError: No such option of any of them, one that is given twice, or a value of another type.
    """
    if not chosen:
        return {}
    from edgevision.registry import runtime_rows

    rows = [row for row in runtime_rows() if row.name in runtimes] or list(runtime_rows())
    own = {parameter.name for parameter in click.get_current_context().command.params}
    types = {name: row.option_type(name) for row in reversed(rows) for name in row.options}
    options: dict[str, Any] = {}
    for key, text in chosen:
        name, _, entry = key.partition(".")
        if name in types and name in own:
            raise ConfigError(f"--option {name}", got=f"{key}={text}", next_step=f"there is an option for it: --{name}")
        check_choice("--option", name, [other for other in types if other not in own])
        mapping = types[name] is dict
        if mapping != bool(entry):
            allowed = f"{name}.KEY=VALUE" if mapping else f"{name}=VALUE"
            raise ConfigError(f"--option {name}", got=f"{key}={text}", allowed=allowed)
        place = options.setdefault(name, {}) if mapping else options
        if (entry or name) in place:
            raise ConfigError(f"--option {key} is given twice", got=text)
        place[entry or name] = _value(name, text, types[name])
    return options


def _value(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        check_choice(f"--option {name}", text, ("true", "false"))
        return text == "true"
    if kind is int:
        if not re.fullmatch("[0-9]{1,9}", text):
            raise ConfigError(f"--option {name}", got=text, allowed="a whole number")
        return int(text)
    return text.split(",") if kind is list else text
