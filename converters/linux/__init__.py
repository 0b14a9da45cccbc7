"""Camera firmware on Linux: an artifact as a C++ project with a small C interface."""

from __future__ import annotations

from edgevision.converters.linux.project import linux_project

__all__ = ["linux_project"]
