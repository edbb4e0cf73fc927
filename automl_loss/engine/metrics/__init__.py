"""Metrics of many networks at once, lower is better inside.

This imports torch; what there is to know of a metric without it is in `engine.metric_names`.
"""

from automl_loss.engine.metrics.metric import Metric, get_metric

__all__ = ["Metric", "get_metric"]
