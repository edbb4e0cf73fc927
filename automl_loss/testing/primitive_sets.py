"""Laws of primitive sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from automl_loss.expression import Expression, PrimitiveSet, compile_program, parse
from automl_loss.expression.primitive import Primitive
from automl_loss.losses.symbolic import SymbolicLoss
from automl_loss.testing.law import Subject, law
from automl_loss.testing.randomness import touched

if TYPE_CHECKING:
    from torch import Tensor

_POINTS = (-1e4, -3.0, -1.0, -0.5, -1e-8, 0.0, 1e-8, 0.5, 1.0, 3.0, 1e4)
_AGREEING = 0.9


def _make(subject: Subject) -> PrimitiveSet:
    made: PrimitiveSet = subject.cls(subject.config())
    return made


def _arguments(arity: int, dtype: Any) -> list[Tensor]:
    import torch

    grid = torch.meshgrid(*[torch.tensor(_POINTS, dtype=dtype)] * arity, indexing="ij")
    return [each.flatten().reshape(-1, 1).clone() for each in grid]


def _functions(subject: Subject) -> Iterator[tuple[Primitive, Any]]:
    for word in _make(subject).functions:
        if word.function is None:
            raise TypeError(f"{word.name} has arity {word.arity} and no function")
        yield word, word.function


@law(
    "names-are-unique",
    "Names are unique, terminals have no arguments and functions one or two.",
    "Rename one of the two; a word is known by its name alone.",
)
def names(subject: Subject) -> str | None:
    """Check names and arities."""
    words = _make(subject)
    everyone = [word.name for word in (*words.functions, *words.terminals)]
    for name in everyone:
        if everyone.count(name) > 1:
            return f"{name} occurs {everyone.count(name)} times"
    wrong = [w.name for w in words.functions if w.arity not in (1, 2)] + [
        w.name for w in words.terminals if w.arity
    ]
    return f"the arity of {', '.join(wrong)} does not fit its place" if wrong else None


@law(
    "says-target-and-prediction",
    "Terminals include `y` and `f`.",
    'Add `*standard_primitives("y", "f")` to the terminals.',
)
def inputs(subject: Subject) -> str | None:
    """Look for both terminals."""
    missing = [name for name in ("y", "f") if name not in [word.name for word in _make(subject).terminals]]
    return f"{' and '.join(missing)} is missing" if missing else None


@law(
    "keeps-shape-and-dtype",
    "A function gives a tensor of its arguments' shape and dtype.",
    "Work elementwise, and make constants with `torch.full_like` or Python numbers.",
)
def shapes(subject: Subject) -> str | None:
    """Evaluate in single and double precision."""
    import torch

    for word, function in _functions(subject):
        for dtype in (torch.float32, torch.float64):
            arguments = _arguments(word.arity, dtype)
            result = function(*arguments)
            if result.shape != arguments[0].shape or result.dtype != dtype:
                shape = tuple(arguments[0].shape)
                return f"{word.name} on {dtype} of shape {shape} gives {result.dtype} of shape {tuple(result.shape)}"
    return None


@law(
    "closed",
    "A function is finite on 0, negative, huge and tiny arguments.",
    "Protect it: log(|x| + 1e-7), x / sqrt(1 + z^2), exp of a capped argument.",
)
def closed(subject: Subject) -> str | None:
    """Evaluate on arguments up to 1e4, in single and double precision."""
    import torch

    for word, function in _functions(subject):
        for dtype in (torch.float32, torch.float64):
            arguments = _arguments(word.arity, dtype)
            bad = ~torch.isfinite(function(*arguments)).flatten()
            if bool(bad.any()):
                return f"{word.name}({_at(arguments, bad)}) is not finite in {dtype}"
    return None


@law(
    "gradient-is-finite",
    "The gradient is finite on the same arguments.",
    "Keep infinite slopes out: clamp before a root or a power, and mind that torch.where differentiates both branches.",
)
def finite_gradient(subject: Subject) -> str | None:
    """Differentiate by autograd."""
    import torch

    for word, function in _functions(subject):
        for dtype in (torch.float32, torch.float64):
            arguments = [each.requires_grad_() for each in _arguments(word.arity, dtype)]
            for gradient in _gradients(function(*arguments), arguments):
                bad = ~torch.isfinite(gradient).flatten()
                if bool(bad.any()):
                    return f"the gradient of {word.name}({_at(arguments, bad)}) is not finite in {dtype}"
    return None


def _gradients(value: Tensor, arguments: list[Tensor]) -> list[Tensor]:
    import torch

    if not value.requires_grad:
        return [torch.zeros_like(each) for each in arguments]
    found = torch.autograd.grad(value.sum(), arguments, allow_unused=True)
    return [torch.zeros_like(a) if g is None else g for g, a in zip(found, arguments, strict=True)]


def _at(arguments: list[Tensor], bad: Tensor) -> str:
    place = int(bad.nonzero()[0])
    return ", ".join(f"{float(each.flatten()[place].detach()):g}" for each in arguments)


@law(
    "gradient-is-right",
    "The gradient is what finite differences give, but for kinks.",
    "Let autograd differentiate; a custom backward must be the derivative.",
)
def right_gradient(subject: Subject) -> str | None:
    """Compare with central differences in double precision on fixed random points."""
    import torch

    step = 1e-6
    for word, function in _functions(subject):
        generator = torch.Generator().manual_seed(0)
        points = [
            torch.rand(200, 1, dtype=torch.float64, generator=generator) * 4 - 2 for _ in range(word.arity)
        ]
        leaves = [each.clone().requires_grad_() for each in points]
        gradients = _gradients(function(*leaves), leaves)
        for place, gradient in enumerate(gradients):
            up, down = (
                [p + sign * step if i == place else p for i, p in enumerate(points)] for sign in (1, -1)
            )
            with torch.no_grad():
                slope = (function(*up) - function(*down)) / (2 * step)
            agree = torch.isclose(slope, gradient, rtol=1e-3, atol=1e-4).double().mean()
            if float(agree) < _AGREEING:
                return f"{word.name}, argument {place + 1}: {1 - float(agree):.0%} of 200 points disagree"
    return None


@law(
    "source-says-the-same",
    "`source` is the function as text, with torch alone: exported losses are made of it.",
    'Write it with {0} and {1} for the arguments, as in "torch.tanh({0})".',
)
def source(subject: Subject) -> str | None:
    """Evaluate function and source on the same points."""
    import torch

    for word, function in _functions(subject):
        arguments = _arguments(word.arity, torch.float64)
        names_ = [f"a{i}" for i in range(word.arity)]
        text = word.source.format(*names_)
        if not text:
            return f"{word.name} has no source"
        value = eval(text, {"torch": torch}, dict(zip(names_, arguments, strict=True)))
        if not torch.allclose(value, function(*arguments), rtol=1e-9, atol=1e-12):
            return f"{word.name}: {word.source} gives other values than the function"
    return None


@law(
    "kernel-says-the-same",
    "Where a word has an opcode, the compiled kernel computes the same function.",
    "Leave `opcode` out: torch evaluates the function then, more slowly.",
)
def kernel(subject: Subject) -> str | None:
    """Compare the values of losses of a single function."""
    import torch

    from automl_loss.engine.kernels import CompiledKernel

    words = _make(subject)
    for word, function in _functions(subject):
        leaves = (Expression(words["f"]), Expression(words["y"]))[: word.arity]
        program = compile_program(Expression(word, leaves))
        if program is None:
            continue
        f, y = _arguments(2, torch.float64)
        weights = torch.ones(1, 1 + word.arity, dtype=torch.float64)
        value = CompiledKernel([program]).value(f[None], y[None], weights)[0]
        expected = function(*(f, y)[: word.arity])
        if not torch.allclose(value, expected, rtol=1e-6, atol=1e-9):
            return f"{word.name} as opcode {word.opcode!r} gives other values than its function"
    return None


@law(
    "commutative-words-commute",
    "A word that is called commutative gives the same when its arguments change places.",
    "Set `commutative=False`.",
)
def commutative(subject: Subject) -> str | None:
    """Evaluate on all pairs of points, in both orders."""
    import torch

    for word, function in _functions(subject):
        if not word.commutative:
            continue
        if word.arity != 2:
            return f"{word.name} has one argument and is called commutative"
        a, b = _arguments(2, torch.float64)
        if not torch.equal(function(a, b), function(b, a)):
            return f"{word.name}(a, b) and {word.name}(b, a) differ"
    return None


@law(
    "words-can-be-read",
    "An expression of these words, written as text, reads back as the same.",
    "Use names without spaces, commas and brackets.",
)
def readable(subject: Subject) -> str | None:
    """Write and parse one expression for each function."""
    words = _make(subject)
    for word in words.functions:
        one = Expression(word, (Expression(words["f"]), Expression(words["y"]))[: word.arity])
        if parse(str(one), words) != one or SymbolicLoss(one).complexity != one.size:
            return f"{one} reads back as {parse(str(one), words)}"
    return None


@law(
    "global-randomness-untouched",
    "Making the set and evaluating its words leave the global random state alone.",
    "Draw in `sample`, from the generator that it is handed.",
)
def randomness(subject: Subject) -> str | None:
    """Evaluate all functions, and compare the global random states."""
    import torch

    return touched(
        lambda: [function(*_arguments(w.arity, torch.float64)) for w, function in _functions(subject)]
    )


LAWS = (
    names, inputs, shapes, closed, finite_gradient, right_gradient, source, kernel, commutative, readable, randomness,
)  # fmt: skip
