"""Finds loss functions."""
