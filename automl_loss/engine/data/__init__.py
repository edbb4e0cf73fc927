"""Rows of a task: as tensors, corrupted, split anew. `corruption` needs no torch."""
