from __future__ import annotations

import itertools
import math
import pickle

import pytest
import sympy
import torch

from automl_loss import ExpressionError
from automl_loss.expression import Primitive, constant, standard_primitives
from automl_loss.expression.vocabulary import is_standard

POINTS = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.3,
    -2.5,
    1e-7,
    -1e-7,
    1e-30,
    -1e-38,
    1e-45,
    50.0,
    88.0,
    1e4,
    -1e4,
    1e12,
    -1e12,
    1e18,
]
FUNCTIONS = [word for word in standard_primitives() if word.arity]

REFERENCE = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / math.sqrt(1 + b * b),
    "min": min,
    "max": max,
    "sign": lambda x: (x > 0) - (x < 0),
    "square": lambda x: x * x,
    "abs": abs,
    "log": lambda x: math.log(abs(x) + 1e-7),
    "sqrt": lambda x: math.sqrt(abs(x) + 1e-7),
    "tanh": math.tanh,
    "exp": lambda x: math.exp(min(x, 50.0)),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x > -700 else 0.0,
    "power": lambda a, b: math.exp(min(b * math.log(abs(a) + 1e-7), 50.0)),
}


def arguments(word: Primitive, dtype: torch.dtype) -> list[torch.Tensor]:
    """Every combination of the points."""
    rows = list(itertools.product(POINTS, repeat=word.arity))
    return [torch.tensor(column, dtype=dtype, requires_grad=True) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("word", FUNCTIONS, ids=lambda word: word.name)
def test_values_are_those_of_the_formula(word: Primitive) -> None:
    inputs = arguments(word, torch.float64)
    expected = [REFERENCE[word.name](*row) for row in zip(*(x.tolist() for x in inputs), strict=True)]
    torch.testing.assert_close(word.function(*inputs), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("word", FUNCTIONS, ids=lambda word: word.name)
def test_value_and_gradient_are_finite_in_float32(word: Primitive) -> None:
    inputs = arguments(word, torch.float32)
    value = word.function(*inputs)
    assert value.shape == inputs[0].shape
    assert value.dtype == torch.float32
    assert value.isfinite().all()
    for gradient in torch.autograd.grad(value.sum(), inputs):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("word", FUNCTIONS, ids=lambda word: word.name)
def test_source_text_computes_the_same_bits(word: Primitive) -> None:
    inputs = [x.detach() for x in arguments(word, torch.float32)]
    names = [f"x{i}" for i in range(word.arity)]
    value = eval(word.source.format(*names), {"torch": torch, **dict(zip(names, inputs, strict=True))})
    assert torch.equal(value, word.function(*inputs))


@pytest.mark.parametrize("word", FUNCTIONS, ids=lambda word: word.name)
def test_the_sympy_form_has_the_same_value(word: Primitive) -> None:
    symbols = sympy.symbols("a b", real=True)[: word.arity]
    form = word.sympy(*symbols)
    for point in itertools.product((-2.5, 0.0, 0.3, 60.0), repeat=word.arity):
        value = float(form.subs(dict(zip(symbols, point, strict=True))))
        assert value == pytest.approx(REFERENCE[word.name](*point), rel=1e-9)


@pytest.mark.parametrize(("name", "slope"), [("abs", 0.0), ("log", 0.0), ("sqrt", 0.0), ("sign", 0.0)])
def test_the_gradient_at_the_kink_is_zero(name: str, slope: float) -> None:
    (word,) = standard_primitives(name)
    x = torch.zeros(1, requires_grad=True)
    assert torch.autograd.grad(word.function(x), x)[0].item() == slope


@pytest.mark.parametrize("name", ["min", "max"])
def test_ties_share_the_gradient(name: str) -> None:
    (word,) = standard_primitives(name)
    a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    assert [g.item() for g in torch.autograd.grad(word.function(a, b), (a, b))] == [0.5, 0.5]


def test_commutative_words_are() -> None:
    commutative = {word.name for word in FUNCTIONS if word.commutative}
    assert commutative == {"add", "mul", "min", "max"}


def test_words_are_picklable_and_stay_standard() -> None:
    for word in standard_primitives():
        twin = pickle.loads(pickle.dumps(word))
        assert twin == word
        assert twin.function is word.function
        assert is_standard(twin)
    assert not is_standard(Primitive("log", 1, torch.log1p))
    assert not is_standard(constant(2.0))


@pytest.mark.parametrize(
    ("value", "name"),
    [(1.0, "1"), (-1, "-1"), (0.1, "0.1"), (-0.0, "0"), (1e22, "1e+22"), (1 / 3, "0.3333333333333333")],
)
def test_a_constant_is_named_by_its_number(value: float, name: str) -> None:
    word = constant(value)
    assert (word.name, word.value, word.arity) == (name, value, 0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_constant_must_be_finite(value: float) -> None:
    with pytest.raises(ExpressionError, match="must be a finite number"):
        constant(value)


def test_standard_primitives_are_given_in_the_order_asked() -> None:
    assert [word.name for word in standard_primitives("y", "add", "-1")] == ["y", "add", "-1"]
    with pytest.raises(ExpressionError, match="no standard primitive 'plus'; there are add, sub"):
        standard_primitives("add", "plus")
