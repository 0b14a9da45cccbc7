"""Whose a folder of results is, and what becomes of it when a search is begun anew."""

from pathlib import Path

import numpy as np
import pytest

from edgevision.compress import search
from edgevision.compress.aiming import Fixed
from edgevision.compress.database import place_of
from edgevision.compress.identity import SEARCH_FILE, check_folder, claim_folder
from edgevision.compress.running import run_recipe
from edgevision.compress.study import Record, Study
from edgevision.converters.keras_import import load_source, save_keras_artifact
from edgevision.errors import ConfigError

IDENTITY = {"model": "a" * 64, "formats": ["tflite"], "seed": 0}


def records(url: str) -> tuple[Record, ...]:
    return Study.open(url, "compress", optuna_identity(url)).records()


def other_model(place, folder) -> Path:
    """The artifact of a model that answers otherwise, of the same layers."""
    source = load_source(place.model)
    kernel, bias = source.model.get_layer("scores").get_weights()
    source.model.get_layer("scores").set_weights([kernel[:, ::-1], bias])
    return save_keras_artifact(source, folder / "other").path


def test_a_folder_is_for_one_study_and_trained_models_for_one_model(place, plan, opened, tmp_path):
    out = tmp_path / "out"
    first, other = opened(plan(out)), str(other_model(place, tmp_path))
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    for change in ({}, {"study": "second"}, {"storage": elsewhere}):
        with pytest.raises(ConfigError, match=r"the search in .*out is of another model: .* name another folder, or"):
            opened(plan(out, model=other, **change))
    assert not (tmp_path / "elsewhere.db").exists()
    assert opened(plan(out)).models == first.models
    (out / "search.json").unlink()
    second = opened(plan(out, model=other, study="second"))
    recipe = first.space.draw(Fixed(first.space.aimed("tflite", "macs", 50, trained=False)), lambda *_: 100).recipe
    made = [run_recipe(bench.source, recipe, bench.train, kept=bench.models) for bench in (first, second)]
    (own,), (others,) = ((stages[1].model.model.get_weights()[-1],) for stages in made)
    assert not np.array_equal(own, others)


def test_a_folder_that_was_moved_with_its_database_is_still_its_own(plan, opened, tmp_path):
    opened(plan(tmp_path / "out"))
    (tmp_path / "out").rename(tmp_path / "moved")
    opened(plan(tmp_path / "moved"))


@pytest.mark.parametrize(
    ("storage", "study", "change", "message"),
    [
        (
            "{out}/study.db",
            "compress",
            {"model": "b" * 64},
            r"search in .*out is of another model: got b+…; allowed",
        ),
        (
            "{out}/study.db",
            "compress",
            {"seed": 1},
            "another seed: got 1; allowed: 0; name another folder, or",
        ),
        ("{out}/study.db", "second", {}, "another study: got second; allowed: compress"),
        ("{out}/../other.db", "compress", {}, r"another storage: got .*/other\.db; allowed: study\.db"),
    ],
)
def test_another_study_in_a_folder_is_refused(tmp_path, storage, study, change, message):
    out = tmp_path / "out"
    check_folder(out, f"sqlite:///{out}/study.db", "compress", IDENTITY)
    claim_folder(out, f"sqlite:///{out}/study.db", "compress", IDENTITY)
    claim_folder(out, f"sqlite:///{out}/study.db", "compress", IDENTITY)
    before = (out / SEARCH_FILE).read_bytes()
    with pytest.raises(ConfigError, match=message):
        claim_folder(out, f"sqlite:///{storage.format(out=out)}", study, {**IDENTITY, **change})
    assert (out / SEARCH_FILE).read_bytes() == before


def test_a_note_that_is_damaged_or_newer_is_refused(tmp_path):
    for text, message in (("{", r"search\.json cannot be read"), ('{"schema": 2}', "newer edgevision")):
        (tmp_path / SEARCH_FILE).write_text(text)
        with pytest.raises(ConfigError, match=message):
            check_folder(tmp_path, "sqlite:///study.db", "compress", IDENTITY)


def test_a_server_is_the_same_whoever_opens_it():
    urls = ("postgresql://me:secret@db/studies", "postgresql+psycopg2://you@db/studies?connect_timeout=3")
    assert {place_of(url) for url in urls} == {"postgresql://db/studies"}
    assert place_of("postgresql://db/other") != place_of(urls[0])


def test_beginning_anew_removes_the_study_from_its_database_and_nothing_before_that_is_possible(place, tmp_path):
    url, out = f"sqlite:///{tmp_path / 'shared.db'}", tmp_path / "out"
    options = {"to": ("tflite",), "epochs": 1, "min_duration_s": 0.01, "max_drop": 90.0, "storage": url, "trials": 1}
    search(place.model, place.data, out, **options)
    first = records(url)
    with pytest.raises(ConfigError, match="not the URL"):
        search(place.model, place.data, out, **{**options, "storage": "nonsense"}, overwrite=True)
    study = Study.open(url, "compress", optuna_identity(url))
    running = study.ask()
    with pytest.raises(ConfigError, match=rf"a process works on it: got trial {running.number}"):
        search(place.model, place.data, out, **options, overwrite=True)
    assert (out / "best" / "ledger.json").is_file()
    study.leave(running, blameless=True)
    search(place.model, place.data, out, **options, seed=3, overwrite=True)
    again = records(url)
    assert len(again) <= len(first) and optuna_identity(url)["seed"] == 3
    assert sum(record.finished for record in again) == 1 and (out / "best" / "ledger.json").is_file()


def optuna_identity(url: str) -> dict:
    import optuna

    return optuna.load_study(study_name="compress", storage=url).user_attrs["identity"]
