"""Which layers a name or pattern means, and which operators of a converted model a layer is.

Converters fuse: the operator that is left of a convolution, its batch norm and its activation carries the names of all
three, and sometimes those of layers that it only shares a constant with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from fnmatch import fnmatchcase
from typing import Any

from edgevision.converters.keras_import import named_layers
from edgevision.errors import ConfigError

SHOWN = 4
"""How many names an error lists."""


def matching_names(option: str, patterns: Iterable[str], names: Sequence[str] | Mapping[str, str]) -> list[str]:
    """Return the names that match one of the patterns, in their order.

    Args:
        option: What the patterns were given as, for the error; or nothing.
        patterns: Names, or patterns as the shell has them (``stage1_*``).
        names: What there is; or name -> another name for it, which may be that of several: ``{"b1/conv": "conv"}``.

    Raises:
        ConfigError: A pattern matches no name; the nearest are named.
    """
    found: set[str] = set()
    for pattern in patterns:
        matches = {pattern} if pattern in names else {name for name in names if _matches(pattern, name, names)}
        if not matches:
            raise _unknown(option, pattern, list(names))
        found |= matches
    return [name for name in names if name in found]


def chosen_layers(option: str, patterns: Sequence[str], model: Any) -> list[str]:
    """Return the Keras layers that match, as `edgevision.converters.keras_import.named_layers` names them.

    Raises:
        ConfigError: A pattern matches none.
    """
    names = {name: layer.name for name, layer in named_layers(model) if type(layer).__name__ != "InputLayer"}
    return matching_names(option, patterns, names)


def owners(operators: Sequence[Sequence[str]]) -> Mapping[str, set[int]]:
    """Return which operators belong to each name: name -> positions.

    Args:
        operators: For each operator the paths that its tensors are named after, the one that it ends with first:
            ``["net/relu/Relu", "net/bn/FusedBatchNormV3", "net/conv/Conv2D"]``.

    A path stands for itself and for what encloses it (``net/conv/Conv2D``, ``net/conv``, ``net``). An operator that
    ends with a name belongs to it. Another name that several operators carry belongs to the one that carries it most
    often, the last of equals: the others only share a constant.

    >>> owners([["net/relu/Relu", "net/a/Conv", "net/b/Conv"], ["net/b/BiasAdd", "net/b/Conv"]])["net/b"]
    {1}
    """
    first: dict[str, set[int]] = {}
    counts: dict[str, dict[int, int]] = {}
    for position, paths in enumerate(operators):
        for index, path in enumerate(paths):
            for scope in _scopes(path):
                if index == 0:
                    first.setdefault(scope, set()).add(position)
                counts.setdefault(scope, {}).setdefault(position, 0)
                counts[scope][position] += 1
    return {scope: first.get(scope) or {_most(found)} for scope, found in counts.items()}


def operators_of(layer: str, owned: Mapping[str, set[int]]) -> set[int]:
    """Return the positions of the operators that belong to a layer, whatever encloses it."""
    found: set[int] = set()
    for scope, positions in owned.items():
        if scope == layer or scope.endswith(f"/{layer}"):
            found |= positions
    return found


def operator_names(operators: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return what operators may be called by: their paths, what encloses them, and the ends of these.

    Args:
        operators: As for `owners`.
    """
    return tuple(dict.fromkeys(name for scope in owners(operators) for name in endings(scope)))


def chosen_operators(option: str, patterns: Sequence[str], operators: Sequence[Sequence[str]]) -> set[int]:
    """Return the positions of the operators that belong to the layers asked for.

    Args:
        option: What the patterns were given as, for the error.
        patterns: Names of layers, or patterns.
        operators: As for `owners`.

    Raises:
        ConfigError: A name or pattern matches no layer.
    """
    owned = owners(operators)
    found: set[int] = set()
    for name in matching_names(option, patterns, operator_names(operators)):
        found |= operators_of(name, owned)
    return found


def check_rest(weighted: Set[int], in_float: Set[int]) -> None:
    """Raise ConfigError where none of the operators with weights is left to quantize."""
    if weighted and weighted <= in_float:
        raise ConfigError("float_layers: every layer with weights stays in float", next_step="ask for scheme float32")


def owner_of(paths: Sequence[str], names: Mapping[str, str]) -> str | None:
    """Return which of some layers an operator ends with; None where it is none of them.

    Args:
        paths: What its tensors are named after, the ones that count most first.
        names: What a layer is called in them -> what to return for it.

    >>> owner_of(["net/quant_relu/Relu", "net/quant_conv/Conv2D"], {"quant_relu": "relu", "quant_conv": "conv"})
    'relu'
    """
    for path in paths:
        for scope in reversed(_scopes(path)):
            for ending in reversed(endings(scope)):
                if ending in names:
                    return names[ending]
    return None


def endings(scope: str) -> list[str]:
    """Return what a scope may be called by, the shortest first.

    >>> endings("net/block/conv")
    ['conv', 'block/conv', 'net/block/conv']
    """
    parts = scope.split("/")
    return ["/".join(parts[start:]) for start in reversed(range(len(parts)))]


def _scopes(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def _most(found: Mapping[int, int]) -> int:
    return max(found, key=lambda position: (found[position], position))


def _matches(pattern: str, name: str, names: Sequence[str] | Mapping[str, str]) -> bool:
    other = names[name] if isinstance(names, Mapping) else name
    return pattern == other or fnmatchcase(name, pattern) or fnmatchcase(other, pattern)


def _unknown(option: str, pattern: str, names: Sequence[str]) -> ConfigError:
    from difflib import get_close_matches

    nearest = get_close_matches(pattern, names, n=SHOWN, cutoff=0.4) or names[:SHOWN]
    where = f"{option}: " if option else ""
    return ConfigError(f"{where}no layer has this name", got=pattern, allowed=[*nearest, "patterns such as 'conv*'"])
