"""Camera frames on emulated boards: preprocess, run and classify in C, compared with Python byte for byte. Prints JSON.

    python benchmarks/firmware_frames.py MODEL.tflite [--images DATA] [--count 4] [--frame 120x160]
        [--resize center_crop] [--mean 0] [--std 1] [--target cortex-m7 ...]

Each image becomes a frame of that height and width in each of the five formats (YUV in the four encodings in turn),
with bytes between its rows, which a board of QEMU's reads. The input tensor there is compared with what Python makes of
the same bytes; the best class and its score with those of the runtime `firmware`, and the class with TFLite's reference
kernels.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.adopt import adopt
from edgevision.artifact import Artifact
from edgevision.converters.firmware import firmware
from edgevision.converters.firmware.frames import CAMERA_FORMATS, ENCODINGS
from edgevision.converters.firmware.targets import TARGETS
from edgevision.data.locate import open_dataset
from edgevision.frames import Frame, encode_frame
from edgevision.resize import RESIZES, fit
from edgevision.runtimes import load

MAIN = Path(__file__).with_suffix(".c")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--images", default="sample")
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--frame", default="120x160")
    parser.add_argument("--resize", choices=RESIZES, default="center_crop")
    parser.add_argument("--mean", type=float, default=0.0)
    parser.add_argument("--std", type=float, default=1.0)
    parser.add_argument("--target", nargs="+", choices=TARGETS, default=list(TARGETS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(options, Path(folder)), indent=2))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    declared = {"filter": "linear_fixed", "resize": options.resize, "mean": options.mean, "std": options.std}
    source = adopt(options.model, folder / "source", preprocessing=declared)
    frames = make_frames(options)
    boards = {}
    for target in options.target:
        made = firmware(source, folder, name="cam", target=target, overwrite=True)
        wanted = expected(source, made.artifact, frames)
        answers = run_board(made.artifact.path, target, frames, wanted["tensors"][0].size, folder)
        boards[target] = compare(frames, wanted, answers)
    return {
        "model": options.model.name, "preprocessing": source.manifest.preprocessing.to_dict(), "frame": options.frame,
        "frames": len(frames), "boards": boards,
    }  # fmt: skip


def make_frames(options: argparse.Namespace) -> list[Frame]:
    images = open_dataset(options.images)
    height, width = map(int, options.frame.split("x"))
    found = []
    for index in np.linspace(0, len(images) - 1, options.count).astype(int):
        image, _ = fit(images.image(int(index)), height, width, "center_crop", "bilinear")
        for position, format_ in enumerate(CAMERA_FORMATS):
            matrix, full_range = ENCODINGS[(len(found) // len(CAMERA_FORMATS) + position) % 4]
            found.append(encode_frame(image, format_, matrix=matrix, full_range=full_range, padding=position))
    return found


def expected(source: Artifact, artifact: Artifact, frames: list[Frame]) -> dict[str, list[Any]]:
    manifest = artifact.manifest
    bound = manifest.preprocessing.bind(manifest.inputs[0])
    tensors = [bound(frame.to_rgb())[0] for frame in frames]
    with load(artifact) as model:
        scores = [model.infer([tensor])[0].reshape(-1) for tensor in tensors]
    with load(source, runtime="tflite", options={"resolver": "reference"}) as model:
        others = [model.infer([tensor])[0].reshape(-1) for tensor in tensors]
    return {"tensors": tensors, "scores": scores, "tflite": others}


def run_board(path: Path, target: str, frames: list[Frame], size: int, folder: Path) -> list[dict[str, Any]]:
    program, board = folder / f"{target}.elf", TARGETS[target]
    sources = [path / "cam.c", path / "cam_io.c", MAIN, path / "examples/board/startup.c"]
    command = [
        "arm-none-eabi-gcc", "-std=gnu99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", *board.flags,
        f"-DINSTRUCTIONS_PER_TICK={1_000_000_000 // board.clock_hz}U", "-nostartfiles",
        "-T", path / "examples/board/board.ld", "-I", path, *sources, "-o", program,
    ]  # fmt: skip
    subprocess.run([*map(str, command)], check=True)
    (folder / "frames.bin").write_bytes(b"".join(map(packed, frames)))
    emulator = [
        "qemu-system-arm", "-M", board.machine, "-icount", "shift=0", "-display", "none", "-serial", "none",
        "-monitor", "none", "-semihosting-config", "enable=on,target=native", "-kernel", str(program),
    ]  # fmt: skip
    subprocess.run(emulator, check=True, cwd=folder, timeout=3600)
    content = (folder / "answers.bin").read_bytes()
    length = size + 20
    assert len(content) == length * len(frames), f"{len(content)} bytes of answers"
    return [unpacked(content[i : i + length], size) for i in range(0, len(content), length)]


def packed(frame: Frame) -> bytes:
    encoding = 0 if frame.matrix is None else 1 + ENCODINGS.index((frame.matrix, frame.full_range))
    head = [1 + CAMERA_FORMATS.index(frame.format), encoding, frame.width, frame.height]
    for index in range(2):
        there = index < len(frame.planes)
        head += [frame.planes[index].size, frame.strides[index]] if there else [0, 0]
    return struct.pack("<8I", *head) + b"".join(plane.tobytes() for plane in frame.planes)


def unpacked(answer: bytes, size: int) -> dict[str, Any]:
    status, preprocess = struct.unpack("<2i", answer[:8])
    run, best, score = struct.unpack("<3i", answer[8 + size :])
    tensor = np.frombuffer(answer[8 : 8 + size], np.int8)
    return {"status": status, "preprocess": preprocess, "run": run, "best": best, "score": score, "tensor": tensor}


def compare(frames: list[Frame], wanted: dict[str, list[Any]], answers: list[dict[str, Any]]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for format_ in CAMERA_FORMATS:
        chosen = [i for i, frame in enumerate(frames) if frame.format == format_]
        mine = [answers[i] for i in chosen]
        tensors, scores, others = ([wanted[key][i] for i in chosen] for key in ("tensors", "scores", "tflite"))
        rows[format_] = {
            "frames": len(chosen),
            "refused": sum(answer["status"] != 0 for answer in mine),
            "inputs_that_differ": sum(
                not np.array_equal(a["tensor"], t.reshape(-1)) for a, t in zip(mine, tensors, strict=True)
            ),
            "answers_that_differ": sum(
                (a["best"], a["score"]) != (s.argmax(), s.max()) for a, s in zip(mine, scores, strict=True)
            ),
            "top1_unlike_tflite": sum(a["best"] != int(s.argmax()) for a, s in zip(mine, others, strict=True)),
            "classes_seen": len({a["best"] for a in mine}),
            "preprocess_instructions": max(a["preprocess"] for a in mine),
            "run_instructions": max(a["run"] for a in mine),
        }
    return rows


if __name__ == "__main__":
    main()
