"""Machines described by the files that Linux would show."""

import pytest


@pytest.fixture
def machine(tmp_path):
    """machine({path: text}) -> the root of a described machine."""

    def make(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make
