"""What repairs an integer model, as evidence and as a recipe."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgevision.compress.recipe import CompressionRecipe
from edgevision.files import atomic_file
from edgevision.metrics.paired import Effect

KEEP = {"float": "in float", "int16": "with 16-bit activations"}
"""What spared layers may compute in, and how that is said."""


@dataclass(frozen=True)
class Proof:
    """A real artifact against the float model, on the images of the report.

    Attributes:
        layers: Layers that it spares.
        effect: On the answers; the simulated one where no runtime here takes the file.
        bytes: Of its files.
        recovered: Share of the integer model's loss that came back; None for that model itself.
        refused: Why the runtime refuses the file; None where it runs.
    """

    layers: tuple[str, ...]
    effect: Effect
    bytes: int
    recovered: float | None = None
    refused: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True)
class Repair:
    """What repairs an integer model.

    Attributes:
        model: The model's name.
        settings: Format, scheme, granularity and seed, as the report has them.
        calibration_count: Images that the proof was calibrated with.
        keep: ``float`` or ``int16``: what the spared layers compute in.
        measure: ``accuracy`` or ``agreement``: which loss it is about; None where there is nothing to repair.
        before: The integer model as it is.
        after: The model with layers in float; None where there is nothing to repair.
        simulated: Share of the loss that came back in simulation; None likewise.
    """

    model: str
    settings: dict[str, Any]
    calibration_count: int
    keep: str
    measure: str | None
    before: Proof
    after: Proof | None = None
    simulated: float | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers that are spared; none where that repairs nothing."""
        return self.after.layers if self.after and (self.after.recovered or 0.0) > 0 else ()

    @property
    def verdict(self) -> str:
        """What came of it, as a sentence."""
        count, kind = self.before.effect.accuracy.count, KEEP[self.keep]
        if self.measure is None:
            return f"nothing to repair, as far as {count} images tell"
        refused = f"; the integer model does not run here: {self.before.refused}" if self.before.refused else ""
        if self.after is None or not self.layers:
            return f"the loss of {self.measure} does not come back with some layers {kind}{refused}"
        share = f"{self.after.recovered or 0.0:.0%} of the loss of {self.measure}"
        return f"{share} comes back with {len(self.layers)} layers {kind}: {', '.join(self.layers)}{refused}"

    def recipe(self) -> CompressionRecipe:
        """Return the compression recipe that does it: on the calibration data of the proof it makes the file again."""
        step = {name: self.settings[name] for name in ("scheme", "granularity", "seed")}
        step["calibration_count"] = self.calibration_count
        kept = {f"{self.keep}_layers": list(self.layers)} if self.layers else {}
        steps = [{"method": "quantize", **step, **kept}]
        return CompressionRecipe.from_dict({"schema": 1, "name": f"{self.model} repaired", "steps": steps})

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "recipe": self.recipe().to_dict()}


def write_recipe(repaired: Repair, path: str | Path, *, overwrite: bool = False) -> None:
    """Write the recipe as TOML; raises ConfigError where the place is taken, OutputError where it cannot be written."""
    text = repaired.recipe().to_toml()
    with atomic_file(path, overwrite) as file:
        file.write_text(text, encoding="utf-8")
