"""The wheel, built through the sdist and installed with nothing but its base dependencies, outside the checkout."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(900)]

BASE_PINS = Path(__file__).with_name("base-constraints.txt")
MAX_SITE_PACKAGES_BYTES = 150_000_000
NOT_COUNTED = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")


def run(*command, cwd, check=True):
    """Run a command to its end; a failure shows what it printed."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    if check and done.returncode:
        pytest.fail(f"{command}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """A folder from which no file of the checkout can be imported by accident."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def distributions(repository, elsewhere) -> tuple[Path, Path]:
    """(sdist, wheel): the wheel is built from the unpacked sdist, so that a stale build/ has no say."""
    out = elsewhere / "dist"
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, repository, cwd=elsewhere)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def installed(repository, elsewhere, distributions) -> Path:
    """The Python of a fresh environment that holds the wheel and its base dependencies."""
    run("bash", repository / "scripts/venv.sh", elsewhere / "venv", cwd=elsewhere)
    python = elsewhere / "venv/bin/python"
    pins = ("--constraint", BASE_PINS) if sys.version_info[:2] == (3, 11) else ()  # elsewhere pip chooses
    run(python, "-m", "pip", "--disable-pip-version-check", "install", "-q", *pins, distributions[1], cwd=elsewhere)
    return python


def test_the_wheel_holds_every_module_and_data_file(repository, sources, distributions):
    names = set(zipfile.ZipFile(distributions[1]).namelist())
    expected = {
        s.module.replace(".", "/") + ("/__init__.py" if s.path.name == "__init__.py" else ".py") for s in sources
    }
    assets = repository / "edgevision/assets"
    expected |= {p.relative_to(repository).as_posix() for p in assets.rglob("*") if p.is_file()}
    expected |= {"edgevision/py.typed"}
    assert expected - names == set()
    assert {n.split("/")[0] for n in names} == {"edgevision", f"{distributions[1].name.split('-py3')[0]}.dist-info"}


def test_the_sdist_holds_what_a_packager_needs(distributions):
    with tarfile.open(distributions[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"LICENSE", "README.md", "CHANGELOG.md", "constraints.txt", "Makefile", "scripts/setup.sh"}
    assert needed | {"tests/conftest.py", "tests/packaging/test_wheel.py"} <= names
    assert [name for name in names if name.endswith((".pyc", ".so"))] == []


def test_the_base_install_is_light(installed, record_property):
    """The weight that a board pays: everything in site-packages but pip, setuptools and bytecode."""
    (site,) = (installed.parent.parent / "lib").glob("python3*/site-packages")
    total = sum(
        path.stat().st_size
        for path in site.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not path.relative_to(site).parts[0].startswith(NOT_COUNTED)
    )
    record_property("site_packages_bytes", total)
    assert total < MAX_SITE_PACKAGES_BYTES, f"{total / 1e6:.1f} MB"


def test_every_module_imports_without_extras(sources, installed, elsewhere):
    modules = [s.module for s in sources if not s.module.endswith("__main__")]
    program = f"import importlib\nfor m in {modules}: print(importlib.import_module(m).__file__)"
    files = run(installed, "-W", "error", "-c", program, cwd=elsewhere).stdout.split()
    assert len(files) == len(modules)
    assert all("site-packages" in name for name in files)
