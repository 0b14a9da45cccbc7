"""Cameras that watch: from a stream of frames to tracks, rules, events and where events go."""
