"""Many inferences at once: which way of running them side by side is the fastest here is found by measuring.

A runtime offers several ways, such as two interpreters of one thread or one of two. The first call of `infer_many`
tries all of them on what it was given, keeps the fastest whose answers are those of `infer`, bit for bit, and lets go
of the others.
"""

from __future__ import annotations

import itertools
import statistics
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from edgevision.errors import EdgeVisionError, InferenceError, reason_of
from edgevision.runtimes.base import CompiledModel
from edgevision.tensors import Array, TensorSpec

TRIAL_S = 0.04
ROUNDS = 3
MOST, FEWEST = 32, 8
"""Inferences of one trial: as many as fit into a few `TRIAL_S`, within these bounds."""

Answers = list[tuple[Array, ...]]


@runtime_checkable
class Throughput(Protocol):
    """A loaded model that runs many inferences faster than one after another."""

    inputs: tuple[TensorSpec, ...]
    facts: Mapping[str, Any]

    def infer_many(self, many: Sequence[Sequence[Array]]) -> Answers:
        """Run the model once for each element of ``many``; see `ManyAtOnce.infer_many`."""
        ...


class Way(Protocol):
    """One way of running many inferences."""

    name: str

    def run(self, many: Sequence[Sequence[Array]]) -> Answers:
        """Run checked inputs; return the answers in their order, in arrays that nothing else holds."""
        ...

    def close(self) -> None:
        """Let go of the vendor's objects."""
        ...


class ManyAtOnce(CompiledModel):
    """A model whose runtime has several ways of running many inferences."""

    _way: Way | None = None

    def infer_many(self, many: Sequence[Sequence[Array]]) -> Answers:
        """Run the model once for each element, several at a time where that is faster.

        The first call with any elements also finds out how, which takes part of a second, or some dozens of
        inferences of a slow model; ``facts["concurrency"]`` says then what was found. No more threads compute than
        ``facts["threads"]``.

        Args:
            many: Lists of arrays as `infer` takes them.

        Returns:
            For each of them what `infer` would return, in their order.

        Raises:
            InputError: Wrong number, dtype or shape in one of them; none was run then.
            InferenceError: The model is closed, or the runtime failed.
        """
        with self._lock:
            if self._closed:
                raise InferenceError("the model is closed", next_step="load it again")
            for inputs in many:
                self._check(inputs)
            if not many:
                return []
            try:
                if self._way is None:
                    self._way = self._fastest(many)
                    self.facts = MappingProxyType({**self.facts, "concurrency": self._way.name})
                return self._way.run(many)
            except EdgeVisionError:
                raise
            except Exception as exc:
                raise InferenceError(f"{self.facts.get('package', 'the runtime')} failed: {reason_of(exc)}") from exc

    @abstractmethod
    def _ways(self) -> Iterator[Callable[[], Way]]:
        """Yield what makes each way that is worth a trial."""

    def _fastest(self, many: Sequence[Sequence[Array]]) -> Way:
        start = time.perf_counter()
        self._run(many[0])
        count = max(FEWEST, min(MOST, int(4 * TRIAL_S / (time.perf_counter() - start + 1e-9))))
        tried = list(itertools.islice(itertools.cycle(many[:count]), count))
        expected = [self._run(inputs) for inputs in tried]
        ways: list[Way] = [OneByOne(self._run)]
        best: Way | None = None
        try:
            ways.extend(make() for make in self._ways())
            right = [way for way in ways if _equal(way.run(tried), expected)]
            taken: list[list[float]] = [[] for _ in right]
            for _ in range(ROUNDS):
                for way, times in zip(right, taken, strict=True):
                    times.append(_seconds_each(way, tried))
            best = right[min(range(len(right)), key=lambda place: statistics.median(taken[place]))]
            return best
        finally:
            for way in ways:
                if way is not best:
                    way.close()

    def _release(self) -> None:
        if self._way is not None:
            self._way.close()


class OneByOne:
    """One inference after another: what there is always."""

    name = "one at a time"

    def __init__(self, infer: Callable[[Sequence[Array]], tuple[Array, ...]]) -> None:
        """Run each inference with ``infer``."""
        self._infer = infer

    def run(self, many: Sequence[Sequence[Array]]) -> Answers:
        """Run them."""
        return [self._infer(inputs) for inputs in many]

    def close(self) -> None:
        """Nothing to let go of: the model is its own."""


class Pool:
    """Models of one kind, each on a thread of its own, which take the next inference when they are done with one."""

    def __init__(self, name: str, models: Sequence[CompiledModel]) -> None:
        """Take over models, which are closed with the pool."""
        self.name = name
        self._models = models
        self._threads = ThreadPoolExecutor(len(models))

    def run(self, many: Sequence[Sequence[Array]]) -> Answers:
        """Run them."""
        answers: list[Any] = [None] * len(many)
        places = iter(range(len(many)))  # shared: what one thread takes, no other gets

        def work(model: CompiledModel) -> None:
            for place in places:
                answers[place] = model._run(many[place])

        tasks = [self._threads.submit(work, model) for model in self._models]
        wait(tasks)
        for task in tasks:
            task.result()
        return answers

    def close(self) -> None:
        """Close every model, once its thread has ended."""
        self._threads.shutdown()
        for model in self._models:
            model.close()


def _equal(answers: Answers, expected: Answers) -> bool:
    pairs = ((a, b) for one, other in zip(answers, expected, strict=True) for a, b in zip(one, other, strict=True))
    return all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


def _seconds_each(way: Way, many: Sequence[Sequence[Array]]) -> float:
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < TRIAL_S or not count:
        way.run(many)
        count += len(many)
    return passed / count
