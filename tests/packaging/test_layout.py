"""Four folders are one import package: the rules that keep it so."""

import ast
import fnmatch
import re
import subprocess
import sys
from pathlib import Path

MAX_MODULE_LINES = 500
CODE_FOLDERS = {"converters", "runtimes", "devices"}
SEVERAL_FOLDERS = ("edgevision", "converters", "runtimes", "devices", "tests", "examples", "benchmarks", "scripts")


def project_table(repository):
    """pyproject.toml, parsed."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


def all_code(repository) -> list[Path]:
    return [path for folder in SEVERAL_FOLDERS for path in sorted((repository / folder).rglob("*.py"))]


def test_every_folder_with_code_is_a_listed_package(repository, sources):
    listed = project_table(repository)["tool"]["setuptools"]["packages"]
    on_disk = {s.module if s.path.name == "__init__.py" else s.module.rpartition(".")[0] for s in sources}
    assert sorted(listed) == sorted(on_disk)


def test_settings_without_which_a_tool_goes_wrong(repository):
    """Each was seen to fail without it: see the layout's rules in CONTRIBUTING.md."""
    tool, folders = project_table(repository)["tool"], sorted({*CODE_FOLDERS, "edgevision"})
    assert tool["ruff"]["lint"]["isort"]["known-first-party"] == ["edgevision"]
    assert tool["ruff"]["lint"]["flake8-tidy-imports"]["ban-relative-imports"] == "all"
    assert tool["setuptools"]["include-package-data"] is False
    assert "--import-mode=importlib" in tool["pytest"]["ini_options"]["addopts"]
    assert sorted(tool["coverage"]["run"]["source"]) == folders
    assert sorted(tool["pyright"]["include"]) == folders and tool["pyright"]["extraPaths"] == [".typing"]


def test_the_editable_install_is_of_the_default_mode(repository):
    """Modes strict and compat do not find the four folders."""
    script = (repository / "scripts/setup.sh").read_text(encoding="utf-8")
    assert "--editable" in script and "editable_mode" not in script


def test_every_package_has_an_init(sources):
    folders = {s.path.parent for s in sources}
    assert [str(f) for f in folders if not (f / "__init__.py").is_file()] == []


def test_every_data_file_of_the_package_is_declared(repository):
    """A data file that no package-data pattern matches works in a checkout and is missing from the wheel."""
    patterns = project_table(repository)["tool"]["setuptools"]["package-data"]
    folders = project_table(repository)["tool"]["setuptools"]["package-dir"]
    tracked = subprocess.run(
        ["git", "ls-files", "--", *folders.values()], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    missing = []
    for name in filter(None, tracked):
        if name.endswith(".py"):
            continue
        declared = [f"{folders[package]}/{pattern}" for package, globs in patterns.items() for pattern in globs]
        if not any(fnmatch.fnmatch(name, pattern.replace("/**/", "/")) for pattern in declared):
            missing.append(name)
    assert missing == []


def test_nobody_imports_a_folder_by_its_own_name(repository, imports_of):
    """`import converters` works in a checkout, and makes a second copy of every class in it."""
    found = [
        f"{path.relative_to(repository)}:{line} {name}"
        for path in all_code(repository)
        for line, level, name in imports_of(path)
        if level == 0 and name.split(".")[0] in CODE_FOLDERS
    ]
    assert found == []


def test_no_relative_imports(repository, imports_of):
    found = [
        f"{path.relative_to(repository)}:{line}"
        for path in all_code(repository)
        for line, level, _ in imports_of(path)
        if level
    ]
    assert found == []


def test_no_module_is_too_long(sources):
    lengths = {s.module: len(s.path.read_text(encoding="utf-8").splitlines()) for s in sources}
    assert {module: n for module, n in lengths.items() if n > MAX_MODULE_LINES} == {}


def test_no_environment_variable_is_set_at_import(sources):
    """Importing edgevision must not change how TensorFlow or OpenVINO behave for the program around it."""
    found = [
        f"{s.module}:{node.lineno}"
        for s in sources
        for node in module_level(s.tree)
        if isinstance(node, ast.Assign | ast.Call | ast.Expr) and sets_environment(node)
    ]
    assert found == []


def module_level(tree: ast.Module):
    """The nodes that run when the module is imported: all but what functions hold."""
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))


def sets_environment(node: ast.AST) -> bool:
    text = ast.unparse(node)
    return bool(re.match(r"os\.environ(\[[^]]+\]\s*=[^=]|\.(setdefault|update|pop)\()|os\.(putenv|unsetenv)\(", text))
