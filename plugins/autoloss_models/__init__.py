"""Shipped models: `linear` and `mlp`."""
