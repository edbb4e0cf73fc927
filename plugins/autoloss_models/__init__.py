"""Shipped models: linear, MLP, LeNet-5, plain convolutional networks, ResNets and PyramidNet."""
