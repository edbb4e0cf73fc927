"""Define `Network`, a base network as a function of flat parameters, for one candidate or many at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from automl_loss.engine._random import seeded
from automl_loss.engine.data.rows import Rows
from automl_loss.engine.network._attention import plain_attention
from automl_loss.engine.network.layers import Layers
from automl_loss.errors import AutolossError, NetworkError
from automl_loss.losses.problem import Problem
from automl_loss.plugins.model import ModelFactory

_EVALUATION_ELEMENTS = 16_000_000
"""Maximum elements of the widest activation for a block of rows in evaluation, which bounds the memory."""


@dataclass
class State:
    """Parameters and buffers of `P` networks of one architecture.

    `theta` is one `(P, parameters)` tensor; the network's parameter tensors are views of it, so an optimiser step or
    a snapshot is a handful of operations whatever the architecture. Buffers (BatchNorm statistics, and parameters that
    the user froze) are the network's own tensors with a leading dimension P: each candidate has its own.
    """

    theta: Tensor
    buffers: dict[str, Tensor]

    @property
    def width(self) -> int:
        """Number of networks."""
        return len(self.theta)

    def clone(self) -> State:
        """Return a copy that shares no memory."""
        return State(self.theta.clone(), {name: buffer.clone() for name, buffer in self.buffers.items()})

    def row(self, i: int) -> State:
        """Return a copy of one network, as a state of width 1."""
        part = slice(i, i + 1)
        return State(
            self.theta[part].clone(), {name: value[part].clone() for name, value in self.buffers.items()}
        )

    def expand(self, width: int) -> State:
        """Return a state of `width` copies of this single network."""
        theta = self.theta.expand(width, -1).clone()
        buffers = {
            name: value.expand(width, *value.shape[1:]).clone() for name, value in self.buffers.items()
        }
        return State(theta, buffers)

    def copy_rows(self, other: State, rows: Tensor) -> None:
        """Copy the networks of `other` where the `(P,)` mask `rows` is true."""
        self.theta[rows] = other.theta[rows]
        for name, buffer in self.buffers.items():
            buffer[rows] = other.buffers[name][rows]

    @staticmethod
    def stack(states: list[State]) -> State:
        """Join states of one or more networks into one."""
        theta = torch.cat([state.theta for state in states])
        names = states[0].buffers
        return State(theta, {name: torch.cat([state.buffers[name] for state in states]) for name in names})


class Network:
    """A network architecture, without parameters of its own.

    Args:
        factory: makes freshly initialised modules (a model plugin).
        problem: gives input shape and number of outputs.
        device: device of states.
        dtype: dtype of parameters and raw outputs.
        mixed: whether layers compute in bfloat16 where torch.autocast does; raw outputs, and with them every loss,
            stay in `dtype`.
    """

    def __init__(
        self,
        factory: ModelFactory,
        problem: Problem,
        device: torch.device,
        dtype: torch.dtype,
        *,
        mixed: bool = False,
    ) -> None:
        self._factory = factory
        self._problem = problem
        self.device = device
        self.dtype = dtype
        self._mixed = mixed
        with seeded(0, device):
            self._module = self._build()
        parameters = {n: p for n, p in self._module.named_parameters() if p.requires_grad}
        if not parameters:
            raise NetworkError(
                f"model {type(self._module).__name__} has no parameters that require a gradient; none can be trained."
            )
        self._shapes = {name: tuple(value.shape) for name, value in parameters.items()}
        self._sizes = [value.numel() for value in parameters.values()]
        self.parameters = sum(self._sizes)
        self._layers = None if mixed else Layers.of(self._module, problem.input_shape)
        self._channels_last = False
        self._widest = math.prod(problem.input_shape)

    @property
    def module(self) -> nn.Module:
        """The module whose code runs; its own parameters are never used."""
        return self._module

    def probe(self, x: Tensor) -> tuple[bool, bool]:
        """Probe whether the network can be batched and whether it draws random numbers; later passes use the result.

        Args:
            x: `(rows, *input_shape)` inputs.

        Returns:
            Whether several networks can be batched (torch.vmap has no rule for recurrent layers, say), and whether
            training draws random numbers (dropout).

        Raises:
            NetworkError: it cannot be trained: it fails, or gives no finite outputs with a gradient.
        """
        try:
            return self._probe(x)
        except AutolossError:
            raise
        except (Exception, SystemExit) as error:
            raise NetworkError(
                f"model {type(self._module).__name__} failed on {len(x)} training rows of shape {tuple(x.shape[1:])}: "
                f"{' '.join(f'{type(error).__name__}: {error}'.split())}"
            ) from error

    def _probe(self, x: Tensor) -> tuple[bool, bool]:
        name = type(self._module).__name__
        pair = self.initial(0).expand(2)
        single = self.initial(0)
        self._check_initial(pair.row(0), single)
        self._widest = self._widest_activation(single, x.clone())

        def outputs(state: State, seed: int) -> Tensor:
            leaves = self.leaves(state.theta)
            with seeded(seed, self.device):
                raw = self.forward(leaves, state.clone().buffers, x.clone(), shared=True, train=True)
            if not raw.requires_grad:
                raise NetworkError(
                    f"model {name} gave outputs that have no gradient; compute them from its parameters by torch, "
                    f"without `detach`, `no_grad` or numpy."
                )
            torch.autograd.grad(raw.sum(), leaves, allow_unused=True)
            return raw.detach()

        first = outputs(single, 0)
        if first.shape[1] != len(x):
            raise NetworkError(
                f"model {name} gave outputs of shape {tuple(first.shape[1:])} for {len(x)} rows; expected "
                f"({len(x)}, {self._problem.output_dim})."
            )
        if not bool(torch.isfinite(first).all()):
            raise NetworkError(
                f"model {name} gave outputs that are not finite on the first {len(x)} training rows at its initial "
                f"parameters; check its initialisation and divisions."
            )
        random = not torch.equal(first, outputs(single, 1))
        # Dropout masks depend on the memory layout, and must be functions of the seed alone.
        convolutional = any(isinstance(module, nn.Conv2d) for module in self._module.modules())
        self._channels_last = convolutional and not random
        try:
            outputs(pair, 0)
        except (RuntimeError, NotImplementedError):
            return False, random
        return True, random

    def _check_initial(self, one: State, again: State) -> None:
        """Check that a seed stands for one network."""
        if not torch.equal(torch.nan_to_num(one.theta), torch.nan_to_num(again.theta)):
            raise NetworkError(
                f"model {type(self._module).__name__} has other initial parameters when it is built again under one "
                f"seed; draw them from torch's global generator, as torch.nn.init does."
            )
        if not bool(torch.isfinite(again.theta).all()):
            raise NetworkError(
                f"model {type(self._module).__name__} has initial parameters that are not finite; check its "
                f"initialisation."
            )

    def _build(self) -> nn.Module:
        module = self._factory.build(self._problem.input_shape, self._problem.output_dim)
        try:
            return module.to(device=self.device, dtype=self.dtype)
        except (RuntimeError, NotImplementedError) as error:
            raise NetworkError(
                f"model {type(module).__name__} cannot be moved to {self.device} as {self.dtype}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def initial(self, seed: int) -> State:
        """Return a freshly initialised state of width 1, a function of the seed alone."""
        with seeded(seed, self.device):
            module = self._build()
        named = dict(module.named_parameters())
        shapes = {name: tuple(value.shape) for name, value in named.items() if value.requires_grad}
        if shapes != self._shapes:
            raise NetworkError(
                f"model {type(module).__name__} is another architecture when it is built again: "
                f"{_difference(self._shapes, shapes)}; it must be a function of its options alone."
            )
        theta = torch.cat([named[name].detach().reshape(-1) for name in self._shapes])
        frozen = {name: value for name, value in named.items() if name not in self._shapes}
        rest = {**dict(module.named_buffers()), **frozen}
        buffers = {name: value.detach().clone()[None] for name, value in rest.items()}
        return State(theta[None], buffers)

    def leaves(self, theta: Tensor) -> list[Tensor]:
        """Return differentiable views of `(P, parameters)`, one per parameter tensor, each `(P, *shape)`."""
        pieces = torch.split(theta.detach(), self._sizes, dim=1)
        return [
            piece.view(len(theta), *shape).requires_grad_()
            for piece, shape in zip(pieces, self._shapes.values(), strict=True)
        ]

    def flatten(self, tensors: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
        """Join gradients of `leaves` into `(P, parameters)`, the inverse of `leaves`."""
        return torch.cat([tensor.reshape(len(tensor), -1) for tensor in tensors], dim=1)

    def differentiable(
        self, state: State, x: Tensor, *, shared: bool
    ) -> tuple[Tensor, Callable[[Tensor], Sequence[Tensor]]]:
        """Compute raw outputs of P networks in training mode, and a function for the gradients.

        Args:
            state: buffers are updated in place.
            x: `(batch, *input_shape)` when `shared`, else `(P, batch, *input_shape)`.
            shared: whether all networks see the same inputs.

        Returns:
            `(P, batch, output_dim)` raw outputs without a graph, and a function from derivatives with respect to
            them to gradients `(P, ...)` that, flattened and side by side, have the shape of `state.theta`. It can
            be called once, before the parameters change.
        """
        if self._layers is not None:
            layers, made = self._layers, self._layers.run(state.theta, x, shared=shared)
            self._checked(made[-1])
            return made[-1], lambda slopes: [layers.gradient(state.theta, made, slopes)]
        leaves = self.leaves(state.theta)
        raw = self.forward(leaves, state.buffers, x, shared=shared, train=True)
        return raw.detach(), lambda slopes: torch.autograd.grad(raw, leaves, slopes, materialize_grads=True)

    def forward(
        self, leaves: list[Tensor], buffers: dict[str, Tensor], x: Tensor, *, shared: bool, train: bool
    ) -> Tensor:
        """Compute raw outputs of P networks.

        Args:
            leaves: parameter tensors `(P, *shape)`.
            buffers: buffers `(P, *shape)`; updated in place when `train`.
            x: `(batch, *input_shape)` when `shared`, else `(P, batch, *input_shape)`.
            shared: whether all networks see the same inputs.
            train: dropout and BatchNorm in training mode.

        Returns:
            `(P, batch, output_dim)`.
        """
        self._module.train(train)
        parameters = dict(zip(self._shapes, leaves, strict=True))
        with plain_attention(), self._precision():
            if len(leaves[0]) == 1:
                single = self.call(
                    {name: self._laid_out(value.squeeze(0)) for name, value in parameters.items()},
                    {name: value.squeeze(0) for name, value in buffers.items()},
                    self._laid_out(x if shared else x.squeeze(0)),
                )
                return self._checked(self._converted(single))[None]
            call = vmap(self.call, in_dims=(0, 0, None if shared else 0), randomness="same")
            return self._checked(self._converted(call(parameters, buffers, x)))

    def _converted(self, raw: Tensor) -> Tensor:
        """Convert raw outputs to the network's dtype; what is no tensor is left to `_checked`."""
        return raw.to(self.dtype) if isinstance(raw, Tensor) else raw

    def _precision(self) -> torch.autocast:
        """Enable mixed precision if it is set; without autocast's cache, which does not support vmap's tensors."""
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self._mixed, cache_enabled=False
        )

    def _laid_out(self, tensor: Tensor) -> Tensor:
        """Convert images and filters to channels-last layout, in which convolutions and pooling are fastest."""
        if self._channels_last and tensor.ndim == 4:
            return tensor.contiguous(memory_format=torch.channels_last)
        return tensor

    def call(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        """Compute raw outputs `(batch, output_dim)` of one network, as a pure function for torch.func."""
        outputs: Tensor = functional_call(self._module, (parameters, buffers), (x,))
        return outputs

    def named(self, leaves: list[Tensor] | tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return the leaves by parameter name."""
        return dict(zip(self._shapes, leaves, strict=True))

    def outputs(self, state: State, x: Tensor | Rows) -> Tensor:
        """Compute raw outputs `(P, rows, output_dim)` in evaluation mode, without a graph or augmentation."""
        rows = max(1, _EVALUATION_ELEMENTS // (state.width * self._widest))
        blocks: Iterable[Tensor] = torch.split(x, rows) if isinstance(x, Tensor) else x.blocks(rows)
        forward: Callable[[Tensor], Tensor]
        if self._layers is not None:
            forward = partial(self._layers.outputs, state.theta)
        else:
            leaves = [leaf.detach() for leaf in self.leaves(state.theta)]
            forward = partial(self._evaluate, leaves, state.buffers)
        with torch.no_grad():
            made = [forward(block) for block in blocks]
            return made[0] if len(made) == 1 else torch.cat(made, dim=1)

    def _widest_activation(self, state: State, x: Tensor) -> int:
        """Return the maximum number of elements of a row's activations and input."""
        widest = x[0].numel()

        def look(_: nn.Module, __: object, output: object) -> None:
            nonlocal widest
            if isinstance(output, Tensor) and len(output) == len(x):
                widest = max(widest, output[0].numel())

        handles = [module.register_forward_hook(look) for module in self._module.modules()]
        try:
            leaves = [leaf.detach() for leaf in self.leaves(state.theta)]
            with torch.no_grad():
                self._evaluate(leaves, state.clone().buffers, x)
        finally:
            for handle in handles:
                handle.remove()
        return widest

    def _evaluate(self, leaves: list[Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return self.forward(leaves, buffers, x, shared=True, train=False)

    def _checked(self, raw: Tensor) -> Tensor:
        if not isinstance(raw, Tensor):
            raise NetworkError(
                f"model {type(self._module).__name__} gave a {type(raw).__name__}; expected one tensor of raw outputs, "
                f"(batch, {self._problem.output_dim})."
            )
        if raw.shape[-1] != self._problem.output_dim or raw.ndim not in (2, 3):
            raise NetworkError(
                f"model {type(self._module).__name__} gave outputs of shape {tuple(raw.shape)}; "
                f"expected (batch, {self._problem.output_dim}). Return raw outputs, one per class or target."
            )
        return raw


def _difference(one: dict[str, tuple[int, ...]], other: dict[str, tuple[int, ...]]) -> str:
    """Name a parameter in which two networks differ."""
    name = next(name for name in [*one, *other] if one.get(name) != other.get(name))
    return f"parameter {name} has shape {one.get(name)}, and then {other.get(name)}"
