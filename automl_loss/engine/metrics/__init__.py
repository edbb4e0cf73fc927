"""Metrics of many networks at once, lower is better inside.

`metric` computes them and imports torch; `names` is what there is to know of them without it.
"""
