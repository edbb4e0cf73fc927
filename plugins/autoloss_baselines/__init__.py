"""Baseline strategies, which propose known handcrafted losses: `handcrafted` and `parametric`."""
