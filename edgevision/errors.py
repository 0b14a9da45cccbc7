"""Every error that edgevision raises on purpose, under one root.

    EdgeVisionError
    ├── ConfigError               an option, recipe or specification that makes no sense       (exit status 2)
    ├── InputError                an image or tensor of the wrong kind, shape or dtype
    │   └── DatasetError          a data set that is missing, empty or damaged
    ├── OutputError               a result that could not be written: no space, no permission
    ├── ArtifactError             not a model of ours, damaged, or of a newer schema
    ├── IncompatibleModelError    a sound model that a runtime or device refuses
    ├── ConversionError           a converter gave up, or made something other than asked
    │   └── UntranslatableError   a layer that the framework of the methods here does not have
    ├── CalibrationError          no calibration data, or useless data
    ├── BackendUnavailableError   a package is not installed, or does not load
    ├── DeviceNotFoundError       no such hardware here
    ├── RemoteError               another machine could not be reached, or a step there failed
    ├── SourceError               a camera, stream or file of frames that does not open, or failed
    └── InferenceError            a runtime failed on a model that it had loaded
        └── WorkerDiedError       the process that ran it died, or hung and was ended

A message says what is wrong, what was got, what is allowed, and what to do next; it fits on a line or two, and the
command line prints it as it is. Errors of other people's libraries are chained with ``raise … from``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class EdgeVisionError(Exception):
    """Root of edgevision's errors.

    Attributes:
        what: What went wrong, as one clause.
        got: The offending value, or None.
        allowed: What would have been accepted, in order; empty when there is no such list.
        next_step: What the reader can do about it, or None.
        exit_code: Exit status of a command that ends with this error.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        got: object = None,
        allowed: Iterable[object] | str | None = None,
        next_step: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.got = got
        self.allowed = (allowed,) if isinstance(allowed, str) else tuple(str(item) for item in allowed or ())
        self.next_step = next_step

    def __str__(self) -> str:
        parts = [self.what if self.got is None else f"{self.what}: got {self.got}"]
        if self.allowed:
            parts.append("allowed: " + ", ".join(self.allowed) + self._suggestion())
        if self.next_step:
            parts.append(self.next_step)
        return "; ".join(parts)

    def _suggestion(self) -> str:
        if not isinstance(self.got, str) or len(self.allowed) < 2:
            return ""
        from difflib import get_close_matches

        nearest = get_close_matches(self.got.lower(), self.allowed, n=1)
        return f" (did you mean {nearest[0]}?)" if nearest else ""


class ConfigError(EdgeVisionError):
    """An option, recipe or specification that makes no sense."""

    exit_code = 2


class InputError(EdgeVisionError):
    """An image or tensor of the wrong kind, shape or dtype."""


class DatasetError(InputError):
    """A data set that is missing, empty or damaged."""


class OutputError(EdgeVisionError):
    """A result that could not be written: no space, no permission, something in the way."""


class ArtifactError(EdgeVisionError):
    """A file or directory that is not a model of ours, is damaged, or has a newer schema."""


class IncompatibleModelError(EdgeVisionError):
    """A sound model that a runtime or a device refuses."""


class ConversionError(EdgeVisionError):
    """A converter gave up, or made something other than what was asked for."""


class UntranslatableError(ConversionError):
    """A layer of a model from elsewhere that the framework of the methods here does not have."""


class CalibrationError(EdgeVisionError):
    """No calibration data, or data that cannot calibrate anything."""


class BackendUnavailableError(EdgeVisionError):
    """A package that this step needs is not installed, or does not load."""


class DeviceNotFoundError(EdgeVisionError):
    """The hardware that was asked for is not here."""


class RemoteError(EdgeVisionError):
    """Another machine could not be reached, or refused us, or a step failed there.

    Attributes:
        exit_code: That of the command that failed there.
    """

    def __init__(self, what: str, *, exit_code: int = 1, **details: Any) -> None:
        super().__init__(what, **details)
        self.exit_code = exit_code


class SourceError(EdgeVisionError):
    """A camera, stream or file of frames that does not open, or failed."""


class InferenceError(EdgeVisionError):
    """A runtime failed on a model that it had loaded."""


class WorkerDiedError(InferenceError):
    """The process that ran a model died, or did not answer and was ended."""


def reason_of(error: BaseException) -> str:
    """Return what an exception of someone else says, as one line of at most 200 characters.

    >>> reason_of(RuntimeError("Exception from src/core.cpp:42:\\n\\nno such operator"))
    'no such operator'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return (lines[-1] if lines[0].startswith("Exception from") else lines[0])[:200]


def check_choice(what: str, got: object, allowed: Iterable[object]) -> None:
    """Raise ConfigError, naming the nearest match, unless ``got`` is among ``allowed``.

    >>> check_choice("resize", "strech", ["stretch", "letterbox"])
    Traceback (most recent call last):
        ...
    edgevision.errors.ConfigError: resize: got strech; allowed: stretch, letterbox (did you mean stretch?)
    """
    choices = tuple(allowed)
    if got not in choices:
        shown = repr(got) if got is None or got == "" else got
        raise ConfigError(what, got=shown, allowed=choices or "nothing, for there is none")
