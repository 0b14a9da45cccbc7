"""Which libedgetpu works with which TFLite: its delegate passes structures whose size differs between releases.

A wrong pair crashes the process ("Segmentation fault"), so versions are compared before a delegate is made. What is
known, and from where:

- libedgetpu 13 and 14 are built from TensorFlow d855adf, whose wheel is tflite-runtime 2.1.0.post1; changes after it
  break them (google-coral/edgetpu issue 71).
- libedgetpu 15 and 16 are built from TensorFlow 2.5 (google-coral/edgetpu issues 259 and 731); tflite-runtime works
  with them up to 2.11, 2.12 and later crash (issue 812).
- Builds of others say what they are built from in their version, "16.0tf2.17.0-1": by their notes they work with
  tflite-runtime 2.11.1 to their own version, that for 2.13 up to 2.15 (feranick/libedgetpu, releases to 2.17).
"""

from __future__ import annotations

import re

LIBRARY = "libedgetpu.so.1"
PACKAGES = ("libedgetpu1-std", "libedgetpu1-max")
INSTALL = "sudo apt install libedgetpu1-std"
TFLITE = "tflite-runtime"
Version = tuple[int, int]
_OFFICIAL: dict[int, tuple[Version, Version]] = {
    13: ((2, 1), (2, 1)), 14: ((2, 1), (2, 1)), 15: ((2, 5), (2, 11)), 16: ((2, 5), (2, 11)),
}  # fmt: skip
_REBUILT, _REBUILT_LEAST, _DOCUMENTED = re.compile(r"tf(\d+)\.(\d+)", re.IGNORECASE), (2, 15), (2, 17)
_RUNTIME = re.compile(r"RuntimeVersion\((\d+)\)")


def runtime_version(text: str) -> int | None:
    """Return the number in what ``edgetpu_version()`` answers, which compiled models name; None without one.

    >>> runtime_version("BuildLabel(COMPILER=6.3.0 20170516,DATE=redacted,TIME=redacted), RuntimeVersion(14)")
    14
    """
    found = _RUNTIME.search(text)
    return None if found is None else int(found[1])


def accepted(package: str) -> tuple[Version, Version] | None:
    """Return the oldest and the newest tflite-runtime that a libedgetpu works with, by its package's version.

    None where that is not known.

    >>> accepted("16.0"), accepted("16.0tf2.16.1-1.bookworm"), accepted("17.0")
    (((2, 5), (2, 11)), ((2, 11), (2, 16)), None)
    """
    rebuilt = _REBUILT.search(package)
    if rebuilt is not None:
        built = (int(rebuilt[1]), int(rebuilt[2]))
        # Of newer builds nobody says what else they work with than what they are built from.
        return ((2, 11), max(built, _REBUILT_LEAST)) if (2, 13) <= built <= _DOCUMENTED else (built, built)
    major = re.match(r"\d+", package)
    return None if major is None else _OFFICIAL.get(int(major[0]))


def mismatch(package: str, tflite: str) -> str | None:
    """Return why a libedgetpu crashes with a tflite-runtime, by their versions; None where it works or is not known.

    >>> mismatch("16.0", "2.14.0")
    'libedgetpu 16.0 works with tflite-runtime 2.5 to 2.11, here is 2.14.0'
    """
    known, numbers = accepted(package), re.match(r"(\d+)\.(\d+)", tflite)
    if known is None or numbers is None or known[0] <= (int(numbers[1]), int(numbers[2])) <= known[1]:
        return None
    least, most = (".".join(map(str, version)) for version in known)
    works = least if least == most else f"{least} to {most}"
    return f"libedgetpu {package} works with {TFLITE} {works}, here is {tflite}"


def remedy(tflite: str) -> str:
    """Return what to install instead, in words."""
    return (
        f"install a libedgetpu that is built for TensorFlow {'.'.join(tflite.split('.')[:2])} (its version says "
        "tf…), or the tflite-runtime that this one works with"
    )
