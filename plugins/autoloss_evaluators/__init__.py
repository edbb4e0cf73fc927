"""Shipped evaluators: `bilevel` tunes a loss before training under it, `partial-training` only trains."""
