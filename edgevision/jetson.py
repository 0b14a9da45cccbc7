"""What an NVIDIA Jetson says of itself in files: its L4T release (Jetson Linux), the JetPack of that, its module."""

from __future__ import annotations

import re
from pathlib import Path

RELEASE_FILE, MODEL_FILE = "etc/nv_tegra_release", "proc/device-tree/model"
JETPACK_OF_L4T = {32: "4", 34: "5", 35: "5", 36: "6", 38: "7"}
"""Major release of L4T -> major version of JetPack (NVIDIA's JetPack archive)."""
_RELEASE = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")


def parse_l4t(text: str) -> str | None:
    """Return the release that ``/etc/nv_tegra_release`` states, or None where it states none.

    >>> parse_l4t("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64")
    '36.4.3'
    """
    found = _RELEASE.search(text)
    return f"{found[1]}.{found[2]}" if found else None


def l4t_here(root: str | Path = "/") -> str | None:
    """Return the L4T release of the system under ``root``; None on what is no Jetson."""
    return parse_l4t(_text(Path(root) / RELEASE_FILE))


def module_here(root: str | Path = "/") -> str | None:
    """Return what the device tree calls the module or board; None where there is none."""
    return _text(Path(root) / MODEL_FILE).strip("\0\n ") or None


def jetpack_of(l4t: str | None) -> str | None:
    """Return the major version of JetPack that an L4T release belongs to; None where it is not known."""
    return None if l4t is None else JETPACK_OF_L4T.get(int(l4t.partition(".")[0]))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
