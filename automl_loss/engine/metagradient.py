r"""Meta-gradients: how the weights phi of a loss M change the task loss T after an inner step under M.

One inner step, exact and without double backward through the network. With
theta1 = theta0 - a (J^T g + decay theta0), J = d raw / d theta and g = dM_phi / d raw at theta0, and
v = dT/dtheta at theta1,

    dT/dphi = -a d/dphi <u, g_phi>,   u = J v.

J and the raw outputs are those of theta0 and shared by all P losses: one forward pass, P vector-Jacobian products,
P validation gradients, P Jacobian-vector products; second derivatives only of the loss, by its kernel.
"""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor
from torch.func import functional_call, jvp, vmap

from automl_loss.engine._attention import plain_attention
from automl_loss.engine._random import seeded
from automl_loss.engine.data import Rows
from automl_loss.engine.network import Network, State
from automl_loss.engine.population import Population
from automl_loss.engine.states import TuningStep
from automl_loss.losses.inputs import prepare


class Path(Enum):
    """How Jacobian-vector products of a network are taken."""

    FORWARD = "forward mode"
    DOUBLE_BACKWARD = "two vector-Jacobian products (the network lacks forward mode)"
    LOOP = "plain differentiation, loss by loss (the network lacks forward mode and double backward)"


class MetaGradient:
    """Meta-gradients of many losses at one state of one network.

    Args:
        network: the architecture.
        task_loss: population of the task loss alone.
        rate: length `a` of the inner step.
        weight_decay: of the inner step.
    """

    def __init__(self, network: Network, task_loss: Population, rate: float, weight_decay: float) -> None:
        self._network = network
        self._task_loss = task_loss
        self._rate = rate
        self._weight_decay = weight_decay

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
        theta = step.state.theta - self._rate * (inner + self._weight_decay * step.state.theta)
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
        slopes = torch.cat([self._task_loss.gradient(row[None].detach(), rows.target) for row in raw])
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

    def unrolled(
        self, population: Population, step: TuningStep, momentum: tuple[float, bool], steps: int
    ) -> tuple[Tensor, Tensor]:
        """Meta-gradients through `steps` inner steps by plain differentiation, loss by loss.

        Args:
            population: the losses, at their present weights and scales.
            step: the state and batches; every inner step takes the same training batch.
            momentum: momentum and whether it is Nesterov's.
            steps: number of inner steps; 1 gives what `exact` gives.

        Returns:
            `(P, K)` derivatives with respect to the weights and `(P,)` with respect to the scale's logarithm.
        """
        to_weights = torch.zeros_like(population.weights)
        to_scale = torch.zeros_like(population.scales)
        for i, loss in enumerate(population.losses):
            phi = population.weights[i].clone().requires_grad_()
            log_scale = population.scales[i].log().requires_grad_()
            reached = self._unroll(population, i, phi[: len(loss.weights)], log_scale, step, momentum, steps)
            to_weights[i], to_scale[i] = torch.autograd.grad(
                reached, (phi, log_scale), materialize_grads=True
            )
        return to_weights, to_scale

    def _unroll(
        self,
        population: Population,
        i: int,
        phi: Tensor,
        log_scale: Tensor,
        step: TuningStep,
        momentum: tuple[float, bool],
        steps: int,
    ) -> Tensor:
        """The task loss after `steps` steps under loss `i`, with a graph back to its weights and scale."""
        network = self._network
        loss, problem = population.losses[i], population.problem
        mass, nesterov = momentum
        rate = self._rate / (1.0 + mass) if nesterov else self._rate
        values = network.leaves(step.state.theta)
        velocity: list[Tensor] | None = None
        for _ in range(steps):
            raw = self._forward(values, step.state, step.train.x, step.seed)[0]
            f, y = prepare(raw, step.train.target, problem.kind, problem.output_dim)
            inner = log_scale.exp() * loss.value(f, y, phi).sum(-1).mean()
            raws = torch.autograd.grad(inner, values, create_graph=True, materialize_grads=True)
            decayed = [g + self._weight_decay * value for g, value in zip(raws, values, strict=True)]
            velocity = (
                decayed
                if velocity is None
                else [mass * v + g for v, g in zip(velocity, decayed, strict=True)]
            )
            update = [g + mass * v for g, v in zip(decayed, velocity, strict=True)] if nesterov else velocity
            values = [value - rate * change for value, change in zip(values, update, strict=True)]
        raw = self._forward(values, step.state, step.validation.x, step.seed)
        task = self._task_loss.losses[0]
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
