"""Strategies without a search space of their own: the losses that people use already."""
