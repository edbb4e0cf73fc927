"""Laws of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl_loss.errors import AutolossError
from automl_loss.losses.problem import Problem
from automl_loss.plugins.model import ModelFactory
from automl_loss.testing.law import Subject, law
from automl_loss.testing.randomness import touched

if TYPE_CHECKING:
    from torch import nn

_SHAPES: tuple[tuple[int, ...], ...] = ((6,), (3, 8, 8), (1, 28, 28), (3, 32, 32), (12, 5))
"""Shapes of rows, images and sequences. The first that a model takes is used: the laws are the same for all."""
_ROWS = 3
_CLASSES = 4


def _make(subject: Subject) -> ModelFactory:
    made: ModelFactory = subject.cls(subject.config())
    return made


def _shape(subject: Subject) -> tuple[int, ...]:
    """Return the first of some common input shapes that the model takes."""
    if "shape" not in subject.notes:
        subject.notes["shape"] = _first_shape(subject)
    shape: tuple[int, ...] = subject.notes["shape"]
    return shape


def _first_shape(subject: Subject) -> tuple[int, ...]:
    import torch

    said = []
    for shape in _SHAPES:
        try:
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                _make(subject).build(shape, _CLASSES).eval()(torch.zeros(2, *shape))
            return shape
        except Exception as error:  # a model may refuse shapes that it is not made for
            said.append(f"{shape}: {type(error).__name__}: {error}")
    raise AutolossError("it takes none of the usual input shapes; " + "; ".join(said)[:400])


def _build(subject: Subject, seed: int) -> tuple[nn.Module, tuple[int, ...]]:
    import torch

    shape = _shape(subject)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _make(subject).build(shape, _CLASSES), shape


def _batch(shape: tuple[int, ...]) -> Any:
    import torch

    return torch.randn(_ROWS, *shape, generator=torch.Generator().manual_seed(0))


@law(
    "gives-raw-outputs",
    "The network maps `(batch, *input_shape)` to `(batch, output_dim)` raw outputs, without softmax or sigmoid.",
    "End with a linear layer of `output_dim` units.",
)
def outputs(subject: Subject) -> str | None:
    """Check the outputs' shape and finiteness, and that rows are not probabilities."""
    import torch

    module, shape = _build(subject, 0)
    with torch.no_grad():
        raw = module.eval()(_batch(shape))
    if tuple(raw.shape) != (_ROWS, _CLASSES):
        return f"for {_ROWS} rows of shape {shape} it gave {tuple(raw.shape)}; expected ({_ROWS}, {_CLASSES})"
    if not bool(torch.isfinite(raw).all()):
        return "some outputs are not finite"
    if bool(((raw.sum(1) - 1).abs() < 1e-4).all() and (raw >= 0).all()):
        return "every row is a probability distribution: there is a softmax at the end"
    if bool(((raw > 0) & (raw < 1)).all()) and bool((10 * raw).std() < 5) and _is_sigmoid(module):
        return "there is a sigmoid at the end"
    return None


def _is_sigmoid(module: Any) -> bool:
    import torch

    last = list(module.modules())[-1]
    return isinstance(last, torch.nn.Sigmoid)


@law(
    "seeded",
    "The same state of torch's generator gives the same parameters, and another state others.",
    "Initialise by torch's own generator, which the engine seeds and puts back, and by no other.",
)
def seeded(subject: Subject) -> str | None:
    """Build twice with one seed and once with another."""
    import torch

    first, again, other = (list(_build(subject, seed)[0].parameters()) for seed in (1, 1, 2))
    if not all(torch.equal(a, b) for a, b in zip(first, again, strict=True)):
        return "two builds under one seed differ"
    if all(torch.equal(a, b) for a, b in zip(first, other, strict=True)):
        return "builds under two seeds are equal: nothing is drawn"
    return None


@law(
    "every-build-is-new",
    "Each `build` gives a new network that shares no tensor with an earlier one.",
    "Make the module in `build`, and keep none in `self`.",
)
def fresh(subject: Subject) -> str | None:
    """Build twice by one factory."""
    import torch

    shape = _shape(subject)
    factory = _make(subject)
    with torch.random.fork_rng(devices=[]):
        one, two = factory.build(shape, _CLASSES), factory.build(shape, _CLASSES)
    pointers = {value.data_ptr() for value in one.state_dict().values() if value.numel()}
    shared = [
        name for name, value in two.state_dict().items() if value.numel() and value.data_ptr() in pointers
    ]
    return f"two builds share {', '.join(shared[:3])}" if shared else None


@law(
    "rows-do-not-mix",
    "In evaluation mode a row's output does not depend on the other rows of the batch.",
    "Keep statistics of the batch to training mode, as BatchNorm does.",
)
def rows(subject: Subject) -> str | None:
    """Compare the outputs of a batch with those of the batch without its last row."""
    import torch

    module, shape = _build(subject, 0)
    x = _batch(shape)
    with torch.no_grad():
        whole, part = module.eval()(x), module(x[:-1])
    return (
        None
        if torch.allclose(whole[:-1], part, atol=1e-4, rtol=1e-3)
        else "the first rows change with the batch"
    )


@law(
    "batchable",
    "Several networks can be trained as one batch, and each does as it would alone.",
    "Use layers that torch.vmap has a rule for; others, LSTM say, are trained one by one, several times slower.",
)
def batchable(subject: Subject) -> str | None:
    """Train two networks as one batch in the engine, and each alone."""
    import torch

    from automl_loss.engine.network.network import Network, State

    shape = _shape(subject)
    problem = Problem.classification(shape, _CLASSES)
    net = Network(_make(subject), problem, torch.device("cpu"), torch.float32)
    x = _batch(shape)
    together, _ = net.probe(x[:2])
    if not together:
        return "torch.vmap refuses its code"
    one, two = net.initial(0), net.initial(1)
    pair = net.outputs(State.stack([one, two]), x)
    if not torch.allclose(pair[1], net.outputs(two, x)[0], atol=1e-4, rtol=1e-3):
        return "in a batch of two networks the second gives other outputs than alone"
    return None


@law(
    "can-be-trained",
    "The network has parameters that require a gradient, and gets a finite one.",
    "Leave `requires_grad` on, and compute on tensors throughout.",
)
def trainable(subject: Subject) -> str | None:
    """Run one backward pass."""
    import torch

    module, shape = _build(subject, 0)
    parameters = [p for p in module.parameters() if p.requires_grad]
    if not parameters:
        return "no parameter requires a gradient"
    with torch.random.fork_rng(devices=[]):
        module.train()(_batch(shape)).square().sum().backward()
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients or not all(bool(torch.isfinite(g).all()) for g in gradients):
        return "its gradient is missing or not finite"
    return None


@law(
    "global-randomness-untouched",
    "Building leaves the random state of Python and numpy alone; torch's generator is the engine's business.",
    "Initialise by torch.",
)
def randomness(subject: Subject) -> str | None:
    """Build a network, and compare the random states of Python and numpy."""
    import torch

    shape = _shape(subject)
    with torch.random.fork_rng(devices=[]):
        return touched(lambda: _make(subject).build(shape, _CLASSES), torch_too=False)


LAWS = (outputs, seeded, fresh, rows, batchable, trainable, randomness)
