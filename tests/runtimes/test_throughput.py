"""How the way of many inferences is chosen: the fastest that answers right, and nothing is left of the others."""

import time

import numpy as np
import pytest

from edgevision.errors import InferenceError
from edgevision.runtimes.throughput import ManyAtOnce, Pool
from edgevision.tensors import TensorSpec

X = TensorSpec("x", (2,), "float32")


class Slow(ManyAtOnce):
    """Doubles its input in 2 ms; ``ways`` are (name, seconds for each inference, what is added to the answer)."""

    def __init__(self, *ways):
        super().__init__([X], [X], {"package": "slow"})
        self.kinds, self.made, self.closed = ways, [], []

    def _run(self, inputs):
        time.sleep(0.002)
        return (inputs[0] * 2,)

    def _ways(self):
        for name, seconds, wrong in self.kinds:
            yield lambda name=name, seconds=seconds, wrong=wrong: self._made(name, seconds, wrong)

    def _made(self, name, seconds, wrong):
        if seconds is None:
            raise RuntimeError("out of memory")
        outer = self

        class Way:
            def __init__(self):
                self.name = name

            def run(self, many):
                time.sleep(seconds * len(many))
                return [(inputs[0] * 2 + wrong,) for inputs in many]

            def close(self):
                outer.closed.append(name)

        self.made.append(name)
        return Way()


MANY = [[np.full(2, value, np.float32)] for value in range(5)]


def test_the_fastest_is_kept_and_the_others_are_closed():
    with Slow(("fast", 0.0005, 0), ("slower", 0.004, 0)) as model:
        assert [answer[0][0] for answer in model.infer_many(MANY)] == [0, 2, 4, 6, 8]
        assert (model.facts["concurrency"], model.closed) == ("fast", ["slower"])
        model.infer_many(MANY)
        assert model.made == ["fast", "slower"]
    assert model.closed == ["slower", "fast"]


def test_one_at_a_time_stays_where_nothing_is_faster():
    with Slow(("slower", 0.004, 0)) as model:
        model.infer_many(MANY)
        assert (model.facts["concurrency"], model.closed) == ("one at a time", ["slower"])


def test_a_way_that_answers_otherwise_is_not_taken():
    with Slow(("wrong", 0.0001, 1e-7)) as model:
        assert [answer[0][0] for answer in model.infer_many(MANY)] == [0, 2, 4, 6, 8]
        assert (model.facts["concurrency"], model.closed) == ("one at a time", ["wrong"])


def test_a_way_that_cannot_be_made_is_an_error_and_leaves_nothing():
    with Slow(("fast", 0.0001, 0), ("large", None, 0)) as model:
        with pytest.raises(InferenceError, match="slow failed: out of memory"):
            model.infer_many(MANY)
        assert model.closed == ["fast"]


def test_a_pool_waits_for_its_threads_when_one_fails():
    class Failing(Slow):
        def _run(self, inputs):
            if inputs[0][0] == 3:
                raise ValueError("three")
            return super()._run(inputs)

    pool = Pool("two", [Failing(), Failing()])
    with pytest.raises(ValueError, match="three"):
        pool.run(MANY * 10)
    assert [answer[0][0] for answer in pool.run(MANY[:3] * 4)] == [0, 2, 4] * 4
    pool.close()
