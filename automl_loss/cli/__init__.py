"""The command line `autoloss`: one file a command, which parses options, calls the library and prints."""

from __future__ import annotations

from automl_loss.cli.app import main

__all__ = ["main"]
