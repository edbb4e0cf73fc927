"""Tuning the weights of losses by meta-gradients."""
