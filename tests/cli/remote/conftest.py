"""A device for tests: a real OpenSSH server on the loopback interface, with keys made for the test."""

import importlib.util
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgevision.devices.onboard import facts
from edgevision.devices.target import Target
from edgevision.devices.wheelhouse import Wheelhouse, build_wheelhouse
from edgevision.remote.session import target_of


def _loopback():
    """benchmarks/loopback.py, which is in no package."""
    path = Path(__file__).parents[3] / "benchmarks" / "loopback.py"
    spec = importlib.util.spec_from_file_location("loopback", path)
    module = sys.modules["loopback"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


loopback = _loopback()


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """until(condition, seconds, what) waits until something holds."""
    return loopback.until


@pytest.fixture(scope="session")
def make_device(tmp_path_factory) -> Iterator[Callable]:
    """make_device(more=…, environment=…) -> a server of its own, with more settings or variables."""
    if loopback.SERVER is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no OpenSSH server here: apt-get install openssh-server")
    devices = []

    def make(**settings: str):
        devices.append(loopback.start_device(tmp_path_factory.mktemp("device"), **settings))
        return devices[-1]

    yield make
    for device in devices:
        device.stop()


@pytest.fixture
def fresh(make_device):
    """A device that nothing was ever put on."""
    return make_device()


@pytest.fixture(scope="session")
def device(make_device):
    """A device that several tests use, one after another: edgevision is installed on it by the first."""
    return make_device()


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory) -> Wheelhouse:
    """Wheels for a device that is this machine, from the package index that pip is configured for."""
    folder = tmp_path_factory.mktemp("wheels")
    probe = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder / "probe"), "click")
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("the package index cannot be reached from here: pip downloads nothing")
    return build_wheelhouse(target_of(facts(), "here"), folder / "house")


@pytest.fixture(scope="session")
def other_wheelhouse(wheelhouse, tmp_path_factory) -> Path:
    """The same, said to be for another machine."""
    folder = tmp_path_factory.mktemp("wheels") / "other"
    shutil.copytree(wheelhouse.folder, folder)
    document = json.loads((folder / "wheelhouse.json").read_text())
    document["target"] = Target("aarch64", "3.12", "2.28").to_dict()
    (folder / "wheelhouse.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def proxy_to() -> Iterator[Callable]:
    """proxy_to(device) -> something in between that can cut the connection."""
    proxies = []

    def proxy(device):
        proxies.append(loopback.proxy_to(device))
        return proxies[-1]

    yield proxy
    for made in proxies:
        made.close()


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., subprocess.Popen]]:
    """start("benchmark", …) -> the command line as a process that runs."""
    running = []

    def start(*args: object) -> subprocess.Popen:
        command = [sys.executable, "-m", "edgevision", *map(str, args)]
        running.append(
            subprocess.Popen(
                command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell has it ignored
            )
        )  # fmt: skip
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="session")
def sealed(artifact, images, run, tmp_path_factory) -> Path:
    """The artifact, sealed here."""
    folder = tmp_path_factory.mktemp("sealed") / "colors"
    shutil.copytree(artifact.path, folder)
    done = run("verify", folder, "--seal", "--data", images)
    assert done.exit_code == 0, done.stderr
    return folder
