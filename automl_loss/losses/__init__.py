"""Losses: symbolic, handcrafted and neural ones derived from the abstract `Loss`, and conversions of them.

`task_loss` and `catalogue` give the losses in common use; `known_losses` gives known losses as expressions;
`render_module` writes `best_loss.py`, `loss_from_json` reads what `Loss.to_json` wrote. Importing this does
not import torch.
"""

from automl_loss.losses.base import Loss
from automl_loss.losses.formula import formula
from automl_loss.losses.handcrafted import HandcraftedLoss, catalogue, published_losses, task_loss
from automl_loss.losses.known import known_losses
from automl_loss.losses.module import build_module, render_module
from automl_loss.losses.neural import NeuralLoss
from automl_loss.losses.problem import Problem
from automl_loss.losses.serialize import loss_from_json
from automl_loss.losses.symbolic import SymbolicLoss

__all__ = [
    "HandcraftedLoss",
    "Loss",
    "NeuralLoss",
    "Problem",
    "SymbolicLoss",
    "build_module",
    "catalogue",
    "formula",
    "known_losses",
    "loss_from_json",
    "published_losses",
    "render_module",
    "task_loss",
]
