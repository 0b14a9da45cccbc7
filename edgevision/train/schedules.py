"""Learning-rate schedules, as functions of the optimizer's step: a resumed run goes on where it stopped."""

from __future__ import annotations

import math
from typing import Any

from edgevision.optional import require

SCHEDULES = ("cosine", "step", "constant")


def learning_rate_schedule(name: str, peak: float, *, steps: int, warmup_steps: int) -> Any:
    """Return a ``tf_keras`` learning-rate schedule.

    It rises linearly from 0 to ``peak`` over ``warmup_steps``, then follows ``cosine`` (to 0 at ``steps``;
    Loshchilov & Hutter, 2017), ``step`` (a tenth at one half and again at three quarters; He et al., 2016)
    or ``constant``.
    """
    keras, tf = require("tf_keras"), require("tensorflow")

    class Schedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc, name-defined]
        def __call__(self, step: Any) -> Any:
            step = tf.cast(step, tf.float32)
            warmup = tf.minimum(1.0, (step + 1.0) / max(1, warmup_steps))
            progress = tf.clip_by_value((step - warmup_steps) / max(1, steps - warmup_steps), 0.0, 1.0)
            return peak * warmup * _decay(tf, name, progress)

        def get_config(self) -> dict[str, Any]:
            return {"name": name, "peak": peak, "steps": steps, "warmup_steps": warmup_steps}

    return Schedule()


def _decay(tf: Any, name: str, progress: Any) -> Any:
    if name == "cosine":
        return 0.5 * (1.0 + tf.cos(math.pi * progress))
    if name == "step":
        return tf.where(progress < 0.5, 1.0, tf.where(progress < 0.75, 0.1, 0.01))
    return 1.0
