"""A pipeline as a TOML document, checked whole before anything runs."""

from edgevision.pipeline.config.camera import CameraConfig
from edgevision.pipeline.config.document import ModelConfig, StatusConfig, WatchConfig

__all__ = ["CameraConfig", "ModelConfig", "StatusConfig", "WatchConfig"]
