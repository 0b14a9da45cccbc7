"""How long does a frame take beside the model, and do the stages overlap? A recording, from file to MQTT broker.

    python benchmarks/throughput.py ARTIFACT VIDEO [--runtime NAME] [--threads 1] [--json]

``edgevision watch`` is run on the video as on any: every frame is decoded, detected, tracked, judged by a zone and a
line, and events go through the spool to a mosquitto of its own. Each stage of each frame is traced:

* ``read``: demultiplexing and decoding of the video, in the reader's thread;
* ``prepare``: planes to the model's tensor, and ``infer``: the model, in the model's thread;
* ``decode``: the model's outputs to boxes, and ``handle``: tracks, rules, and events handed to the spool's thread, in
  the camera's thread.

The overhead of a frame is the processor time of all stages but ``infer``: these lie beside the model and beside each
other, so their wall times, which are there too, have each other's in them. ``wall_beyond_the_model_ms`` is how much
longer a frame takes than its inference, in the mean. As a check, ``process_beside_the_model_ms`` is the processor time
of the whole process for a frame, spool, MQTT and interpreter included, less what the same model takes alone. A stage's
share within inferences is how much of its wall time lay within an inference of some frame. ``in_turn_p50_ms`` has what
the same stages take, wall time, of the same frames when one follows the other in one thread: cores share caches, memory
and sometimes more, and each is slower while the other one is at work.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from broker import Broker

from edgevision.artifact import Artifact
from edgevision.detector import Detector
from edgevision.pipeline.config import WatchConfig
from edgevision.pipeline.events import Spool, SpoolWriter
from edgevision.pipeline.following import Follower
from edgevision.pipeline.image_stage import DetectorStage
from edgevision.pipeline.lane import Result
from edgevision.pipeline.sources import CapturedFrame, source_for
from edgevision.pipeline.watching import Watch

BESIDE = ("read", "prepare", "decode", "handle")
CONFIG = """
schema = 1
[spool]
path = {spool}
[model]
artifact = {artifact}
threads = {threads}
{runtime}
[[cameras]]
name = "vtest"
source = {video}
[[cameras.rules]]
kind = "zone"
name = "yard"
points = [[200, 150], [560, 150], [560, 500], [200, 500]]
classes = ["person"]
[[cameras.rules]]
kind = "line"
name = "path"
points = [[384, 560], [384, 100]]
classes = ["person"]
[[sinks]]
kind = "mqtt"
host = "127.0.0.1"
port = {port}
"""

Span = tuple[float, float, float]
"""Beginning, end, and processor time, seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--runtime")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        document = measured(Path(folder), options.artifact, options.video, options.runtime, options.threads)
    print(json.dumps(document, indent=None if options.json else 2))


def measured(folder: Path, artifact: Path, video: Path, runtime: str | None, threads: int) -> dict[str, Any]:
    broker = Broker(folder)
    config = folder / "watch.toml"
    config.write_text(
        CONFIG.format(
            spool=json.dumps(str(folder / "spool.db")), artifact=json.dumps(str(artifact.resolve())), threads=threads,
            runtime=f"runtime = {json.dumps(runtime)}" if runtime else "", video=json.dumps(str(video.resolve())),
            port=broker.port,
        )
    )  # fmt: skip
    broker.start()
    try:
        ear, heard = _ear(broker.port)
        spans: dict[str, list[Span]] = {}
        watch = Watch(config, traced=lambda _camera, stage, *span: spans.setdefault(stage, []).append(span))
        busy_s = time.process_time()
        with watch:
            watch.join()
        busy_s = time.process_time() - busy_s
        end = time.monotonic() + 5
        while len(heard) < watch.events and time.monotonic() < end:
            time.sleep(0.05)
        ear.loop_stop()
    finally:
        broker.kill()
    return {
        **_summary(spans),
        "in_turn_p50_ms": _in_turn(config, folder),
        "process_beside_the_model_ms": busy_s * 1e3 / len(spans["infer"])
        - _alone_ms(artifact, video, runtime, threads),
        "threads": threads,
        "cores": len(os.sched_getaffinity(0)),
        "events": watch.events,
        "arrived": len(set(heard)),
        "arrived_twice": len(heard) - len(set(heard)),
    }


def _summary(spans: dict[str, list[Span]]) -> dict[str, Any]:
    """Medians, overlap and wall time, from the spans of each stage, a frame's at its place."""
    counts = {stage: len(times) for stage, times in spans.items()}
    if len(set(counts.values())) != 1:
        raise SystemExit(f"not every frame went through every stage: {counts}")
    stamps = {stage: 1e3 * np.array(spans[stage]) for stage in (*BESIDE, "infer")}
    wall = {stage: times[:, 1] - times[:, 0] for stage, times in stamps.items()}
    overhead = sum(stamps[stage][:, 2] for stage in BESIDE)
    per_frame = (stamps["handle"][:, 1].max() - stamps["read"][:, 0].min()) / len(overhead)
    return {
        "frames": len(overhead),
        "overhead_p50_ms": float(np.median(overhead)),
        "overhead_p95_ms": float(np.quantile(overhead, 0.95)),
        "processor_p50_ms": {stage: float(np.median(stamps[stage][:, 2])) for stage in BESIDE},
        "wall_p50_ms": {stage: float(np.median(times)) for stage, times in wall.items()},
        "handed_over_p50_ms": float(np.median(stamps["decode"][:, 0] - stamps["infer"][:, 1])),
        "sum_of_stages_ms": float(sum(times.mean() for times in wall.values())),
        "wall_ms_per_frame": float(per_frame),
        "wall_beyond_the_model_ms": float(per_frame - wall["infer"].mean()),
        "share_within_inferences": {stage: _within(spans[stage], spans["infer"]) for stage in BESIDE},
    }


def _in_turn(path: Path, folder: Path) -> dict[str, float]:
    """The stages beside the model one after the other, of every frame; "all" is the median of their sum."""
    config = WatchConfig.read(path, lambda model: Artifact.open(model.artifact).manifest.labels or ())
    (camera,), stage, source = config.cameras, DetectorStage(config.model), config.cameras[0].source()
    times: dict[str, list[float]] = {name: [] for name in BESIDE}
    with Spool(folder / "in_turn.db", ["mqtt"]) as spool:
        writer = SpoolWriter(spool)
        follow = Follower(camera, stage.labels, writer)
        source.open()
        while True:
            stamps = [time.perf_counter()]
            if (read := source.read()) is None:
                break
            frame = CapturedFrame(camera.name, len(times["read"]), time.monotonic(), *read)
            stamps.append(time.perf_counter())
            prepared = stage.prepare(frame.frame)
            stamps.append(time.perf_counter())
            inferred = stage.infer(prepared)
            stamps.append(time.perf_counter())
            detections = stage.decode(inferred)
            stamps.append(time.perf_counter())
            follow(Result(frame, detections, time.monotonic(), False, "it"))
            stamps.append(time.perf_counter())
            for name, place in zip(BESIDE, (0, 1, 3, 4), strict=True):
                times[name].append(1e3 * (stamps[place + 1] - stamps[place]))
        source.close()
        writer.close()
    stage.close()
    return {
        **{name: statistics.median(taken) for name, taken in times.items()},
        "all": statistics.median(map(sum, zip(*times.values(), strict=True))),
    }


def _within(spans: Sequence[Span], inferences: Sequence[Span]) -> float:
    """Share of the time of some spans that lies within inferences, which follow one another."""
    starts, ends = (np.array([span[side] for span in inferences]) for side in (0, 1))
    inside = sum(np.clip(np.minimum(ends, end) - np.maximum(starts, start), 0, None).sum() for start, end, _ in spans)
    return float(inside / sum(end - start for start, end, _ in spans))


def _alone_ms(artifact: Path, video: Path, runtime: str | None, threads: int) -> float:
    """Processor time of one inference, with nothing else in the process at work."""
    source = source_for(str(video))
    source.open()
    read = source.read()
    source.close()
    assert read is not None
    with Detector(Artifact.open(artifact), runtime=runtime, options={"threads": threads}) as detector:
        tensor, _ = detector.prepare(read[0])
        times = []
        for _ in range(60):
            began = time.process_time()
            detector.model.infer((tensor,))
            times.append(1e3 * (time.process_time() - began))
    return statistics.median(times)


def _ear(port: int) -> tuple[Any, list[str]]:
    """A subscriber, and the ids of the messages that it has heard."""
    heard: list[str] = []
    ear = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="ear")
    ear.on_connect = lambda *_: ear.subscribe("edgevision/+/events", qos=1)
    ear.on_message = lambda _client, _data, message: heard.append(json.loads(message.payload)["message_id"])
    ear.connect("127.0.0.1", port)
    ear.loop_start()
    return ear, heard


if __name__ == "__main__":
    sys.exit(main())
