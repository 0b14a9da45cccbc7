"""Artifact in, tensors out: one runtime per file, all behind `CompiledModel.infer`."""

from edgevision.runtimes.base import Availability, CompiledModel, Runtime, available_runtimes, load

__all__ = ["Availability", "CompiledModel", "Runtime", "available_runtimes", "load"]
