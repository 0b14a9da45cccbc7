"""The section of `proof.py` that compares projects of ``edgevision firmware --target linux`` with Python."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from proof_parts import Section, edgevision, run, says, table

from edgevision.artifact import Artifact
from edgevision.detector import Detector
from edgevision.frames import FRAME_FORMATS, Frame, encode_frame
from edgevision.tasks.detection import detect

MODELS = {
    "YOLOX-nano, OpenVINO": ("yolox_nano_coco.onnx", "yolox", "openvino", ["--layout", "NCHW"]),
    "SSD FPN-Lite, LiteRT": (
        "ssd_mobilenet_v2_fpnlite_320_coco_dynrange.tflite", "tflite_detection_postprocess", "tflite", [],
    ),
}  # fmt: skip
FRAMES = 10
NAMES = {"rgb888": "rgb24", "bgr888": "bgr24"}
BOX, SCORE = 1e-3, 1e-4
"""Pixels, and share of a score, that kernels on other memory may differ by."""


def linux(out: Path) -> Section:
    """The same frames of vtest.avi through the C interface and through Python, in each pixel format."""
    data, place = Path(os.environ["EDGEVISION_DATA"]), out / "linux"
    images = clip(data / "video/vtest.avi")
    rows, held = [], True
    for title, (file, decoder, runtime, more) in MODELS.items():
        net = place / decoder
        model = data / "models/detection" / file
        edgevision("adopt", model, "--out", net, "--task", "detection", "--decoder", decoder, *more, "--overwrite")
        edgevision("firmware", net, "--target", "linux", "--name", decoder.split("_")[0], "--out", place, "--overwrite")
        project = Artifact.open(place / f"{decoder.split('_')[0]}-linux")
        found = compared(project, build(project, runtime), runtime, images, place)
        holds = found["inputs"] == 0 and found["boxes"] == 0 and found["pixels"] <= BOX and found["score"] <= SCORE
        held &= holds
        rows.append((
            title, found["frames"], found["inputs"], f"{found['boxes']} ({found['count']} boxes)",
            f"{found['pixels']:.1e}", f"{found['score']:.1e}", f"{found['python']:.2f}", f"{found['c']:.2f}",
            f"{found['c'] / found['python']:.2f}", says(holds),
        ))  # fmt: skip
    head = (
        "model", "frames", "inputs that differ", "frames whose boxes differ", "corners apart, pixels", "scores apart",
        "Python, ms beside inference", "C, ms beside inference", "ratio", "holds",
    )  # fmt: skip
    return table(head, rows), held


def clip(file: Path) -> list[Any]:
    import av

    with av.open(os.fspath(file)) as video:
        return [
            frame.to_ndarray(format="rgb24") for frame, _ in zip(video.decode(video=0), range(FRAMES), strict=False)
        ]


def build(project: Artifact, runtime: str) -> Path:
    folder = project.path.with_name(f"{project.path.name}-build")
    options = [f"-DEDGEVISION_PYTHON={sys.executable}"]
    if runtime == "tflite":
        import ai_edge_litert

        options.append(f"-DEDGEVISION_LITERT={ai_edge_litert.__path__[0]}")
    run("cmake", "-S", project.path, "-B", folder, *options)
    run("cmake", "--build", folder, "--target", "ev_file")
    return folder / "ev_file"


def compared(project: Artifact, program: Path, runtime: str, images: list[Any], place: Path) -> dict[str, Any]:
    """Counts and largest differences over all frames; medians of what is done beside inference, milliseconds."""
    found: dict[str, Any] = {"frames": 0, "inputs": 0, "boxes": 0, "count": 0, "pixels": 0.0, "score": 0.0}
    times: dict[str, list[float]] = {"c": [], "python": []}
    with Detector(project, runtime=runtime) as model:
        bound = project.manifest.preprocessing.bind(model.model.inputs[0])  # type: ignore[union-attr]
        for format_ in FRAME_FORMATS:
            frames = [encode_frame(image, format_, matrix="bt709", full_range=False) for image in images]
            results = through_c(program, project, frames, place)
            for seq, (frame, result) in enumerate(zip(frames, results, strict=True), 1):
                seen, tensor, spent = through_python(model, bound, frame)
                times["python"].append(spent)
                times["c"].append(result["preprocess_ms"] + result["decode_ms"])
                found["frames"] += 1
                found["inputs"] += (place / f"{seq}.input").read_bytes() != tensor.tobytes()
                found["count"] += len(seen)
                classes = [entry["index"] for entry in result["boxes"]]
                if classes != seen.classes.tolist():
                    found["boxes"] += 1
                elif classes:
                    apart = np.abs(np.array([entry["box"] for entry in result["boxes"]]) - seen.boxes).max()
                    scores = np.abs(np.array([entry["score"] for entry in result["boxes"]]) - seen.scores).max()
                    found["pixels"] = max(found["pixels"], float(apart))
                    found["score"] = max(found["score"], float(scores))
    return {**found, **{side: statistics.median(values) for side, values in times.items()}}


def through_c(program: Path, project: Artifact, frames: list[Frame], place: Path) -> list[dict[str, Any]]:
    raw, first = place / "frames.raw", frames[0]
    raw.write_bytes(b"".join(plane.tobytes() for frame in frames for plane in frame.planes))
    words = ["--format", NAMES.get(first.format, first.format), "--size", f"{first.width}x{first.height}"]
    words += ["--encoding", "bt709-limited", "--dump", str(place)]
    return [json.loads(line) for line in run(program, *words, project.path / "model", raw).splitlines()]


def through_python(model: Detector, bound: Any, frame: Frame) -> tuple[Any, Any, float]:
    """Detections, input, and what was done beside inference: processor time, which other programs do not lengthen."""
    began = time.thread_time()
    tensor, geometry = bound(frame.to_rgb())
    ready = time.thread_time()
    outputs = model.model.infer([tensor])
    inferred = time.thread_time()
    seen = detect(outputs, model.model.outputs, model.decoder, geometry)
    return seen, tensor, 1e3 * (ready - began + time.thread_time() - inferred)


LINUX: dict[str, Callable[[Path], Section]] = {"linux": linux}
