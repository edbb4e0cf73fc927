"""Plugins for automl-loss: primitive set smooth, strategy ageing, task friedman, evaluator calibrated."""
