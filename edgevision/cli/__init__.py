"""The command line: one file per command, each of which parses, makes one library call, and prints."""

from edgevision.cli.app import main

__all__ = ["main"]
