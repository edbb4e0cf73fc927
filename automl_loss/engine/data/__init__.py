"""Hold a task's rows as tensors, corrupt them, and split them anew. `corruption` does not import torch."""
