"""The command line `autoloss`: one file a command, each thin: parse, call, print."""

from __future__ import annotations

from automl_loss.cli.app import main

__all__ = ["main"]
