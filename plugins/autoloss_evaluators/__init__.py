"""Shipped evaluators: `bilevel` tunes a loss before it trains under it, `partial-training` trains alone."""
