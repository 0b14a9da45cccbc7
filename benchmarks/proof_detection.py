"""The section of `proof.py` on detectors: other people's models through our decoders, on every runtime."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from proof_parts import Section, edgevision, says, table

NANO = ("yolox_nano_coco.onnx", "yolox", "coco", "NCHW")
FAST = ("FastestDet_coco.onnx", "fastestdet", "coco", "NCHW")
LITE = ("ssd_mobilenet_v2_fpnlite_320_coco_dynrange.tflite", "tflite_detection_postprocess", "coco90", "NHWC")
FACES = {
    "BlazeFace": ("blazeface_short_range.tflite", "blazeface", "NHWC", ("score_threshold=0.3",)),
    "UltraFace, TFLite": ("ultralight_RFB-320_without_postprocessing.tflite", "ultraface", "NHWC", ()),
    "UltraFace, ONNX": ("ultralight_RFB-320.onnx", "ultraface", "NCHW", ("decoded=true", "outputs=1,0")),
}
RAN = {
    "NHWC": (("tflite",), ("tflite", "--option", "package=tflite-runtime")),
    "NCHW": (("onnxruntime",), ("openvino",)),
}
PEOPLE = {"face.jpg": 4, "astronaut.png": 1, "grace_hopper.bmp": 1}
LAST_FRAME = 69


def detection(out: Path) -> Section:
    """mAP50 on 128 images of COCO, person AP50 on 69 frames of a video, and faces in photographs."""
    data = Path(os.environ["EDGEVISION_DATA"])
    coco, video = data / "coco128_train.zip", _frames(data / "video", out / "detection" / "vtest")
    nano, fast, lite = (adopted(data, out, model) for model in (NANO, FAST, LITE))
    ir = out / "detection" / "yolox_nano_coco-openvino-float32"
    if not ir.exists():
        edgevision("convert", nano, "--to", "openvino", "--data", coco, "--out", out / "detection")
    int8 = quantized(data, out)
    rows: list[Sequence[object]] = []
    for name, artifact, runtime, floor, person in (
        ("YOLOX-nano, ONNX", nano, "onnxruntime", 0.49, 0.83),
        ("YOLOX-nano, ONNX", nano, "openvino", 0.49, 0.83),
        ("YOLOX-nano, IR", ir, "openvino", 0.49, 0.83),
        ("YOLOX-nano, IR, int8", int8, "openvino", None, None),
        ("FastestDet, ONNX", fast, "onnxruntime", None, None),
        ("FastestDet, ONNX", fast, "openvino", None, None),
        ("SSD MobileNetV2 FPNLite, TFLite", lite, "tflite", None, None),
    ):
        whole = edgevision("evaluate", artifact, "--data", coco, "--runtime", runtime)
        people = edgevision("evaluate", artifact, "--data", video, "--runtime", runtime)["detection"]["map50"]
        found, facts = whole["detection"], whole["facts"]
        holds = (floor is None or found["map50"] >= floor) and (person is None or people >= person)
        bound = "–" if floor is None else f"mAP50 ≥ {floor}, person ≥ {person}"
        rows.append(
            (name, f"{facts['package']} {facts['version']}", f"{found['map50']:.4f}", f"{found['map']:.4f}",
             f"{people:.4f}", bound, says(holds))
        )  # fmt: skip
    rows += list(_faces(data, out))
    head = ("model", "ran on", "mAP50", "mAP50:95", "person AP50, vtest", "bound", "holds")
    return table(head, rows), all("**no**" not in row for row in rows)


def quantized(data: Path, out: Path) -> Path:
    """YOLOX-nano as int8 IR, made where it is not there."""
    int8 = out / "detection" / "yolox_nano_coco-openvino-static_wi8_ai8"
    if not int8.exists():
        nano = adopted(data, out, NANO)
        edgevision(
            "quantize", nano, "--to", "openvino", "--data", data / "coco128_train.zip", "--out", out / "detection"
        )
    return int8


def adopted(data: Path, out: Path, model: tuple[str, str, str, str]) -> Path:
    file, decoder, labels, layout = model
    target = out / "detection" / decoder
    if not target.exists():
        edgevision("adopt", data / "models" / "detection" / file, "--out", target, "--decoder", decoder,
                   "--labels", labels, "--layout", layout)  # fmt: skip
    return target


def _faces(data: Path, out: Path) -> Iterator[Sequence[object]]:
    for name, (file, decoder, layout, parameters) in FACES.items():
        target = out / "detection" / file
        if not target.exists():
            given = [part for parameter in parameters for part in ("--decoding", parameter)]
            edgevision("adopt", data / "models" / "face" / file, "--out", target, "--decoder", decoder,
                       "--layout", layout, *given)  # fmt: skip
        for ran in RAN[layout]:
            images = [data / "images" / image for image in PEOPLE]
            document = edgevision("predict", target, *images, "--runtime", *ran)
            counts = [len(entry["detections"]) for entry in document["images"]]
            told = ", ".join(f"{count} in {image}" for count, image in zip(counts, PEOPLE, strict=True))
            package = f"{document['facts']['package']} {document['facts']['version']}"
            held = says(counts == list(PEOPLE.values()))
            yield (name, package, "–", "–", "–", f"faces: {told}; wanted {', '.join(map(str, PEOPLE.values()))}", held)


def _frames(videos: Path, folder: Path) -> Path:
    """Write the annotated frames of vtest.avi as images with COCO's JSON; the ground truth is in MOT's form."""
    if (folder / "truth.json").exists():
        return folder
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoCapture(str(videos / "vtest.avi"))
    images: list[dict[str, Any]] = []
    for frame in range(1, LAST_FRAME + 1):
        read, pixels = video.read()
        if not read:
            raise SystemExit(f"vtest.avi ends before frame {frame}")
        images.append({"id": frame, "file_name": f"{frame:03d}.png"})
        cv2.imwrite(str(folder / images[-1]["file_name"]), pixels)
    with open(videos / f"vtest_gt_frames1-{LAST_FRAME}.txt", encoding="utf-8") as file:
        boxes = [(int(row[0]), [float(value) for value in row[2:6]]) for row in csv.reader(file)]
    annotations = [
        {"id": place, "image_id": frame, "category_id": 0, "bbox": box} for place, (frame, box) in enumerate(boxes)
    ]
    document = {"images": images, "annotations": annotations, "categories": [{"id": 0, "name": "person"}]}
    (folder / "truth.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


DETECTION = {"detection": detection}
