from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from automl_loss.engine.network.imported import ImportedModel
from automl_loss.errors import EvaluationError, RecipeError
from automl_loss.plugins.model import ModelFactory

NETWORKS = """
from torch import nn

class Seen(nn.Module):
    def __init__(self, in_features, num_classes, input_shape=None, width=8, path="a"):
        super().__init__()
        self.seen = (in_features, num_classes, input_shape, width, path)
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(in_features, width), nn.BatchNorm1d(width), nn.Dropout(0.5),
            nn.Linear(width, num_classes),
        )

    def forward(self, x):
        return self.layers(x)

def make(**options):
    assert not options, options
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))

def wide():
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 5))

def misfit():
    return nn.Linear(99, 3)

def tells():
    raise OSError("no weights file")

def text():
    return "a network"

class NoModule:
    pass

number = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("recipe")
    (place / "brought_networks.py").write_text(NETWORKS)
    return place


def model(folder: Path, name: str, **options: object) -> ImportedModel:
    return ImportedModel(
        ImportedModel.Config.model_validate({"import": f"brought_networks:{name}", **options}), folder
    )


def test_parameters_of_the_task_are_filled_in_by_name_and_options_passed_on(folder):
    network = model(folder, "Seen", width=4, path="b").build((2, 3), 3)
    assert network.seen == (6, 3, (2, 3), 4, "b")


def test_what_the_recipe_gives_is_not_filled_in(folder):
    assert model(folder, "Seen", input_shape=None).build((2, 3), 3).seen == (6, 3, None, 8, "a")


def test_a_function_that_returns_a_network_is_a_model_and_bare_options_are_not_filled(folder):
    network = model(folder, "make").build((2, 3), 3)
    assert [tuple(value.shape) for value in network.parameters()] == [(3, 6), (3,)]


def test_the_probe_leaves_the_network_fresh_and_in_training_mode(folder):
    network = model(folder, "Seen").build((6,), 3)
    assert all(module.training for module in network.modules())
    assert int(network.layers[2].num_batches_tracked) == 0


def test_the_same_seed_gives_the_same_parameters_also_after_pickling(folder):
    factory = model(folder, "Seen")
    assert isinstance(factory, ModelFactory)
    built = []
    for each in (factory, pickle.loads(pickle.dumps(factory))):
        torch.manual_seed(5)
        built.append(torch.nn.utils.parameters_to_vector(each.build((6,), 3).parameters()))
    assert torch.equal(*built)


@pytest.mark.parametrize(
    ("name", "options", "kind", "said"),
    [
        ("wide", {}, EvaluationError, r"inputs of shape \(2, 2, 3\) to \(2, 5\); expected \(2, 3\)"),
        ("misfit", {}, EvaluationError, r"failed on inputs of shape \(2, 2, 3\)"),
        ("tells", {}, EvaluationError, "failed with options {}: OSError: no weights file"),
        ("text", {}, EvaluationError, "gave a str, not a torch.nn.Module"),
        ("NoModule", {}, RecipeError, "is a class that is not derived from torch.nn.Module"),
        ("number", {}, RecipeError, "is a int that is not derived"),
        ("Missing", {}, RecipeError, "has no 'Missing'. It has .*Seen"),
        ("Seen", {"depth": 3}, RecipeError, "takes .*width=8.* given .*depth: got an unexpected .*'depth'"),
        ("wide", {"width": 3}, RecipeError, "unexpected keyword argument 'width'"),
    ],
)
def test_a_network_that_does_not_serve_is_refused_with_what_was_expected(folder, name, options, kind, said):
    with pytest.raises(kind, match=said):
        model(folder, name, **options).build((2, 3), 3)
