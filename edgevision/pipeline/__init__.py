"""Cameras that watch: tracks, rules, events and where events go."""
