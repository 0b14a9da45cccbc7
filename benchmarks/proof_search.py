"""The sections of `proof.py` on what edgevision finds out by itself: ruined layers, and recipes that meet limits."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proof_compression import FORMATS, Row, shared, shown
from proof_parts import BIN, ROOT, Section, edgevision, run

PLANTED = "stage1_block0_a"
LIMITS = {"tflite": ("60000", "80", "6"), "openvino": ("120000", "20", "5")}
"""Format -> bytes, epochs, and trials: every scheme without training, and an int8 candidate that aims at the bytes."""
OUT_OF_REACH = ("--max-drop", "0.5", "--max-bytes", "9000", "--to", "tflite", "--trials", "6", "--epochs", "1")


def outlier(out: Path) -> Section:
    """An outlier planted in ResNet-8: found, and repaired in real int8 files of both formats."""
    model = out / "planted"
    if not model.exists():
        run(sys.executable, ROOT / "benchmarks" / "plant_outlier.py", model, "--layer", PLANTED)
    rows: list[Row] = []
    for form in FORMATS:
        options = ("--to", form, "--images", "1000", "--repair", out / f"planted-{form}.toml", "--overwrite")
        document = edgevision("sensitivity", model, "--data", shared("cifar10"), *options)
        first = document["report"]["layers"][0]["layer"]
        rows.append((f"{form}: the layer ranked first", first, f"one of {PLANTED}", first.startswith(PLANTED)))
        before, after = document["repair"]["before"], document["repair"]["after"]
        share, layers = after["recovered"], ", ".join(after["layers"])
        percents = ", ".join(f"{100 * proof['effect']['accuracy']['value']:.1f}%" for proof in (before, after))
        text = f"{share:.1%}: {percents} with {layers} in float"
        rows.append((f"{form}: int8 loss recovered by the recipe", text, "≥ 90%", share >= 0.9))
    return shown(rows)


def compress(out: Path) -> Section:
    """Searches that meet limits; one is killed in the middle and goes on; one asks for too much."""
    rows: list[Row] = []
    for form, (limit, epochs, trials) in LIMITS.items():
        folder = out / f"compress-{form}"
        command = ("compress", "sample", "--data", shared("cifar10"), "--max-drop", "1.5", "--max-bytes", limit)
        command = (*command, "--to", form, "--epochs", epochs, "--trials", trials, "--out", folder)
        if not folder.exists():
            rows.append(_killed(form, folder, command))
        document = edgevision(*command)
        held = document["best"] is not None
        chosen = document["best"] if held else document["nearest"]
        best = next(point for point in document["front"] if point["trial"] == chosen)
        size, lost = best["row"]["bytes"], best["row"]["drop_points"]
        text = f"{size:,} bytes, {lost:.2f} points lost: {best['recipe']['name']}"
        rows.append((f"{form}, all 10,000 test images", text, f"≤ {int(limit):,} bytes, ≤ 1.5 points", held))
    rows.append(_out_of_reach(out / "compress-out-of-reach"))
    return shown(rows)


def _killed(form: str, folder: Path, command: tuple[str | Path, ...]) -> Row:
    """Kill a search while its first candidate with fewer channels learns, and say which of the others it does again."""
    process = subprocess.Popen(
        [str(part) for part in (BIN / "edgevision", *command)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    while process.poll() is None:
        if any("channels to" in name for name, *_ in _trials(folder, "RUNNING").values()):
            break
        time.sleep(2)
    time.sleep(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = _trials(folder, "COMPLETE", "PRUNED")
    edgevision(*command)
    after = _trials(folder, "COMPLETE", "PRUNED")
    names = [trial[0] for trial in after.values()]
    again = [number for number, trial in before.items() if after[number] != trial]
    held = bool(before) and not again and len(set(names)) == len(names) > len(before)
    text = f"{len(before)} finished before the kill, {len(after)} in the end, {len(again)} of them again"
    return (f"{form}: killed in the middle and started again", text, "none is done again", held)


def _trials(folder: Path, *states: str) -> dict[int, tuple[str, Any, Any]]:
    """Return the candidates in these states: number -> recipe, when it began, when it ended."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.load_study(study_name="compress", storage=f"sqlite:///{folder / 'study.db'}")
    except Exception:  # the search has not made its study yet
        return {}
    return {
        trial.number: (trial.user_attrs["recipe"]["name"], trial.datetime_start, trial.datetime_complete)
        for trial in study.get_trials()
        if trial.state.name in states and "recipe" in trial.user_attrs
    }


def _out_of_reach(folder: Path) -> Row:
    command = [BIN / "edgevision", "compress", "sample", "--data", "sample", *OUT_OF_REACH, "--out", folder]
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "9,000" in line or "9000" in line]
    text = f"exit status {done.returncode}; {' '.join(lines[-1:])}"
    return ("a limit out of reach (sample images, 9,000 bytes)", text, "exit status 3, with the distance",
            done.returncode == 3 and bool(lines))  # fmt: skip


SEARCHES: dict[str, Callable[[Path], Section]] = {"outlier": outlier, "compress": compress}
