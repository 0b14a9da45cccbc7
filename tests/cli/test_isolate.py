"""--isolate: a model is tried in a process of its own first, and what is not ours always is."""

import shutil

import pytest

DIED = "process died while it loaded the model"


@pytest.fixture
def bare(artifact, tmp_path):
    return shutil.copy(artifact.model_file, tmp_path / "found.tflite")


@pytest.fixture
def fatal(monkeypatch):
    """Every new process dies at once, as a vendor's library can make it."""
    monkeypatch.setattr("sys.executable", "/bin/false")


def test_a_file_without_a_manifest_is_tried_first(run, bare, fatal):
    result = run("compare", bare, bare, "--budget", 0.1)
    assert result.exit_code == 1 and DIED in result.stderr
    assert run("verify", bare, "--no-isolate").exit_code == 3, "unproven, but it is not tried"


def test_an_artifact_is_tried_on_request(run, artifact, images, fatal):
    command = ("predict", artifact.path, images / "green/00.png")
    assert run(*command).exit_code == 0
    result = run(*command, "--isolate")
    assert result.exit_code == 1 and DIED in result.stderr


def test_what_works_in_its_own_process_is_run(run, artifact, images):
    result = run("evaluate", artifact.path, "--data", images, "--isolate")
    assert result.exit_code == 0, result.stderr


def test_a_file_that_is_adopted_is_tried_first(run, bare, fatal, tmp_path):
    result = run("adopt", bare, "--out", tmp_path / "mine")
    assert result.exit_code == 1 and DIED in result.stderr
    assert not (tmp_path / "mine").exists()
