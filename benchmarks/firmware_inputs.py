"""Inputs to compare firmware on: random ones, photographs, and the features of sounds that are made here.

There are no recordings here for the keyword and the anomaly model. Their inputs are computed as MLPerf Tiny computes
them (MFCC and log-mel spectrograms with its parameters), of synthetic sounds: what comes into the model has the range
and the structure of real features, but nobody spoke and no machine ran.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from edgevision.data.locate import open_dataset
from edgevision.resize import resample

RATE = 16_000


def random_inputs(shape: tuple[int, ...], count: int) -> Iterator[np.ndarray]:
    """Yield int8 tensors, each uniform over a range of its own."""
    draw = np.random.default_rng(0)
    for _ in range(count):
        low, high = sorted(draw.integers(-128, 129, 2).tolist())
        yield draw.integers(low, max(high, low + 1), shape).astype(np.int8)


def fitted(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a uint8 RGB image stretched to a model's input, pixel - 128."""
    return (resample(image, shape[1], shape[2], "linear_fixed").astype(int) - 128).astype(np.int8)[None]


def dataset_images(data: str, shape: tuple[int, ...], count: int) -> Iterator[np.ndarray]:
    """Yield the first images of a dataset, as for evaluate --data."""
    images = open_dataset(data)
    for index in range(min(count, len(images))):
        yield fitted(images.image(index), shape)


def photographs(shape: tuple[int, ...], count: int) -> Iterator[np.ndarray]:
    """Yield COCO photographs from the two archives in EDGEVISION_DATA."""
    for name in ("vww96_coco_train.zip", "coco128_train.zip"):
        with zipfile.ZipFile(Path(os.environ["EDGEVISION_DATA"]) / name) as archive:
            files = [name for name in sorted(archive.namelist()) if name.lower().endswith((".png", ".jpg", ".webp"))]
            for file in files[: max(0, count)]:
                yield fitted(np.asarray(Image.open(io.BytesIO(archive.read(file))).convert("RGB")), shape)
            count -= len(files)


def mel_weights(bins: int, fft: int, low: float, high: float) -> np.ndarray:
    """Return the triangular mel filters (HTK), float64 (fft // 2 + 1, bins)."""

    def mel(hertz: np.ndarray) -> np.ndarray:
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    edges = np.linspace(mel(low), mel(high), bins + 2)
    places = mel(np.linspace(0, RATE / 2, fft // 2 + 1))[:, None]
    rising = (places - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[None, 2:] - places) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling))


def spectra(sound: np.ndarray, window: int, hop: int, fft: int) -> np.ndarray:
    """Return the magnitudes of short windows, (frames, fft // 2 + 1)."""
    starts = range(0, len(sound) - window + 1, hop)
    frames = np.stack([sound[start : start + window] for start in starts]) * np.hanning(window + 1)[:-1]
    return np.abs(np.fft.rfft(frames, fft))


def keyword_features(sound: np.ndarray) -> np.ndarray:
    """MFCC of a second: windows of 30 ms every 20 ms, 40 mel bins from 20 to 4,000 Hz, ten coefficients; (49, 10)."""
    energies = np.log(spectra(sound, 480, 320, 512) @ mel_weights(40, 512, 20, 4000) + 1e-6)
    order, place = np.arange(10)[:, None], np.arange(40)[None]
    return energies @ (2 * np.cos(np.pi * order * (place + 0.5) / 40) / np.sqrt(80)).T


def machine_features(sound: np.ndarray) -> np.ndarray:
    """Log-mel spectrogram: windows of 1,024 every 512, 128 bins, in dB; a row is five frames: (frames - 4, 640)."""
    power = spectra(sound, 1024, 512, 1024) ** 2 @ mel_weights(128, 1024, 0, RATE / 2)
    decibels = 10 * np.log10(power + np.finfo(float).eps)
    return np.stack([decibels[start : start + 5].reshape(-1) for start in range(len(decibels) - 4)])


def voice(draw: np.random.Generator) -> np.ndarray:
    """A second of something like a spoken syllable: a gliding pitch through two resonances, noise around it."""
    time = np.arange(RATE) / RATE
    pitch = draw.uniform(90, 260) * (1 + draw.uniform(-0.3, 0.3) * time)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    formants = draw.uniform((300, 900), (900, 2800))
    partials = np.arange(1, 40)
    gains = sum(np.exp(-(((partials * pitch.mean() - formant) / 150) ** 2)) for formant in formants) + 0.02
    envelope = np.exp(-(((time - draw.uniform(0.3, 0.7)) / draw.uniform(0.08, 0.25)) ** 2))
    tone = (gains[:, None] * np.sin(partials[:, None] * phase)).sum(axis=0)
    return draw.uniform(0.05, 0.5) * envelope * tone + draw.normal(size=RATE) * draw.uniform(0.001, 0.02)


def machine(draw: np.random.Generator) -> np.ndarray:
    """Two seconds of a motor: harmonics of its speed, knocks, noise."""
    time = np.arange(2 * RATE) / RATE
    speed = draw.uniform(40, 200)
    hum = sum(draw.uniform(0, 1) / k * np.sin(2 * np.pi * k * speed * time + draw.uniform(0, 6)) for k in range(1, 30))
    knocks = (np.sin(2 * np.pi * draw.uniform(2, 9) * time) > 0.995) * draw.normal(size=len(time))
    return draw.uniform(0.01, 0.3) * (hum + knocks) + draw.normal(size=len(time)) * draw.uniform(0.001, 0.05)


def sounds(model: str, scale: float, zero_point: int, count: int) -> Iterator[np.ndarray]:
    """Yield quantized features of synthetic sounds for "kws" or "ad"."""
    draw = np.random.default_rng(1)
    for _ in range(count):
        if model == "kws":
            features = keyword_features(voice(draw)).reshape(1, 49, 10, 1)
        else:
            features = machine_features(machine(draw))[:1]
        yield np.clip(np.rint(features / scale) + zero_point, -128, 127).astype(np.int8)
