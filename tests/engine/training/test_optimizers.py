from __future__ import annotations

import pytest
import torch

from automl_loss.engine.settings import TrainingSettings
from automl_loss.engine.training.optimizers import first_step_rate, make_optimizer

CASES = [
    {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4},
    {"momentum": 0.9, "nesterov": False, "weight_decay": 5e-4},
    {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
    {"momentum": 0.0, "nesterov": True, "weight_decay": 0.01},
    {"optimizer": "adamw", "weight_decay": 0.01},
    {"optimizer": "adamw", "weight_decay": 0.0, "betas": (0.8, 0.95)},
]


def torch_optimizer(
    settings: TrainingSettings, parameters: list[torch.Tensor], lr: float
) -> torch.optim.Optimizer:
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=lr, betas=settings.betas, weight_decay=settings.weight_decay)
    nesterov = settings.nesterov and settings.momentum > 0
    return torch.optim.SGD(
        parameters, lr=lr, momentum=settings.momentum, nesterov=nesterov, weight_decay=settings.weight_decay
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_network_moves_as_under_torchs_own_optimizer_step_for_step(case: dict[str, object]) -> None:
    settings = TrainingSettings(**case)
    generator = torch.Generator().manual_seed(0)
    lrs = [0.01, 0.1, 1.0]
    theta = torch.randn(3, 7, dtype=torch.float64, generator=generator)
    alone = [row.clone().requires_grad_() for row in theta]
    reference = [torch_optimizer(settings, [row], lr) for row, lr in zip(alone, lrs, strict=True)]
    ours = make_optimizer(settings)
    for _ in range(12):
        gradient = torch.randn(3, 7, dtype=torch.float64, generator=generator)
        for row, own, optimizer in zip(alone, gradient, reference, strict=True):
            row.grad = own.clone()
            optimizer.step()
        ours.step(
            theta,
            [gradient[:, :3].clone(), gradient[:, 3:].clone()],
            torch.tensor(lrs, dtype=torch.float64)[:, None],
        )
        torch.testing.assert_close(
            theta, torch.stack([row.detach() for row in alone]), rtol=1e-12, atol=1e-14
        )


def test_the_first_step_has_the_length_that_meta_gradients_assume() -> None:
    for nesterov in (True, False):
        settings = TrainingSettings(momentum=0.9, nesterov=nesterov, weight_decay=0.1)
        start = torch.randn(1, 5, dtype=torch.float64)
        gradient = torch.randn(1, 5, dtype=torch.float64)
        theta = start.clone()
        make_optimizer(settings).step(theta, [gradient.clone()], torch.tensor([[0.02]], dtype=torch.float64))
        expected = start - first_step_rate(settings, 0.02) * (gradient + 0.1 * start)
        torch.testing.assert_close(theta, expected, rtol=1e-12, atol=1e-14)
