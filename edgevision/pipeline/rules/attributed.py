"""A rule for tracks of which a second stage says something certain."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from edgevision.errors import ConfigError
from edgevision.pipeline.rules.change import Change, Rule, Scene


class Attributed:
    """A rule that sees those tracks alone whose attribute is one of some labels.

    A track is nobody for the rule until it was looked at: a dwell begins when the label is known, and who crosses a
    line before that did not cross it.

    Args:
        rule: Any rule.
        stage: Name of the second stage.
        labels: What the attribute has to be, one of them.
        min_score: How sure that has to be.

    Raises:
        ConfigError: No label.
    """

    def __init__(self, rule: Rule, stage: str, labels: Collection[str], min_score: float = 0.0) -> None:
        if not labels:
            raise ConfigError(f"{rule.name}: attribute: no labels", next_step="name some, or take the attribute out")
        self._rule, self._stage, self._labels, self._min_score = rule, stage, frozenset(labels), min_score

    @property
    def name(self) -> str:
        """The rule's name."""
        return self._rule.name

    def update(self, scene: Scene) -> list[Change]:
        """Let the rule see the tracks that fit."""
        fits = np.array([self._fits(scene, track) for track in scene.tracks.ids.tolist()], bool)
        return self._rule.update(Scene(scene.tracks.select(fits), scene.wall_s, scene.attributes))

    def overdue(self, time_s: float) -> list[Change]:
        """End what the rule would end."""
        return self._rule.overdue(time_s)

    def close(self, time_s: float) -> list[Change]:
        """End what is open."""
        return self._rule.close(time_s)

    def _fits(self, scene: Scene, track: int) -> bool:
        found = scene.attributes.get(track, {}).get(self._stage)
        return found is not None and found.label in self._labels and found.score >= self._min_score
