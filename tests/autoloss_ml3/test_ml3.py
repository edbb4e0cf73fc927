from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from support.engines import make_engine
from support.recipes import tiny
from torch import nn

from autoloss_ml3.ml3 import ML3
from automl_loss import NeuralLoss, PrimitiveSet, Problem, load_loss, loss_from_json, run


class NoWords(PrimitiveSet):
    """A network needs none."""

    functions = ()
    terminals = ()


def network_of(loss: NeuralLoss) -> nn.Module:
    widths = (2, *loss.hidden, 1)
    layers: list[nn.Module] = []
    rest = torch.tensor(loss.weights, dtype=torch.float64)
    for a, b in pairwise(widths):
        layer = nn.Linear(a, b, bias=False, dtype=torch.float64)
        layer.weight = nn.Parameter(rest[: a * b].reshape(b, a))
        rest = rest[a * b :]
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1], nn.Softplus())


def test_its_value_is_that_of_torch_s_own_network() -> None:
    loss = NeuralLoss.initial("one", (50, 50), np.random.default_rng(0))
    assert len(loss.weights) == 2 * 50 + 50 * 50 + 50
    f = torch.rand(7, 3, dtype=torch.float64)
    y = torch.nn.functional.one_hot(torch.arange(7) % 3, 3).double()
    expected = network_of(loss)(torch.stack([f, y], -1)).squeeze(-1)
    torch.testing.assert_close(loss.value(f, y), expected)


def test_json_and_source_give_the_same_loss() -> None:
    loss = NeuralLoss.initial("one", (5, 4), np.random.default_rng(0)).with_scale(0.3)
    assert loss_from_json(loss.to_json()) == loss
    f, y = torch.rand(6, 3, dtype=torch.float64), torch.rand(6, 3, dtype=torch.float64)
    scope: dict[str, object] = {"torch": torch}
    body = "\n".join(f"    {line}" for line in loss.to_source().splitlines())
    exec(f"def value(prediction, target):\n{body}", scope)
    torch.testing.assert_close(scope["value"](f, y), loss.value(f, y))  # type: ignore[operator]


def test_a_wrong_number_of_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="2-3-1 need 9 weights but got 2"):
        NeuralLoss("x", (3,), (1.0, 2.0))


def test_it_is_tuned_exactly_whatever_the_settings_say() -> None:
    engine = make_engine(tuning={"steps": 4, "gradient": "amortised", "lr": 0.01})
    neural = NeuralLoss.initial("one", (8, 8), np.random.default_rng(0))
    tuned = engine.tune(engine.match_scale([neural]))[0]
    assert tuned.exact
    assert tuned.loss.weights != neural.weights
    assert tuned.loss.key == neural.key
    longer = engine.tune(engine.match_scale([neural]), steps=8)[0]
    assert longer.steps == 2 * tuned.steps


def test_each_restart_begins_afresh_and_they_end() -> None:
    problem = Problem.classification((4,), 3)
    method = ML3(ML3.Config(restarts=3, steps=7), problem, NoWords(), np.random.default_rng(0))
    asked = [method.ask() for _ in range(4)]
    assert [len(each) for each in asked] == [1, 1, 1, 0]
    assert len({each[0].loss.weights for each in asked[:3]}) == 3
    assert [each[0].id for each in asked[:3]] == [1, 2, 3]
    assert asked[0][0].overrides == {"tuning_steps": 7.0}


@pytest.mark.parametrize("task", ["wine", "breast_cancer", "diabetes"])
def test_it_runs_alone(task: str, tmp_path: Path) -> None:
    strategy = {"name": "ml3", "steps": 5, "restarts": 2, "hidden": 6}
    result = run(tiny(task={"name": task}, strategy=strategy), directory=tmp_path / "run")
    assert result.data["search"]["candidates"] == 2
    assert result.data["test"]["learned"]["values"]
    load_loss(tmp_path / "run")
