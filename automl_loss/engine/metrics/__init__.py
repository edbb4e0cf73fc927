"""Compute metrics of many networks at once; internally, lower is always better.

`metric` computes them and imports torch; `names` holds their names and properties, without torch.
"""
