"""The whole way on a shipped model and shipped images: make it small, prove it, say what it cost."""

from edgevision.demo.run import Demo, run_demo

__all__ = ["Demo", "run_demo"]
