"""Class names that many models share, in the order of their outputs."""

from __future__ import annotations

from collections.abc import Mapping

_COCO = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag,
tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard,
tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot,
hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote,
keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear,
hair drier, toothbrush
"""
_UNUSED = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82)
"""Places, counted from 0, of the ten numbers that COCO numbered and never annotated."""

COCO = tuple(name.strip() for name in _COCO.split(","))
"""The 80 classes of COCO (T.-Y. Lin et al., arXiv:1405.0312)."""


def _with_gaps() -> tuple[str, ...]:
    names = iter(COCO)
    return tuple("n/a" if place in _UNUSED else next(names) for place in range(len(COCO) + len(_UNUSED)))


LABEL_SETS: Mapping[str, tuple[str, ...]] = {"coco": COCO, "coco90": _with_gaps()}
"""Name -> class names; ``coco90`` has COCO's own numbers, as TensorFlow's detection models do."""
