"""Several requests of OpenVINO under way at once: the ways that `infer_many` chooses from.

Requests whose tensors are bound once, and that take turns in a ring, ran an int8 ResNet-8 1.4 times as often as
OpenVINO's AsyncInferQueue with the same streams, whose callbacks cost more than such a model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from edgevision.runtimes.openvino_c import Compiled, Request
from edgevision.runtimes.throughput import Answers, Way
from edgevision.tensors import Array


class Bound(Protocol):
    """A request with its tensors: `edgevision.runtimes.openvino.OpenVINOModel`."""

    request: Request

    def put(self, inputs: Sequence[Array]) -> None:
        """Copy inputs to where the request reads them."""
        ...

    def take(self) -> tuple[Array, ...]:
        """Copy what it has written."""
        ...

    def close(self) -> None:
        """Let go of the request."""
        ...


class Ring:
    """Requests that take turns: the oldest is waited for, its answer taken, and it gets the next inputs."""

    def __init__(self, name: str, requests: Sequence[Bound]) -> None:
        """Take over requests, which are closed with the ring."""
        self.name = name
        self._requests = requests

    def run(self, many: Sequence[Sequence[Array]]) -> Answers:
        """Run them."""
        answers: Answers = []
        size = len(self._requests)
        try:
            for place, inputs in enumerate(many):
                bound = self._requests[place % size]
                if place >= size:
                    bound.request.wait()
                    answers.append(bound.take())
                bound.put(inputs)
                bound.request.start_async()
            while len(answers) < len(many):
                bound = self._requests[len(answers) % size]
                bound.request.wait()
                answers.append(bound.take())
        except BaseException:
            for bound in self._requests:  # none may be under way when the next call writes into its tensors
                with suppress(Exception):
                    bound.request.wait()
            raise
        return answers

    def close(self) -> None:
        """Let go of the requests."""
        for bound in self._requests:
            bound.close()


def ring_ways(
    compiled_for: Callable[[Mapping[str, Any]], Compiled], bound: Callable[[Compiled], Bound], compiled: Compiled
) -> Iterator[Callable[[], Way]]:
    """Yield rings of the model as it is, and of one that OpenVINO compiled for throughput.

    Args:
        compiled_for: Compiles the model with these settings changed.
        bound: Makes a request of a compiled model.
        compiled: The model as it was loaded, with one stream.
    """

    def ring(made: Compiled, count: int, how: str) -> Ring:
        return Ring(f"{count} requests, {how}", [bound(made) for _ in range(count)])

    yield functools.partial(ring, compiled, 2, "one stream")
    streams = compiled_for({"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": "AUTO"})
    best = max(1, int(streams.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")))
    for count in (best, 2 * best):
        yield functools.partial(ring, streams, count, "OpenVINO's streams for throughput")
