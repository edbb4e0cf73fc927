"""The set's own words against independent references."""

# ruff: noqa: D103

import math

import numpy as np
import pytest
import sympy
import torch
from autoloss_extras.smooth import ERF, SOFTPLUS, Smooth

from automl_loss import SymbolicLoss, parse

POINTS = np.linspace(-6, 6, 49)


@pytest.mark.parametrize(
    ("word", "reference"),
    [(SOFTPLUS, lambda x: math.log1p(math.exp(x))), (ERF, math.erf)],
    ids=["softplus", "erf"],
)
def test_a_word_is_its_formula_in_torch_and_sympy(word, reference):
    expected = [reference(x) for x in POINTS]
    assert np.allclose(word.function(torch.tensor(POINTS)), expected, rtol=1e-12, atol=1e-12)
    x = sympy.Symbol("x", real=True)
    form = sympy.lambdify(x, word.sympy(x), "math")
    assert np.allclose([form(float(each)) for each in POINTS], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("word", Smooth().functions, ids=lambda word: word.name)
def test_values_and_slopes_are_finite_on_zero_negative_huge_and_tiny_numbers(word, dtype):
    points = torch.tensor([-1e9, -100.0, -1.0, -1e-30, 0.0, 1e-30, 1.0, 100.0, 1e9], dtype=dtype)
    arguments = [
        each.flatten().requires_grad_() for each in torch.meshgrid(*[points] * word.arity, indexing="ij")
    ]
    value = word.function(*arguments)
    slopes = torch.autograd.grad(value.sum(), arguments) if value.requires_grad else ()
    assert all(torch.isfinite(each).all() for each in (value, *slopes))


def test_a_loss_of_these_words_is_exported_with_torch_alone():
    loss = SymbolicLoss(parse("softplus(erf(exp(sub(y, f))))", Smooth()))
    f, y = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None], torch.zeros(9, 1, dtype=torch.float64)
    scope: dict[str, object] = {"torch": torch}
    body = "\n".join("    " + line for line in loss.to_source().splitlines())
    exec(f"def exported(prediction, target):\n{body}", scope)
    assert torch.allclose(scope["exported"](f, y), loss.value(f, y))
    assert r"\operatorname{erf}" in loss.latex
