"""Percentiles against numbers worked out by hand; samples kept in order."""

import math

import pytest

from edgevision.benchmark import LatencyStats
from edgevision.errors import ConfigError


def test_percentiles_of_1_to_101():
    stats = LatencyStats.from_samples(range(101, 0, -1), first_ms=500)
    assert (stats.p50_ms, stats.p90_ms, stats.p95_ms, stats.p99_ms) == (51, 99, None, None)
    assert (stats.min_ms, stats.max_ms, stats.mean_ms, stats.count, stats.first_ms) == (1, 101, 51, 101, 500)
    assert stats.throughput_ips == pytest.approx(1000 / 51)
    assert stats.samples_ms[:3] == (101, 100, 99)


def test_a_single_sample_is_the_median_and_no_percentile():
    stats = LatencyStats.from_samples([2.5])
    assert (stats.p50_ms, stats.p90_ms, stats.p99_ms) == (2.5, None, None)
    assert stats.first_ms is None


def test_it_survives_json():
    stats = LatencyStats.from_samples([3.0, 1.0, 2.0], first_ms=9.0)
    assert LatencyStats.from_dict(stats.to_dict()) == stats
    short = stats.to_dict(samples=False)
    assert "samples_ms" not in short
    assert short["p50_ms"] == 2.0
    with pytest.raises(ConfigError, match="no samples"):
        LatencyStats.from_dict(short)


@pytest.mark.parametrize("samples", [[], [1.0, math.nan], [-0.1], [math.inf]])
def test_what_is_no_latency_is_refused(samples):
    with pytest.raises(ConfigError, match="latency"):
        LatencyStats.from_samples(samples)


@pytest.mark.parametrize("data", [None, {}, {"samples_ms": "fast"}, {"samples_ms": [None]}, {"samples_ms": []}])
def test_damaged_documents_are_refused(data):
    with pytest.raises(ConfigError, match="latency"):
        LatencyStats.from_dict(data)
