"""How fast artifacts run, and in how much memory: raw samples, stated protocol, nothing printed."""

from edgevision.benchmark.latency import LatencyStats
from edgevision.benchmark.measure import Candidate, benchmark
from edgevision.benchmark.result import BenchmarkEntry, BenchmarkReport, Protocol

__all__ = ["BenchmarkEntry", "BenchmarkReport", "Candidate", "LatencyStats", "Protocol", "benchmark"]
