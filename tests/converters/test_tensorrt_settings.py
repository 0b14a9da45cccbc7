"""What is decided before TensorRT is asked: releases, types, sources of int8 ranges, arguments of trtexec, tables."""

import itertools

import numpy as np
import pytest

from edgevision.converters.tensorrt.arguments import trtexec_arguments
from edgevision.converters.tensorrt.calibration_table import CalibrationTable
from edgevision.converters.tensorrt.calibrator import CalibrationBatches
from edgevision.converters.tensorrt.network import is_2_4
from edgevision.converters.tensorrt.settings import (
    EngineSettings,
    Recipe,
    decide,
    parse_version,
    version_number,
)
from edgevision.errors import ArtifactError, CalibrationError, ConfigError, IncompatibleModelError

INT8 = "static_wi8_ai8"
BASE = ["--onnx=m.onnx", "--saveEngine=m.engine"]


def arguments(scheme, version, table=None, **settings):
    recipe = decide(EngineSettings(tensorrt_version=version, **settings), scheme)
    return trtexec_arguments(recipe, parse_version(version), "m.onnx", "m.engine", table=table)


@pytest.mark.parametrize(
    ("text", "version"),
    [("8.6.1", (8, 6, 1)), ("8601", (8, 6, 1)), ("8502", (8, 5, 2)), ("100300", (10, 3, 0)), ("101602", (10, 16, 2)),
     ("10.16.1.11", (10, 16, 1)), ("11.1.0.106", (11, 1, 0)), ("10.3.0.30-1+cuda12.5", (10, 3, 0)),
     ("8.5.2-1+cuda11.4", (8, 5, 2)), ("11", (11, 0, 0))],
)  # fmt: skip
def test_releases_as_nvidia_writes_them(text, version):
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["", "v8", "8.x", "ten", "8.6.1.", "1234567"])
def test_what_is_no_release_is_refused(text):
    with pytest.raises(ConfigError, match="a release of TensorRT"):
        parse_version(text)


def test_the_number_of_the_headers():
    assert [version_number(v) for v in ((8, 6, 1), (10, 3, 0), (10, 16, 1), (11, 4, 1))] == [
        8601,
        100300,
        101601,
        110401,
    ]


@pytest.mark.parametrize(
    ("scheme", "version", "settings", "flags"),
    [
        ("float32", "8.6", {}, ["--skipInference", "--noTF32"]),
        ("float32", "8.5", {}, ["--buildOnly", "--noTF32"]),
        ("float16", "10.3", {}, ["--skipInference", "--fp16"]),
        ("float16", "11.0", {}, ["--skipInference"]),
        (INT8, "8.6", {}, ["--skipInference", "--int8", "--fp16"]),
        (INT8, "11.4.1", {}, ["--skipInference"]),
        ("float16", "10.3", {"dla": 1}, ["--skipInference", "--fp16", "--useDLACore=1", "--allowGPUFallback"]),
        ("float16", "8.6", {"dla": 0, "gpu_fallback": False}, ["--skipInference", "--fp16", "--useDLACore=0"]),
        (INT8, "11.4.1", {"dla": 0}, ["--skipInference", "--useDLACore=0", "--allowGPUFallback"]),
        ("float16", "10.3", {"sparse_weights": True, "workspace_mib": 256, "timing_cache": "t.cache"},
         ["--skipInference", "--fp16", "--sparsity=enable", "--memPoolSize=workspace:256",
          "--timingCacheFile=t.cache"]),
    ],
)  # fmt: skip
def test_arguments_of_trtexec(scheme, version, settings, flags):
    assert arguments(scheme, version, **settings) == BASE + flags


def test_a_dla_up_to_release_10_gets_a_table():
    found = arguments(INT8, "10.3", table="c.table", dla=0)
    assert found == [*BASE, "--skipInference", "--int8", "--fp16", "--calib=c.table", "--useDLACore=0",
                     "--allowGPUFallback"]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "scheme", "source", "half"),
    [
        ({}, INT8, "qdq", False),
        ({"tensorrt_version": "8.6"}, INT8, "qdq", False),
        ({"tensorrt_version": "11.4.1"}, INT8, "qdq", False),
        ({"dla": 0, "tensorrt_version": "10.3"}, INT8, "table", False),
        ({"dla": 0, "tensorrt_version": "11.4.1"}, INT8, "qdq", False),
        ({"int8_from": "calibrator"}, INT8, "calibrator", False),
        ({}, "float16", None, True),
        ({"dla": 0, "tensorrt_version": "10.3"}, "float16", None, False),
        ({"dla": 0, "tensorrt_version": "11.4.1"}, "float16", None, True),
        ({}, "float32", None, False),
    ],
)
def test_where_types_and_ranges_come_from(settings, scheme, source, half):
    recipe = decide(EngineSettings(**settings), scheme)
    assert (recipe.int8_from, recipe.half_in_file) == (source, half)
    assert Recipe.from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize(
    ("settings", "scheme", "method", "error", "what"),
    [
        ({"dla": 0, "tensorrt_version": "10.3"}, "float32", "min_max", ConfigError, "float16 and int8"),
        ({"dla": 0}, INT8, "min_max", ConfigError, "--tensorrt-version"),
        ({"int8_from": "table"}, "float16", "min_max", ConfigError, "int8_from is for int8"),
        ({}, INT8, "entropy", ConfigError, "int8 from qdq"),
        ({"int8_from": "calibrator"}, INT8, "percentile", ConfigError, "int8 from calibrator"),
        ({"int8_from": "calibrator", "dla": 0, "tensorrt_version": "8.6"}, INT8, "min_max", ConfigError, "entropy"),
        ({"int8_from": "table", "tensorrt_version": "11.0"}, INT8, "min_max", IncompatibleModelError, "no calibration"),
        ({"dla": 0, "tensorrt_version": "10.9"}, "float16", "min_max", IncompatibleModelError, "no DLA"),
        ({"dla": 0, "tensorrt_version": "11.4.0"}, "float16", "min_max", IncompatibleModelError, "no DLA"),
        (
            {"int8_from": "qdq", "dla": 0, "tensorrt_version": "10.3"},
            INT8,
            "min_max",
            IncompatibleModelError,
            "DLA reads",
        ),
        ({"tensorrt_version": "8.4"}, "float32", "min_max", IncompatibleModelError, "older than 8.5"),
    ],
)
def test_what_does_not_go_together(settings, scheme, method, error, what):
    with pytest.raises(error, match=what):
        decide(EngineSettings(**settings), scheme, method)


@pytest.mark.parametrize(
    "settings",
    [{"dla": -1}, {"dla": 1.5}, {"int8_from": "file"}, {"workspace_mib": 0}, {"tensorrt_version": "new"},
     {"gpu_fallback": False}],
)  # fmt: skip
def test_settings_that_make_no_sense(settings):
    with pytest.raises(ConfigError):
        EngineSettings(**settings)


def test_settings_of_a_damaged_plan():
    with pytest.raises(ArtifactError):
        EngineSettings.from_dict({**EngineSettings().to_dict(), "dla": -3})
    with pytest.raises(ArtifactError):
        Recipe.from_dict({"scheme": "float32"})


FORUM = """TRT-7000-EntropyCalibration2
(Unnamed ITensor* 38): 3c3604b4
(Unnamed ITensor* 88): 3c42b64c
(Unnamed ITensor* 55): 3cb2d9e0
image:0: 3c22703f
"""
"""Rows that a user of TensorRT posted in NVIDIA's forum (int8-calibration-table/56161), one tensor renamed."""


def test_a_table_of_tensorrt_is_read_and_written_back():
    table = CalibrationTable.parse(FORUM)
    assert (table.version, table.calibrator) == ((7, 0, 0), "EntropyCalibration2")
    assert list(table.scales)[::3] == ["(Unnamed ITensor* 38)", "image:0"]
    np.testing.assert_allclose(list(table.scales.values()), [0.0111095, 0.0118843, 0.0218324, 0.0099145], rtol=1e-4)
    assert table.to_text() == FORUM


def test_scales_are_the_largest_magnitude_over_127():
    ranges = {"x": (-3.0, 1.0), "relu:0": (0.0, 12.7), "dead": (0.0, 0.0), "tiny": (0.0, 1e-42)}
    table = CalibrationTable.of_ranges(ranges, (10, 3, 0))
    assert table.to_text().splitlines()[0] == "TRT-100300-EntropyCalibration2"
    np.testing.assert_allclose([table.scales[n] for n in ("x", "relu:0", "dead")], [3 / 127, 0.1, 1 / 127], rtol=1e-6)
    assert CalibrationTable.parse(table.to_text()) == table
    assert all(scale > 0 for scale in table.scales.values())


@pytest.mark.parametrize(
    "text",
    ["", "not a table", "TRT-8601-EntropyCalibration2\nimage 3c010a14", "TRT-8601-EntropyCalibration2\nimage: 3c01zz14",
     "TRT-8601-EntropyCalibration2\nimage: 00000000", "TRT-8601-EntropyCalibration2\nimage: ffc00000",
     "TRT-1234567-EntropyCalibration2\n"],
)  # fmt: skip
def test_a_damaged_table_is_named(text):
    with pytest.raises(CalibrationError):
        CalibrationTable.parse(text)


@pytest.mark.parametrize(("samples", "batch"), list(itertools.product((1, 5, 8), (1, 3, 8))))
def test_batches_have_one_length_and_the_data_s_order(samples, batch):
    inputs = np.arange(samples * 6, dtype=np.float32).reshape(samples, 2, 3)
    batches = CalibrationBatches(inputs, batch)
    given = list(batches)
    assert len(given) == len(batches) and all(one.shape == (batch, 2, 3) for one in given)
    assert all(one.dtype == np.float32 and one.flags.c_contiguous for one in given)
    joined = np.concatenate(given)
    np.testing.assert_array_equal(joined[:samples], inputs)
    np.testing.assert_array_equal(joined, inputs[np.arange(len(joined)) % samples])
    np.testing.assert_array_equal(np.concatenate(list(batches)), joined)


def test_inputs_that_calibrate_nothing_are_refused():
    for bad in (np.zeros((0, 3), np.float32), np.zeros((2, 3)), np.full((2, 3), np.nan, np.float32)):
        with pytest.raises(CalibrationError):
            CalibrationBatches(bad, 1)


def test_two_of_four():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(5, 8, 3, 3))
    kernel[:, ::2] = 0
    assert is_2_4(kernel, 1) and not is_2_4(kernel + 1, 1)
    kernel[4, 0, 2, 2] = 1  # three in one group of one output channel and one place
    assert not is_2_4(kernel, 1)
    assert not is_2_4(np.zeros((4, 3, 1, 1)), 1)  # no group of four at all
