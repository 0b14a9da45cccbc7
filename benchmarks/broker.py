"""Events through an MQTT broker that is killed and started again: how long until they arrive, and are they all there?

    python benchmarks/broker.py [--rounds 5] [--down 20] [--json]

It starts a mosquitto of its own, lets an event happen every 50 ms, and kills the broker (SIGKILL) for some seconds in
each round. The delivery has its defaults.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho

from edgevision.pipeline.events import Event, Spool
from edgevision.pipeline.sinks import Delivery, MqttSettings, MqttSink

EVERY_S = 0.05


class Broker:
    """A mosquitto on a port of its own, which keeps what it has on disk."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "user root", "persistence true"]
        lines += [f"persistence_location {folder}/", "autosave_interval 1", "autosave_on_changes true"]
        self.config.write_text("\n".join([*lines, ""]))

    def start(self) -> None:
        """Start it, and wait until it listens."""
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = subprocess.Popen([program, "-c", self.config], stderr=subprocess.DEVNULL)
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            time.sleep(0.01)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--down", type=float, default=20.0, help="seconds that the broker is gone, about")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        document = measure(Path(folder), options.rounds, options.down)
    print(json.dumps(document, indent=None if options.json else 2))


def measure(folder: Path, rounds: int, down_s: float) -> dict[str, object]:
    broker, heard, sent = Broker(folder), [], []
    broker.start()
    ear = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="ear", clean_session=False)
    ear.reconnect_delay_set(1, 1)
    ear.on_connect = lambda *_: ear.subscribe("edgevision/+/events", qos=1)
    ear.on_message = lambda _c, _d, message: heard.append(json.loads(message.payload)["message_id"])
    ear.connect("127.0.0.1", broker.port)
    ear.loop_start()
    time.sleep(1)
    done = threading.Event()

    def happen() -> None:
        while not done.wait(EVERY_S):
            sent.append(Event(f"e{len(sent)}", 0, "moment", "gate", "yard", "zone", ""))
            spool.put(sent[-1:])

    waits: list[float] = []
    caught_up: list[float] = []
    with Spool(folder / "spool.db", ["mqtt"]) as spool:
        delivery = Delivery(spool, MqttSink(MqttSettings("127.0.0.1", broker.port)))
        threading.Thread(target=happen).start()
        for number in range(rounds):
            time.sleep(2)
            broker.kill()
            time.sleep(down_s * random.Random(number).uniform(0.5, 1.5))
            broker.start()
            back, before = time.monotonic(), delivery.stats().delivered
            while delivery.stats().delivered == before:
                time.sleep(0.01)
            waits.append(round(time.monotonic() - back, 2))
            while spool.stats().waiting["mqtt"] > 1:  # what had to wait
                time.sleep(0.1)
            caught_up.append(round(time.monotonic() - back, 2))
        done.set()
        time.sleep(2 * EVERY_S)
        delivered = delivery.close(drain_s=60)
    time.sleep(2)
    ear.disconnect()
    ear.loop_stop()
    broker.kill()
    arrived = list(heard)
    return {
        "seconds_until_it_has_an_event_again": waits,
        "seconds_until_it_has_all_that_waited": caught_up,
        "events": len(sent),
        "lost": len({event.message_id for event in sent} - set(arrived)),
        "repeated_under_the_same_id": len(arrived) - len(set(arrived)),
        "in_order": list(dict.fromkeys(arrived)) == [event.message_id for event in sent],
        "all_acknowledged": delivered,
    }


if __name__ == "__main__":
    main()
