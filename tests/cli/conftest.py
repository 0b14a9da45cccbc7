"""Running the command line: in this process where that is enough, and as a real process where it is not."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgevision.cli import main


@pytest.fixture
def run() -> Callable[..., Result]:
    """Runs a command line in this process: run("predict", path) gives exit_code, stdout, stderr."""

    def run(*args: object, application=main, **settings) -> Result:
        return CliRunner().invoke(application, [str(arg) for arg in args], **settings)

    return run


@dataclass(frozen=True)
class Process:
    """What a finished process left.

    Attributes:
        exit_code: its status.
        stdout: its output.
        stderr: everything else it said.
    """

    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Process]:
    """Runs a command line as a process of its own, in a temporary folder, without the variables that quiet vendors."""

    def process(*args: object, code: str | None = None, **settings) -> Process:
        start = ["-c", code] if code else ["-m", "edgevision"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "GLOG_"))}
        done = subprocess.run(
            [sys.executable, *start, *map(str, args)],
            capture_output=True, text=True, timeout=250, cwd=tmp_path, env=environment, **settings,
        )  # fmt: skip
        return Process(done.returncode, done.stdout, done.stderr)

    return process
