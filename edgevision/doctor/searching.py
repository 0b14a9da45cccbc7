"""Which specification a model answers best to: a race that drops who is clearly worse, field after field."""

from __future__ import annotations

from collections.abc import Iterable

from edgevision.doctor.space import FIELDS, Space, adapted, normalized, recolored, starts
from edgevision.doctor.trials import Trial, Trials
from edgevision.image_model import Progress
from edgevision.metrics.paired import LossDifference, mcnemar, paired_loss
from edgevision.preprocessing import Preprocessing

STEPS = (32, 128)
"""Images after which those that are clearly worse leave a race; the last one is what screening takes."""

_SWEEPS = 4
_ASIDE = 0.05
"""Chance at which a search goes on from another value than the usual one; what it ends with is up to the confidence."""


class Search:
    """Looks for the best specification by paired comparisons of the log loss on the same images.

    Attributes:
        trials: What was tried.
        space: What may be tried.
        confidence: Of every statement, over all `Space.size` specifications together.
        progress: Called with (images done, images in all) of each race; or None.
    """

    def __init__(self, trials: Trials, space: Space, confidence: float, progress: Progress | None = None) -> None:
        """Take the trials of one model, what to try, and how sure to be."""
        self.trials, self.space, self.confidence = trials, space, confidence
        self.progress = progress

    def compare(self, before: Trial, after: Trial, comparisons: int | None = None) -> LossDifference:
        """Compare the losses of two trials on the images that both had, corrected for what could be tried."""
        first, second = self.trials.answers[before], self.trials.answers[after]
        count = min(first.count, second.count)
        return paired_loss(
            first.loss(count),
            second.loss(count),
            comparisons=self.space.size if comparisons is None else comparisons,
            confidence=self.confidence,
        )

    def mcnemar(self, before: Trial, after: Trial) -> float:
        """Return the p value of McNemar's test of the classes, not corrected, on the images that both had."""
        first, second = self.trials.answers[before], self.trials.answers[after]
        count = min(first.count, second.count)
        return mcnemar(first.right[:count], second.right[:count])

    def worse(self, than: Trial, trial: Trial) -> bool:
        """Whether ``trial`` is worse by more than chance."""
        found = self.compare(than, trial)
        return found.mean > 0 and found.p < 1 - self.confidence

    def race(self, trials: Iterable[Trial], until: int) -> Trial:
        """Try all of ``trials`` on more and more images, leave out those that are clearly worse, return the best.

        Of equal ones the first is the best.
        """
        left = list(trials)
        for count in (*(step for step in STEPS if step < until), until):
            self.trials.run(left, count, self.progress)
            best = min(left, key=lambda trial: float(self.trials.answers[trial].loss(count).mean()))
            left = [trial for trial in left if trial == best or not self.worse(best, trial)]
        return best

    def run(self, height: int, width: int, declared: Preprocessing | None) -> Preprocessing:
        """Return the best specification on all images, searched on the first ones.

        Of what cannot be told apart, it is the declared one, or what fits the file, or the more usual one.
        """
        images = self.trials.images
        screened = min(images, STEPS[-1])
        begin = starts(self.space, height, width, declared)
        spec = self.race(map(Trial, begin), screened).spec
        spec = self._unless_worse(spec, recolored(spec, begin[0].color), screened)
        for count in (screened, images):
            for _ in range(_SWEEPS):
                before = spec
                for field in reversed(FIELDS):  # the geometry first: where it is wrong it blurs everything else
                    spec = self._step(spec, field, count)
                if spec == before:
                    break
        for hint in self.space.hints:
            spec = self._unless_worse(spec, normalized(spec, *hint), images, self.space.size)
        if declared is None:
            return spec
        for field in FIELDS:
            spec = self._unless_worse(spec, adapted(spec, field, declared), images, self.space.size)
        return self._unless_worse(spec, declared, images, self.space.size)

    def _step(self, spec: Preprocessing, field: str, count: int) -> Preprocessing:
        """The best value of one field, where it is better than that of ``spec`` by more than chance."""
        found = self.race(map(Trial, (spec, *self.space.rivals(spec, field))), count).spec
        return self._unless_worse(found, spec, count)

    def _unless_worse(
        self, found: Preprocessing, usual: Preprocessing, count: int, comparisons: int = 1
    ) -> Preprocessing:
        if found == usual:
            return found
        best, other = Trial(found), Trial(usual)
        self.trials.run((best, other), count, self.progress)
        difference = self.compare(best, other, comparisons)
        aside = _ASIDE if comparisons == 1 else 1 - self.confidence
        return found if difference.mean > 0 and difference.p < aside else usual
