"""MODEL, as users type it: an artifact directory, the manifest in it, or a bare model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgevision.artifact import Artifact


def open_model(path: Path) -> Artifact:
    """Open an artifact and check its hashes, or describe a bare model file; raises ArtifactError."""
    from edgevision.artifact import Artifact
    from edgevision.manifest import MANIFEST

    if path.is_file() and path.name != MANIFEST:
        return Artifact.describe(path)
    return Artifact.open(path)
