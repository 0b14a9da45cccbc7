"""The sections of `proof.py` on devices: models on every profile, described machines, Vela beside its prediction."""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from proof_compression import shared
from proof_parts import BIN, ROOT, Section, edgevision, run, says, table

from edgevision.devices import discover
from edgevision.devices.profile import profile_names

MODELS = {
    "mobilenet_v1": "coral/mobilenet_v1_0.25_128_quant.tflite",
    "mobilenet_v2": "coral/mobilenet_v2_1.0_224_quant.tflite",
    "deeplab": "coral/deeplabv3_mnv2_dm05_pascal_quant.tflite",
    "detector": "coral/automl_traffic_detector.tflite",
    "lstm": "coral/keras_lstm_mnist_ptq.tflite",
    "vww int8": "mlperf_tiny/vww/vww_96_int8.tflite",
    "vww float": "mlperf_tiny/vww/vww_96_float.tflite",
    "resnet8 int8": "mlperf_tiny/resnet8_cifar10/pretrainedResnet_quant.tflite",
    "kws int8": "mlperf_tiny/kws/kws_ref_model.tflite",
    "yolox (onnx)": "detection/yolox_nano_coco.onnx",
    "blazeface": "face/blazeface_short_range.tflite",
    "fastestdet (onnx)": "detection/FastestDet_coco.onnx",
}
MOST_S, FEWEST_MACHINES = 10.0, 12


def check(_: Path) -> Section:
    """One command over all models and profiles, by the clock; its table with shorter names."""
    files = [shared() / "models" / name for name in MODELS.values()]
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = run(BIN / "edgevision", "check", *files)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    computed = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows = [re.split(r"\s{2,}", line.replace("*", r"\*")) for line in printed.splitlines()[1:]]
    holds = took < MOST_S and len(rows) == len(profile_names()) and {len(row) for row in rows} == {len(files) + 1}
    bound = f"{took:.1f} s by the clock (< {MOST_S:g} s: {says(holds)}), {computed:.1f} s of it computing"
    line = f"{len(files)} models × {len(rows)} profiles: {bound}."
    return [line, "", *table(("profile", *MODELS), rows)], holds


def machines(out: Path) -> Section:
    """What is found on each described machine, beside what its file expects."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    rows, held = [], True
    for path in sorted((ROOT / "tests/devices/machines").glob("*.toml")):
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        root = out / "machines" / path.stem
        for name, text in data["files"].items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        found = {device.device: device for device in discover(root, openvino=data.get("openvino"))}
        for wanted in data["expect"]:
            device = found[wanted["device"]]
            reason, fix = device.reason or "", device.fix or ""
            right = (device.state, device.stage) == (wanted["state"], wanted.get("stage"))
            right &= wanted.get("reason", "") in reason and wanted.get("fix", "") in fix
            held &= right
            at = f" ({device.stage})" if device.stage else ""
            rows.append((path.stem, device.device, device.state + at, reason or "–", fix or "–", says(right)))
    count = len({row[0] for row in rows})
    lines = [f"{count} machines (≥ {FEWEST_MACHINES}: {says(count >= FEWEST_MACHINES)}).", ""]
    head = ("machine", "device", "verdict (stage)", "reason", "fix", "as expected")
    return [*lines, *table(head, [[str(cell).replace("|", r"\|") for cell in row] for row in rows])], held


VELA = (
    "coral/mobilenet_v1_0.25_128_quant", "coral/mobilenet_v2_1.0_224_quant", "coral/deeplabv3_mnv2_dm05_pascal_quant",
    "coral/automl_traffic_detector", "coral/posenet_mobilenet_v1_075_353_481_16_quant_decoder",
    "coral/keras_lstm_mnist_ptq", "coral/split_concat", "edge_cases/person_detect_tflm",
    "edge_cases/audio_preprocessor_int8_signal_ops", "mlperf_tiny/ad/ad01_int8", "mlperf_tiny/kws/kws_ref_model",
    "mlperf_tiny/resnet8_cifar10/pretrainedResnet_quant", "mlperf_tiny/vww/vww_96_int8",
)  # fmt: skip
NPUS = ("ethos-u55-128", "ethos-u65-512", "ethos-u85-256")


def vela(out: Path) -> Section:
    """What Vela puts on an Ethos-U, beside what `check` predicts, operator by operator."""
    rows, held = [], True
    for name in VELA:
        file = shared() / f"models/{name}.tflite"
        cells = []
        for npu in NPUS:
            document = edgevision("compile", file, "--target", npu, "--out", out / "vela", "--overwrite")["models"][0]
            mapping, differ = document["mapping"], len(document["differences"])
            held &= not differ
            cells.append(f"{mapping['mapped']} of {mapping['operators']}, {differ} differ")
        rows.append((file.stem, *cells))
    return table(("model", *(f"on {npu}" for npu in NPUS)), rows), held


DEVICES: dict[str, Callable[[Path], Section]] = {"check": check, "machines": machines, "vela": vela}
