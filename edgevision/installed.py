"""What is installed on a Linux system, as its files say it: packages of Debian, shared libraries."""

from __future__ import annotations

from pathlib import Path

DPKG = "var/lib/dpkg"
_PLACES = ("usr/lib", "usr/lib/*-linux-gnu*", "usr/lib64", "usr/local/lib", "lib/*-linux-gnu*")


def packages_of(status: str) -> dict[str, str]:
    """Return package -> version of what is installed, from the text of dpkg's ``status``.

    >>> packages_of("Package: libc6\\nStatus: install ok installed\\nVersion: 2.36-9\\n")
    {'libc6': '2.36-9'}
    """
    found: dict[str, str] = {}
    for block in status.split("\n\n"):
        rows = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != " ")
        if rows.get("Status", "").endswith(" installed"):
            found[rows.get("Package", "")] = rows.get("Version", "").strip()
    return found


def owner_of(file: str | Path, *packages: str, root: str | Path = "/") -> str | None:
    """Return the version of the one of some packages that brought a file; None where none of them did."""
    folder, wanted = Path(root) / DPKG, Path(file).resolve()
    for name in packages:
        for listing in sorted(folder.glob(f"info/{name}.list")) + sorted(folder.glob(f"info/{name}:*.list")):
            lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()
            if any(Path(line).name == wanted.name and Path(line).resolve() == wanted for line in lines):
                status = (folder / "status").read_text(encoding="utf-8", errors="replace")
                return packages_of(status).get(name)
    return None


def library_file(name: str, root: str | Path = "/") -> Path | None:
    """Return where a shared library lies ("libedgetpu.so.1"), or None; ``name`` may have wildcards."""
    found = [path for place in _PLACES for path in sorted(Path(root).glob(f"{place}/{name}"))]
    return found[0] if found else None
