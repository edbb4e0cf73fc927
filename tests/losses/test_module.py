"""The exported module equals the searched loss, alone in its file and in this process."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.expressions import chain, expressions, weights_of
from torch import Tensor
from torch.nn import functional

from automl_loss.expression import parse
from automl_loss.losses import (
    Loss,
    Problem,
    SymbolicLoss,
    build_module,
    catalogue,
    published_losses,
    render_module,
)

PROBLEMS = (
    Problem.classification((4,), 3),
    Problem.classification((4,), 2),
    Problem.regression((4,), outputs=2),
)
BATCH = 5
_NUMBER = count()

each_problem = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.kind)
on_one_directory = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def load(text: str, directory: Path) -> ModuleType:
    path = directory / f"loss_{next(_NUMBER)}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def batch(problem: Problem, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Raw outputs, some large, and targets as a data set holds them."""
    generator = torch.Generator().manual_seed(0)
    raw = 3 * torch.randn(BATCH, problem.output_dim, generator=generator, dtype=dtype)
    if problem.is_classification:
        return raw, torch.randint(problem.classes, (BATCH,), generator=generator)
    return raw, torch.randn(BATCH, problem.output_dim, generator=generator, dtype=dtype)


def expected(loss: Loss, problem: Problem, raw: Tensor, target: Tensor) -> Tensor:
    """`(batch,)`: the definition, without `LearnedLoss` and `prepare`."""
    if isinstance(loss, SymbolicLoss):
        if problem.kind == "multiclass":
            f, y = functional.softmax(raw, 1), torch.eye(problem.classes, dtype=raw.dtype)[target]
        elif problem.kind == "binary":
            f, y = raw.sigmoid(), target.to(raw.dtype).reshape(-1, 1)
        else:
            f, y = raw, target
        value = loss.expression.evaluate({"y": y, "f": f}, torch.tensor(loss.weights, dtype=raw.dtype))
        value = functional.softplus(value) if loss.activation == "softplus" else value
        return loss.scale * value.sum(1)
    value = loss.value(raw, target)
    return loss.scale * (value if value.ndim == 1 else value.sum(1))


def value_and_gradient(function: Any, raw: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    raw = raw.clone().requires_grad_()
    value = function(raw, *rest)
    if not value.requires_grad:
        return value, torch.zeros_like(raw)
    return value.detach(), torch.autograd.grad(value.sum(), raw)[0]


def assert_equal_to_the_definition(loss: Loss, problem: Problem, directory: Path) -> None:
    raw, target = batch(problem)
    want = value_and_gradient(lambda r: expected(loss, problem, r, target), raw)
    text = render_module(loss, problem, origin="for a test")
    for module in (load(text, directory).LearnedLoss(), build_module(loss, problem)):
        got = value_and_gradient(module, raw, target, "none")
        torch.testing.assert_close(got, want, equal_nan=True, rtol=1e-9, atol=1e-9)


symbolic_losses = expressions().flatmap(
    lambda tree: st.builds(
        SymbolicLoss,
        st.just(tree),
        weights=weights_of(tree),
        scale=st.floats(0.01, 100.0),
        activation=st.sampled_from(("identity", "softplus")),
    )
)


@on_one_directory
@given(loss=symbolic_losses, problem=st.sampled_from(PROBLEMS))
def test_a_symbolic_loss_keeps_value_and_gradient(
    tmp_path: Path, loss: SymbolicLoss, problem: Problem
) -> None:
    assert_equal_to_the_definition(loss, problem, tmp_path)


@each_problem
def test_every_handcrafted_loss_keeps_value_and_gradient(tmp_path: Path, problem: Problem) -> None:
    for loss in (*catalogue(problem), *published_losses(problem)):
        assert_equal_to_the_definition(loss.with_scale(0.7), problem, tmp_path)


@pytest.mark.parametrize(
    "text", ["1", "f", "y", "log(2)", "max(f, 0.25)", "power(2, f)", "div(1, 3)", "add(1, 1)"]
)
@each_problem
def test_constants_and_single_terminals_are_losses_too(tmp_path: Path, problem: Problem, text: str) -> None:
    tree = parse(text)
    loss = SymbolicLoss(tree, weights=(1.5,) * tree.size, activation="softplus")
    assert_equal_to_the_definition(loss, problem, tmp_path)


def test_a_chain_of_hundreds_of_nodes_can_be_written_and_read(tmp_path: Path) -> None:
    tree = chain(400)
    assert_equal_to_the_definition(SymbolicLoss(tree, (1.1,) * tree.size), PROBLEMS[2], tmp_path)


@each_problem
def test_reductions_follow_from_the_values_per_sample(tmp_path: Path, problem: Problem) -> None:
    loss = SymbolicLoss(parse("square(sub(y, f))"), scale=2.0)
    raw, target = batch(problem)
    for module in (load(render_module(loss, problem), tmp_path).LearnedLoss(), build_module(loss, problem)):
        per_sample = module(raw, target, reduction="none")
        assert per_sample.shape == (BATCH,)
        assert torch.equal(module(raw, target), per_sample.mean())
        assert torch.equal(module(raw, target, reduction="sum"), per_sample.sum())
        with pytest.raises(ValueError, match="'mean', 'sum' or 'none' but got 'max'"):
            module(raw, target, reduction="max")


@pytest.mark.parametrize("index", range(2), ids=["symbolic", "handcrafted"])
@each_problem
def test_targets_of_every_accepted_shape_give_the_same(tmp_path: Path, problem: Problem, index: int) -> None:
    loss = (SymbolicLoss(parse("mul(y, log(f))")), catalogue(problem)[0])[index]
    raw, target = batch(problem)
    if problem.kind == "multiclass":
        one_hot = functional.one_hot(target, problem.classes)
        same = [(raw, one_hot), (raw, one_hot.double()), (raw, target.int())]
    elif problem.kind == "binary":
        same = [(raw[:, 0], target), (raw, target.unsqueeze(1)), (raw, target.double()), (raw, target.bool())]
    else:
        same = [(raw, target.clone())]
    for module in (load(render_module(loss, problem), tmp_path).LearnedLoss(), build_module(loss, problem)):
        for other in same:
            assert torch.equal(module(*other, "none"), module(raw, target, "none"))


def test_one_regression_target_may_come_without_a_second_dimension(tmp_path: Path) -> None:
    problem, loss = Problem.regression((4,)), SymbolicLoss(parse("square(sub(y, f))"))
    raw, target = torch.randn(4, 1), torch.randn(4)
    for module in (load(render_module(loss, problem), tmp_path).LearnedLoss(), build_module(loss, problem)):
        torch.testing.assert_close(module(raw, target), functional.mse_loss(raw.squeeze(1), target))
        torch.testing.assert_close(
            module(raw.squeeze(1), target), functional.mse_loss(raw.squeeze(1), target)
        )


@pytest.mark.parametrize(
    ("index", "raw_shape", "target_shape"),
    [
        (0, (5, 4), (5,)),
        (0, (5,), (5,)),
        (0, (5, 3), (4,)),
        (0, (5, 3), (5, 2)),
        (0, (5, 3, 1), (5,)),
        (1, (5, 2), (5,)),
        (1, (5, 1), (4,)),
        (1, (5,), (5, 2)),
        (2, (5, 3), (5, 3)),
        (2, (5, 2), (5,)),
        (2, (5, 2), (5, 1)),
    ],
)
def test_wrong_shapes_are_refused_and_shown(
    tmp_path: Path, index: int, raw_shape: tuple[int, ...], target_shape: tuple[int, ...]
) -> None:
    problem, loss = PROBLEMS[index], SymbolicLoss(parse("square(sub(y, f))"))
    raw, target = torch.zeros(raw_shape), torch.zeros(target_shape, dtype=torch.int64)
    messages = set()
    for module in (load(render_module(loss, problem), tmp_path).LearnedLoss(), build_module(loss, problem)):
        with pytest.raises(ValueError, match=rf"\(batch, {problem.output_dim}\)") as caught:
            module(raw, target)
        messages.add(str(caught.value))
    (message,) = messages
    assert f"raw_output of shape {raw_shape} and target of shape {target_shape}" in message


@each_problem
def test_the_file_runs_where_only_torch_is_imported(tmp_path: Path, problem: Problem) -> None:
    loss = SymbolicLoss(parse("log(add(1, power(f, 2)))"), activation="softplus")
    path = tmp_path / "alone.py"
    raw, target = batch(problem)
    path.write_text(
        render_module(loss, problem)
        + f"\n\nimport sys\nraw = torch.tensor({raw.tolist()}, dtype=torch.float64)\n"
        + f"print(float(LearnedLoss()(raw, torch.tensor({target.tolist()}))))\n"
        + "assert not [name for name in sys.modules if 'automl' in name or 'autoloss' in name]\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(expected(loss, problem, raw, target).mean().item(), rel=1e-6)


def test_name_and_origin_are_written_whatever_they_contain(tmp_path: Path) -> None:
    origin = 'found by """random""" in C:\\runs\\new {braces} and é' + " long" * 60
    text = render_module(SymbolicLoss(parse("sub(y, f)")), PROBLEMS[0], name="Mine", origin=origin)
    module = load(text, tmp_path)
    assert issubclass(module.Mine, torch.nn.Module)
    assert "{braces} and é" in str(module.__doc__)
    assert "L(y, f) = y - f" in str(module.__doc__)


@each_problem
def test_the_module_can_be_pickled_and_shows_its_formula(problem: Problem) -> None:
    raw, target = batch(problem)
    for loss in (SymbolicLoss(parse("square(sub(y, f))")), catalogue(problem)[1]):
        module = build_module(loss, problem)
        assert torch.equal(pickle.loads(pickle.dumps(module))(raw, target), module(raw, target))
    assert "L(y, f) = (y - f)²" in repr(build_module(SymbolicLoss(parse("square(sub(y, f))")), problem))


def test_single_precision_stays_single() -> None:
    raw, target = batch(PROBLEMS[0], torch.float32)
    for loss in (SymbolicLoss(parse("mul(-1, mul(y, log(f)))"), (0.5,) * 6), catalogue(PROBLEMS[0])[0]):
        assert build_module(loss, PROBLEMS[0])(raw, target).dtype == torch.float32
