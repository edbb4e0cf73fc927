"""Evaluate and differentiate chains of dense layers and activations, for P networks at once, without autograd.

Batching serves small networks, and on them the bookkeeping of vmap and autograd costs more than the arithmetic. A
chain needs neither: a layer is one batched matrix product each way, and its gradient is written directly to the
memory that the optimiser reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class _Dense:
    """A dense layer: the offsets of its weights and biases in the flat parameters."""

    weight: int
    bias: int | None
    inputs: int
    outputs: int

    def matrix(self, flat: Tensor) -> Tensor:
        """Return the weights as a `(P, outputs, inputs)` view of `(P, parameters)`."""
        size = self.inputs * self.outputs
        return flat[:, self.weight : self.weight + size].view(len(flat), self.outputs, self.inputs)

    def offset(self, flat: Tensor) -> Tensor | None:
        """Return the biases as a `(P, outputs)` view, or `None`."""
        return None if self.bias is None else flat[:, self.bias : self.bias + self.outputs]


class Layers:
    """A network that is a chain of dense layers with ReLU or tanh between them.

    Make it by `Layers.of`, which recognises such networks.
    """

    def __init__(self, chain: list[_Dense | str]) -> None:
        self._chain = chain
        self._scratch: Tensor | None = None

    @classmethod
    def of(cls, module: nn.Module, input_shape: tuple[int, ...]) -> Layers | None:
        """Convert a module to a chain, or return `None` when it is not one."""
        parameters = list(module.parameters())
        if any(True for _ in module.buffers()) or not all(p.requires_grad for p in parameters):
            return None
        chain: list[_Dense | str] = []
        place, flat = 0, len(input_shape) == 1
        for part in _parts(module):
            if part is None:
                return None
            if type(part) is nn.Flatten and (part.start_dim, part.end_dim) == (1, -1):
                flat = True
            elif type(part) is nn.Linear and flat:
                size = part.weight.numel()
                bias = None if part.bias is None else place + size
                chain.append(_Dense(place, bias, part.in_features, part.out_features))
                place += size + (0 if bias is None else part.out_features)
            elif type(part) is nn.ReLU:
                chain.append("relu")
            elif type(part) is nn.Tanh:
                chain.append("tanh")
            elif not (type(part) is nn.Identity or (type(part) is nn.Dropout and part.p == 0)):
                return None
        # A layer that occurs twice has its parameters listed once, so the sizes differ.
        whole = place == sum(p.numel() for p in parameters)
        return cls(chain) if chain and isinstance(chain[0], _Dense) and whole else None

    def outputs(self, theta: Tensor, x: Tensor) -> Tensor:
        """Return `(P, batch, outputs)` raw outputs; `x` is `(batch, ...)`, or `(P, batch, ...)` with `theta`'s `P`."""
        return self.run(theta, x, shared=True)[-1]

    def run(self, theta: Tensor, x: Tensor, *, shared: bool) -> list[Tensor]:
        """Return the inputs and each layer's output, `(P, batch, units)`; an activation works in place.

        Args:
            theta: `(P, parameters)`.
            x: `(batch, ...)` when `shared`, else `(P, batch, ...)`.
            shared: whether all networks see the same inputs.
        """
        values = x.flatten(1)[None].expand(len(theta), -1, -1) if shared else x.flatten(2)
        made = [values]
        for link in self._chain:
            if link == "relu":
                values = values.relu_()
            elif link == "tanh":
                values = values.tanh_()
            elif isinstance(link, _Dense):
                values = _affine(values, link.matrix(theta).transpose(1, 2), link.offset(theta))
                made.append(values)
        return made

    def gradient(self, theta: Tensor, made: list[Tensor], slopes: Tensor) -> Tensor:
        """Return `(P, parameters)` gradients, in memory that the next call reuses.

        Args:
            theta: as in `run`.
            made: the result of `run`.
            slopes: `(P, batch, outputs)` derivatives with respect to the raw outputs.
        """
        if self._scratch is None or self._scratch.shape != theta.shape or self._scratch.dtype != theta.dtype:
            self._scratch = torch.empty_like(theta)
        result, back, place = self._scratch, slopes, len(made) - 1
        for link in reversed(self._chain):
            if link == "relu":
                back = torch.ops.aten.threshold_backward(back, made[place], 0)
            elif link == "tanh":
                back = back * (1.0 - made[place].square())
            elif isinstance(link, _Dense):
                place -= 1
                _product(back.transpose(1, 2), made[place], out=link.matrix(result))
                offset = link.offset(result)
                if offset is not None:
                    torch.sum(back, 1, out=offset)
                if place:
                    back = _product(back, link.matrix(theta))
        return result


def _parts(module: nn.Module) -> Iterator[nn.Module | None]:
    """Yield the modules that a sequence calls, in order; `None` for one with hooks, which could change it."""
    if any((module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)):
        yield None
    elif type(module) is nn.Sequential:
        for child in module:
            yield from _parts(child)
    else:
        yield module


def _affine(values: Tensor, matrix: Tensor, offset: Tensor | None) -> Tensor:
    if offset is None:
        return _product(values, matrix)
    if len(matrix) == 1:
        return torch.addmm(offset[0], values[0], matrix[0])[None]
    return torch.baddbmm(offset[:, None], values, matrix)


def _product(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """Compute a batched matrix product; for a single pair by the plain one, which is faster."""
    if len(left) == 1:
        return torch.mm(left[0], right[0], out=None if out is None else out[0])[None]
    return torch.bmm(left, right, out=out)
