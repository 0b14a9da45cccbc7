"""What every test may use: the repository's place, and the shared data where this machine has it."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout that these tests belong to."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of complete data sets and reference models that EDGEVISION_DATA names; without it the test skips."""
    folder = os.environ.get("EDGEVISION_DATA")
    if not folder:
        pytest.skip("EDGEVISION_DATA is not set: no complete data sets here")
    if not Path(folder).is_dir():
        pytest.fail(f"EDGEVISION_DATA={folder} is not a folder")
    return Path(folder)
