r"""Meta-gradients: how the weights phi of a loss M change the task loss T after an inner step under M.

One inner step, exact and without double backward through the network. With
theta1 = theta0 - a (J^T g + decay theta0), J = d raw / d theta and g = dM_phi / d raw at theta0, and
v = dT/dtheta at theta1,

    dT/dphi = -a d/dphi <u, g_phi>,   u = J v.

J and the raw outputs are those of theta0 and shared by all P losses: one forward pass, P vector-Jacobian products,
P validation gradients, P Jacobian-vector products; second derivatives only of the loss, by its kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor
from torch.func import functional_call, jvp, vmap

from automl_loss.engine._random import seeded
from automl_loss.engine.data.rows import Rows
from automl_loss.engine.network._attention import plain_attention
from automl_loss.engine.network.network import Network, State
from automl_loss.engine.population import Population
from automl_loss.engine.settings import TrainingSettings
from automl_loss.engine.training.optimizers import first_step_rate
from automl_loss.losses.base import Loss
from automl_loss.losses.inputs import prepare


@dataclass(frozen=True)
class TuningStep:
    """One meta-gradient step's state and batches.

    Args:
        state: a single network.
        train: the batch of the inner step.
        validation: the batch of the task loss.
        seed: of the dropout masks, the same in every pass of the step.
    """

    state: State
    train: Rows
    validation: Rows
    seed: int = 0


class Path(Enum):
    """How Jacobian-vector products of a network are taken."""

    FORWARD = "forward mode"
    DOUBLE_BACKWARD = "two vector-Jacobian products (the network lacks forward mode)"
    LOOP = "plain differentiation, loss by loss (the network lacks forward mode and double backward)"


@dataclass(frozen=True)
class InnerStep:
    """The training step that meta-gradients are taken through.

    Args:
        first: length `a` of a first step: lr (1 + momentum) with Nesterov momentum, lr without.
        momentum: of SGD; 0 without.
        nesterov: whether momentum is Nesterov's.
        weight_decay: of SGD.
    """

    first: float
    momentum: float
    nesterov: bool
    weight_decay: float

    @classmethod
    def of(cls, settings: TrainingSettings, lr: float) -> InnerStep:
        """The first step of a training run. AdamW's is taken for plain SGD's."""
        sgd = settings.optimizer == "sgd"
        return cls(
            first=first_step_rate(settings, lr),
            momentum=settings.momentum if sgd else 0.0,
            nesterov=sgd and settings.nesterov,
            weight_decay=settings.weight_decay if sgd else 0.0,
        )


class MetaGradient:
    """Meta-gradients of many losses at one state of one network.

    Args:
        network: the architecture.
        task_loss: population of the task loss alone.
        inner: the inner step.
    """

    def __init__(self, network: Network, task_loss: Population, inner: InnerStep) -> None:
        self.task_loss = task_loss
        self.inner = inner
        self._network = network

    def exact(
        self, population: Population, step: TuningStep, path: Path = Path.FORWARD
    ) -> tuple[Tensor, Tensor]:
        """Raw outputs of the training batch, and the directions u of all losses.

        Returns:
            `(1, batch, outputs)` raw outputs at theta0 and `(P, batch, outputs)` directions; the meta-gradient is
            `-a * population.weight_gradient(raw, target, u)`.
        """
        if path is Path.LOOP:
            raise ValueError("the plain path has no directions; use `unrolled`")
        network = self._network
        leaves = network.leaves(step.state.theta)
        raw = self._forward(leaves, step.state, step.train.x, step.seed)
        slopes = population.gradient(raw, step.train.target)
        inner = network.flatten(
            [g.flatten(0, 1) for g in _gradients(raw, leaves, slopes[:, None], batched=True)]
        )
        theta = step.state.theta - self.inner.first * (inner + self.inner.weight_decay * step.state.theta)
        state = State(theta, step.state.expand(len(theta)).buffers)
        after = self.task_gradient(state, step.validation, step.seed)
        return raw.detach(), self._push_forward(step, after, path)

    def at_start(self, step: TuningStep, path: Path = Path.FORWARD) -> tuple[Tensor, Tensor]:
        """The same with v taken at theta0, where it holds nothing of any loss: the amortised direction u0.

        Returns:
            `(1, batch, outputs)` raw outputs and `(1, batch, outputs)` direction.
        """
        leaves = self._network.leaves(step.state.theta)
        with torch.no_grad():
            raw = self._forward(leaves, step.state, step.train.x, step.seed)
        gradient = self.task_gradient(step.state, step.validation, step.seed)
        return raw, self._push_forward(step, gradient, path)

    def task_gradient(self, state: State, rows: Rows, seed: int) -> Tensor:
        """`(P, parameters)` gradients of the task loss at P states."""
        leaves = self._network.leaves(state.theta)
        raw = self._forward(leaves, state, rows.x, seed)
        slopes = torch.cat([self.task_loss.gradient(row[None].detach(), rows.target) for row in raw])
        return self._network.flatten(_gradients(raw, leaves, slopes))

    def _forward(self, leaves: list[Tensor], state: State, x: Tensor, seed: int) -> Tensor:
        """Training-mode outputs that leave the state's buffers as they are and draw fixed dropout masks."""
        buffers = {name: value.clone() for name, value in state.buffers.items()}
        with seeded(seed, self._network.device):
            return self._network.forward(leaves, buffers, x, shared=True, train=True)

    def _push_forward(self, step: TuningStep, vectors: Tensor, path: Path) -> Tensor:
        """Jacobian-vector products J v at a single state, `(P, batch, outputs)`."""
        if path is Path.DOUBLE_BACKWARD:
            return self._push_by_double_backward(step, vectors)
        network = self._network
        parameters = network.named([leaf.detach().squeeze(0) for leaf in network.leaves(step.state.theta)])
        network.module.train(True)

        def outputs(values: dict[str, Tensor]) -> Tensor:
            buffers = {name: value.squeeze(0).clone() for name, value in step.state.buffers.items()}
            with plain_attention():
                result: Tensor = functional_call(network.module, (values, buffers), (step.train.x,))
            return result

        def product(vector: dict[str, Tensor]) -> Tensor:
            result: Tensor = jvp(outputs, (parameters,), (vector,))[1]
            return result

        rows = network.named([leaf.detach() for leaf in network.leaves(vectors)])
        with seeded(step.seed, network.device):
            if len(vectors) == 1:
                return product({name: value.squeeze(0) for name, value in rows.items()})[None].detach()
            products: Tensor = vmap(product, randomness="same")(rows)
        return products.detach()

    def _push_by_double_backward(self, step: TuningStep, vectors: Tensor) -> Tensor:
        """J v as the derivative of <J^T w, v> with respect to w, for networks without forward mode."""
        leaves = self._network.leaves(step.state.theta)
        raw = self._forward(leaves, step.state, step.train.x, step.seed)
        covector = torch.zeros_like(raw, requires_grad=True)
        pulled = torch.autograd.grad(raw, leaves, covector, create_graph=True, materialize_grads=True)
        flat = self._network.flatten(pulled)
        products = [
            torch.autograd.grad(flat, covector, vector[None], retain_graph=True)[0] for vector in vectors
        ]
        return torch.cat(products)

    def probe(self, step: TuningStep) -> Path:
        """The fastest path that this network supports, tried on a small batch."""
        small = TuningStep(step.state, step.train[torch.arange(2)], step.validation[torch.arange(2)])
        vector = torch.ones_like(step.state.theta)
        for path in (Path.FORWARD, Path.DOUBLE_BACKWARD):
            try:
                self._push_forward(small, torch.cat([vector, vector]), path)
            except (NotImplementedError, RuntimeError):
                continue
            return path
        return Path.LOOP

    def unrolled(self, population: Population, step: TuningStep, steps: int) -> tuple[Tensor, Tensor]:
        """Meta-gradients through `steps` inner steps by plain differentiation, loss by loss.

        Args:
            population: the losses, at their present weights and scales.
            step: the state and batches; every inner step takes the same training batch.
            steps: number of inner steps; 1 gives what `exact` gives.

        Returns:
            `(P, K)` derivatives with respect to the weights and `(P,)` with respect to the scale's logarithm.
        """
        problem = population.problem
        to_weights = torch.zeros_like(population.weights)
        to_scale = torch.zeros_like(population.scales)
        for i, loss in enumerate(population.losses):
            phi = population.weights[i].clone().requires_grad_()
            log_scale = population.scales[i].log().requires_grad_()

            def inner(
                raw: Tensor, loss: Loss = loss, phi: Tensor = phi, log_scale: Tensor = log_scale
            ) -> Tensor:
                f, y = prepare(raw, step.train.target, problem.kind, problem.output_dim)
                return log_scale.exp() * loss.value(f, y, phi[: len(loss.weights)]).sum(-1).mean()

            reached = self._unroll(inner, step, steps)
            to_weights[i], to_scale[i] = torch.autograd.grad(
                reached, (phi, log_scale), materialize_grads=True
            )
        return to_weights, to_scale

    def _unroll(self, loss: Callable[[Tensor], Tensor], step: TuningStep, steps: int) -> Tensor:
        """The task loss after `steps` steps under a loss of raw outputs, with a graph back to its weights and scale."""
        network, inner = self._network, self.inner
        mass = inner.momentum
        rate = inner.first / (1.0 + mass) if inner.nesterov else inner.first
        values = network.leaves(step.state.theta)
        velocity: list[Tensor] | None = None
        for _ in range(steps):
            raw = self._forward(values, step.state, step.train.x, step.seed)[0]
            raws = torch.autograd.grad(loss(raw), values, create_graph=True, materialize_grads=True)
            decayed = [g + inner.weight_decay * value for g, value in zip(raws, values, strict=True)]
            velocity = (
                decayed
                if velocity is None
                else [mass * v + g for v, g in zip(velocity, decayed, strict=True)]
            )
            update = (
                [g + mass * v for g, v in zip(decayed, velocity, strict=True)] if inner.nesterov else velocity
            )
            values = [value - rate * change for value, change in zip(values, update, strict=True)]
        raw = self._forward(values, step.state, step.validation.x, step.seed)
        task = self.task_loss.losses[0]
        reached = task.value(raw[0], step.validation.target)
        return reached.reshape(len(reached), -1).sum(-1).mean() * task.scale


def _gradients(
    raw: Tensor, leaves: list[Tensor], slopes: Tensor, *, batched: bool = False
) -> tuple[Tensor, ...]:
    """Vector-Jacobian products; `batched`: one for each row of `slopes`."""
    if batched and len(slopes) == 1:
        single = torch.autograd.grad(raw, leaves, slopes[0], materialize_grads=True)
        return tuple(gradient[None] for gradient in single)
    return torch.autograd.grad(raw, leaves, slopes, materialize_grads=True, is_grads_batched=batched)
