"""The selftest that comes with generated code: vectors, and small camera frames, with the answers to them."""

from __future__ import annotations

from collections.abc import Mapping

from edgevision.artifact import Artifact
from edgevision.converters.firmware import vectors
from edgevision.converters.firmware.frames import FrameInput
from edgevision.converters.firmware.golden_frames import frames_selftest, golden_frames, golden_images
from edgevision.converters.firmware.lowering import Program
from edgevision.converters.firmware.pieces import template
from edgevision.converters.firmware.source import Names
from edgevision.converters.firmware.specs import specs_of
from edgevision.lifetimes import Layout


def selftest_sources(
    source: Artifact,
    program: Program,
    arena: Layout,
    names: Names,
    sources: Mapping[str, str],
    camera: FrameInput | None,
) -> dict[str, str]:
    """Return the files of the selftest, by name.

    Args:
        source: The model; its golden images are tested with.
        program: It, lowered.
        arena: Where its tensors lie.
        names: How the code calls itself.
        sources: The code, which computes the answers here.
        camera: Code for camera frames; None where there is none.

    Raises:
        BackendUnavailableError: There is no C compiler here.
    """
    graph = program.graph
    inputs, outputs = ([graph.values[name].elements for name in side] for side in (graph.inputs, graph.outputs))
    images = () if camera is None else golden_images(source, max(vectors.COUNT, len(camera.formats)))
    framed = [] if camera is None else golden_frames(camera, images)
    shown = [] if camera is None or source.golden() is None else [camera.bound(image)[0] for image in images]
    drawn = vectors.draw_inputs(inputs, [[tensor.reshape(-1)] for tensor in shown])
    seen = [[item.tensor.reshape(-1)] for item in framed]
    results = vectors.answers(sources, names.name, arena.plan.peak, inputs, outputs, [*drawn, *seen])
    spec = specs_of(graph, graph.outputs, ())[0]
    scores = [row[0] for row in results[len(drawn) :]]
    marks = {
        "CONSTANTS": vectors.constants(drawn, results[: len(drawn)]),
        "INPUT_SIZES": ", ".join(f"{count}U" for count in inputs),
        "OUTPUT_SIZES": ", ".join(f"{count}U" for count in outputs),
        "HEADER": f"{names.name}.h" if camera is None else f"{names.name}_io.h",
        "FRAMES": "" if camera is None else frames_selftest(framed, scores, spec, names),
        "FRAMES_TESTED": "0" if camera is None else "frames_that_differ(&context)",
    }
    return {
        f"{names.name}_selftest.c": template("selftest.c", names, marks),
        f"{names.name}_selftest.h": template("selftest.h", names, {}),
    }
