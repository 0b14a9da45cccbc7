"""A pipeline as a TOML document, checked whole before anything runs."""

from edgevision.pipeline.config.document import CameraConfig, ModelConfig, StatusConfig, WatchConfig

__all__ = ["CameraConfig", "ModelConfig", "StatusConfig", "WatchConfig"]
