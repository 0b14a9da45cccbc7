"""Programs of examples/, run as a user runs them."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def example(repository, tmp_path):
    """Runs a program of examples/ in an empty folder, and gives what it printed."""

    def run(name, *arguments):
        done = subprocess.run(
            [sys.executable, repository / "examples" / name, *map(str, arguments)],
            cwd=tmp_path, capture_output=True, text=True, timeout=280, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run
