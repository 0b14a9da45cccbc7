"""The wheel, built through the sdist and installed with nothing but its base dependencies, outside the checkout."""

import json
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
    assert needed | {"tests/conftest.py", "examples/predict.py", "benchmarks/proof.py"} <= names
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


@pytest.fixture(scope="module")
def artifact(elsewhere) -> Path:
    """The shipped model as an int8 TFLite artifact, sealed: made by the environment that these tests run in."""
    options = ("--scheme", "static_wi8_ai8", "--data", "sample", "--calibration-count", 50, "--out", "made")
    run(sys.executable, "-m", "edgevision", "quantize", "sample", *options, cwd=elsewhere)
    (made,) = (elsewhere / "made").iterdir()
    return made


@pytest.fixture(scope="module")
def edgevision(installed, elsewhere):
    """Runs the installed command, in a folder of its own; gives exit status, output and messages."""

    def edgevision(*args, status=0):
        done = run(installed.with_name("edgevision"), *args, cwd=elsewhere, check=False)
        assert done.returncode == status, (args, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        assert "Traceback" not in done.stderr
        return done

    return edgevision


def test_it_packs_the_wheel_that_it_was_installed_from(installed, elsewhere, distributions):
    """An installed edgevision can put itself on a device: it needs no checkout."""
    (elsewhere / "packed").mkdir()
    program = "import pathlib; from edgevision.devices.own_wheel import own_wheel; own_wheel(pathlib.Path('packed'))"
    run(installed, "-c", program, cwd=elsewhere)
    (packed,) = (elsewhere / "packed").iterdir()
    assert packed.name == distributions[1].name
    with zipfile.ZipFile(packed) as ours, zipfile.ZipFile(distributions[1]) as built:
        assert sorted(ours.namelist()) == sorted(built.namelist())
        made_anew = {name for name in ours.namelist() if name.endswith(("/WHEEL", "/RECORD"))}
        assert [name for name in ours.namelist() if ours.read(name) != built.read(name) and name not in made_anew] == []


def test_it_predicts_with_an_artifact_made_elsewhere(edgevision, artifact):
    document = json.loads(edgevision("predict", artifact, artifact / "golden", "--json").stdout)
    assert document["schema"] == 1
    assert len(document["images"]) == len(list((artifact / "golden").glob("*.png"))) > 0
    labels = json.loads((artifact / "manifest.json").read_text())["labels"]
    for entry in document["images"]:
        assert entry["classes"][0]["label"] in labels


def test_it_benchmarks_that_artifact(edgevision, artifact):
    quick = ("--warmup", 0, "--min-duration", 0.1, "--min-count", 20)
    (entry,) = json.loads(edgevision("benchmark", artifact, *quick, "--json").stdout)["entries"]
    assert entry["runtime"] == "tflite" and entry["facts"]["package"] == "ai-edge-litert"
    assert len(entry["latency"]["samples_ms"]) >= 20 and entry["peak_rss_bytes"] > 1_000_000


def test_it_keeps_what_was_sealed_and_is_as_accurate(repository, edgevision, artifact):
    assert json.loads(edgevision("verify", artifact, "--json").stdout)["holds"] is True
    document = json.loads(edgevision("evaluate", artifact, "--data", "sample", "--json").stdout)
    accuracy = document["classification"]["accuracy"]
    shipped = json.loads((repository / "edgevision/assets/resnet8/manifest.json").read_text())
    of_float_model = shipped["metrics"]["test"]["accuracy"]["value"]
    assert accuracy["count"] == 1000 and accuracy["value"] >= of_float_model - 0.05  # other images, and int8


@pytest.mark.parametrize(
    ("extra", "command"),
    [
        ("train", ("quantize", "sample", "--data", "sample", "--out", "q")),
        ("train", ("convert", "sample", "--out", "c")),
        ("train", ("prune", "sample", "--data", "sample", "--out", "p")),
        ("train", ("evaluate", "sample", "--data", "sample")),
        ("train", ("train", "--data", "sample", "--out", "t")),
        ("compress,report", ("demo", "--out", "d")),
    ],
)
def test_a_command_that_needs_an_extra_says_how_to_get_it(edgevision, elsewhere, extra, command):
    done = edgevision(*command, status=1)
    assert f'pip install "edgevision[{extra}]"' in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3
    assert not (elsewhere / command[-1]).exists()
