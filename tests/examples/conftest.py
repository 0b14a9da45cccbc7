"""Programs of examples/, run as a user runs them."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def example(repository, tmp_path):
    """Runs a program of examples/ in an empty folder, and gives what it printed."""

    def run(name, *arguments, timeout=280):
        command = [sys.executable, repository / "examples" / name, *map(str, arguments)]
        quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=timeout, env=quiet)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run
