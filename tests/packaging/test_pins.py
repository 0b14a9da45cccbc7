"""What pins and builds the project: names and versions, and no place that only one machine can reach."""

import re

import pytest

HOST = re.compile(
    r"https?://|git\+|file://|--(extra-)?index-url|--find-links|\b[\w-]+(\.[\w-]+)*\.(com|org|net|io|dev|ai)\b"
)


BUILD_FILES = ("constraints.txt", "Makefile", ".ci/run", "MANIFEST.in", "pyproject.toml")


@pytest.mark.parametrize("name", [*BUILD_FILES, "scripts/setup.sh", "scripts/venv.sh"])
def test_no_host_is_named(repository, name):
    lines = (repository / name).read_text(encoding="utf-8").splitlines()
    assert [f"{name}:{n} {line}" for n, line in enumerate(lines, 1) if HOST.search(line)] == []


@pytest.mark.parametrize("name", ["constraints.txt", "tests/packaging/base-constraints.txt"])
def test_constraints_are_names_and_versions(repository, name):
    lines = (repository / name).read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin)] == []
    names = [pin.partition("==")[0] for pin in pins]
    assert names == sorted(set(names))


def test_constraints_pin_all_that_is_installed(repository):
    """Every distribution that edgevision and its extras need here is pinned, at the version that is here."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    text = (repository / "constraints.txt").read_text(encoding="utf-8")
    pins = dict(line.split("==") for line in text.splitlines() if "==" in line and not line.startswith("#"))
    extras = {"train", "compress", "openvino", "tflite-runtime", "onnx", "loadgen", "mqtt", "ssh", "report", "test"}
    needed, pending = set(), [("edgevision", extras)]
    while pending:
        name, extras = pending.pop()
        for requirement in map(Requirement, requires(name) or ()):
            wanted = any(requirement.marker is None or requirement.marker.evaluate({"extra": e}) for e in extras | {""})
            distribution = canonicalize_name(requirement.name)
            if wanted and (distribution not in needed or requirement.extras):
                try:
                    version(distribution)
                except PackageNotFoundError:
                    continue  # the part of an environment that was made without `make setup`
                needed.add(distribution)
                pending.append((distribution, requirement.extras))
    assert {"tensorflow", "openvino", "numpy", "setuptools", "wheel"} <= needed
    assert sorted(needed - set(pins) - {"edgevision"}) == []
