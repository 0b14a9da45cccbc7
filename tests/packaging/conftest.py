"""The source tree as these tests see it: files, import names, and what each file imports."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE_DIRS = {
    "edgevision": "edgevision",
    "converters": "edgevision.converters",
    "runtimes": "edgevision.runtimes",
    "devices": "edgevision.devices",
}


@dataclass(frozen=True)
class Source:
    """One Python file of the package.

    Attributes:
        path: where it is.
        module: the name it is imported by (a package's `__init__.py`: the package).
    """

    path: Path
    module: str

    @property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return parse(self.path)


@cache
def parse(path: Path) -> ast.Module:
    """A Python file, parsed once."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def find_imports(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Each import in a file, at any depth: (line, level of a relative import, dotted name)."""
    found = []
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, 0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.lineno, node.level, f"{node.module or ''}.{alias.name}") for alias in node.names]
    return tuple(found)


@pytest.fixture(scope="session")
def imports_of() -> Callable[[Path], tuple[tuple[int, int, str], ...]]:
    """Gives the imports of a file."""
    return find_imports


@pytest.fixture(scope="session")
def sources(repository: Path) -> list[Source]:
    """Every Python file under the four code folders."""
    found = []
    for folder, name in PACKAGE_DIRS.items():
        for path in sorted((repository / folder).rglob("*.py")):
            parts = path.relative_to(repository / folder).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found.append(Source(path, ".".join((name, *parts))))
    return found
