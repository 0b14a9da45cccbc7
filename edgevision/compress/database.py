"""The database of a study: its name for people, and its errors as ours."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgevision.errors import BackendUnavailableError, ConfigError, reason_of
from edgevision.optional import require

SQLITE = "sqlite:///"


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite database; None for one with a server, or in memory."""
    name = url.removeprefix(SQLITE)
    return Path(name) if url.startswith(SQLITE) and name and name != ":memory:" else None


def without_password(url: str) -> str:
    """Return a database's URL as it may be shown; raises ConfigError for what is none."""
    return str(_parsed(url).render_as_string(hide_password=True))


def place_of(url: str) -> str:
    """Return which database a URL means, whoever opens it, and with which driver: its file, or server and name."""
    file = sqlite_file(url)
    if file is not None:
        return str(file.resolve())
    parsed = _parsed(url)
    host = f"{parsed.host or ''}{f':{parsed.port}' if parsed.port else ''}"
    return f"{parsed.get_backend_name()}://{host}/{parsed.database or ''}"


@contextlib.contextmanager
def storage_errors(place: str) -> Iterator[None]:
    """Turn what the database and Optuna raise about it into errors of ours; Optuna's warnings are not for users."""
    exceptions = require("sqlalchemy").exc
    optuna = require("optuna").exceptions
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except exceptions.NoSuchModuleError as exc:
        raise ConfigError(f"study in {place}: no such kind of database", got=reason_of(exc)) from exc
    except ImportError as exc:
        raise BackendUnavailableError(
            f"study in {place}: its driver is not installed: {reason_of(exc)}",
            next_step='install it: pip install "edgevision[distributed]"',
        ) from exc
    except (exceptions.SQLAlchemyError, optuna.StorageInternalError, optuna.OptunaError, RuntimeError) as exc:
        raise ConfigError(
            f"study in {place}: the database cannot be used",
            got=reason_of(exc),
            next_step="check the place, or name another one",
        ) from exc


def _parsed(url: str) -> Any:
    require("optuna")
    engine = require("sqlalchemy.engine")
    try:
        return engine.make_url(url)
    except require("sqlalchemy").exc.ArgumentError as exc:
        raise ConfigError("storage: not the URL of a database", allowed="such as sqlite:///study.db") from exc
