from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.engines import loss_of
from support.recipes import tiny
from support.runs import with_loss

from automl_loss import EvaluationError, HandcraftedLoss, Loss, PluginError, Problem, RecipeError, run
from automl_loss.after.finished_run import FinishedRun
from automl_loss.after.transfer_targets import adapt, targets_of

SQUARED = loss_of("square(sub(f, y))")
SEVERAL, TWO = Problem.classification((4,), 3), Problem.classification((4,), 2)
REAL = Problem.regression((4,))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("targets")
    return with_loss(run(tiny(), directory=folder / "tiny").directory, folder / "copy", SQUARED, "found")


@pytest.fixture
def finished(directory: Path) -> FinishedRun:
    return FinishedRun.read(directory)


def test_every_task_goes_with_every_model_and_sections_are_a_recipes_own(finished: FinishedRun) -> None:
    tasks = ["{name: wine, label_noise: 0.3}", "diabetes"]
    targets = targets_of(finished, tasks, ["linear", "{name: mlp, hidden: [7]}"])
    assert [target.label for target in targets] == [
        "wine label_noise=0.3, linear",
        "wine label_noise=0.3, mlp hidden=[7]",
        "diabetes, linear",
        "diabetes, mlp hidden=[7]",
    ]
    assert len({target.folder for target in targets}) == 4
    assert all(target.recipe.seed == finished.recipe.seed for target in targets)


def test_what_is_left_out_is_the_runs_own(finished: FinishedRun) -> None:
    (target,) = targets_of(finished, [], ["{name: mlp, hidden: [7]}"])
    assert target.recipe.task == finished.recipe.task
    assert target.recipe.task_options == finished.recipe.task_options
    (other,) = targets_of(finished, ["wine"], [])
    assert other.recipe.model == finished.recipe.model
    assert other.recipe.task_options.label_noise.rate == 0


def test_equal_targets_are_one_and_share_a_folder_with_an_earlier_call_s(finished: FinishedRun) -> None:
    (one,) = targets_of(finished, ["wine", "{name: wine}"], ["linear"])
    (again,) = targets_of(finished, ["wine"], [], ["executor.chunk=3", "budget.candidates=7"])
    (longer,) = targets_of(finished, ["wine"], [], ["retraining.steps=21"])
    assert one.folder == again.folder != longer.folder


def test_overrides_hold_for_all_targets(finished: FinishedRun) -> None:
    targets = targets_of(finished, ["wine", "digits"], [], ["retraining.steps=7", "task.label_noise=0.1"])
    assert [target.recipe.retraining.steps for target in targets] == [7, 7]
    assert [target.recipe.task_options.label_noise.rate for target in targets] == [0.1, 0.1]


@pytest.mark.parametrize(
    ("tasks", "models", "overrides", "said"),
    [
        ([], [], [], ["there is no target"]),
        (["{name: wine"], ["3"], [], [r"--task {name: wine: not valid YAML"]),
        ([], ["3", "[1]"], [], ["--model 3: expected a name", r"--model \[1\]: expected a name"]),
        (["{name: wine, sice: 3}"], [], [], ["task.sice: unknown key"]),
        (["wien"], ["{name: mlp, hiden: [3]}"], [], ["no task 'wien'. Did you mean 'wine'", "Did you mean 'hidden'"]),
        (["{name: diabetes, label_noise: 0.1}"], [], [], ["diabetes: task.label_noise: 0.1 needs classes"]),
        ([], ["linear"], ["seed=1"], ["-s seed=1: transfer keeps the run's seed"]),
        ([], ["linear"], ["model.name=mlp"], ["name the model by --model"]),
        ([], ["linear"], ["task=wine"], ["name the task by --task"]),
        ([], ["linear"], ["retraining.steps=many"], ["retraining.steps: expected an integer"]),
    ],
)  # fmt: skip
def test_wrong_words_are_answered_in_words(
    finished: FinishedRun, tasks: list[str], models: list[str], overrides: list[str], said: list[str]
) -> None:
    for part in said:
        with pytest.raises(RecipeError, match=part):
            targets_of(finished, tasks, models, overrides)


def test_a_missing_plugin_alone_is_a_plugin_s_fault_said_once(finished: FinishedRun) -> None:
    with pytest.raises(PluginError) as raised:
        targets_of(finished, ["wine", "digits"], ["lniear"])
    assert str(raised.value).count("lniear") == 1


def test_a_model_that_does_not_go_with_a_task_is_refused_before_anything_is_trained(
    finished: FinishedRun,
) -> None:
    with pytest.raises(EvaluationError, match=r"wine, lenet5: .*choose another model"):
        targets_of(finished, ["wine"], ["linear", "lenet5"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused_once_for_all_targets(finished: FinishedRun) -> None:
    with pytest.raises(EvaluationError, match=r"^device 'cuda' was asked for, but torch finds no GPU"):
        targets_of(finished, ["wine", "digits"], ["linear"], device="cuda")
    assert not (finished.directory / "transfer").exists()


def test_another_range_or_corruption_is_pointed_out(finished: FinishedRun) -> None:
    diabetes, wine = targets_of(finished, ["diabetes", "wine"], [])
    assert len(diabetes.notices) == 1
    assert "here they are real numbers" in diabetes.notices[0]
    assert "found with label_noise 0.2, and here it is label_noise 0.0" in wine.notices[0]
    (same,) = targets_of(finished, [], ["linear"])
    assert "the run's own task and model" in same.notices[0]
    assert targets_of(finished, [], ["mlp"])[0].notices == ()


@pytest.mark.parametrize(
    ("loss", "problem", "expected"),
    [
        (SQUARED, REAL, SQUARED),
        (HandcraftedLoss("gce", "multiclass", {"q": 0.3}), SEVERAL, HandcraftedLoss("gce", "multiclass", {"q": 0.3})),
        (HandcraftedLoss("gce", "multiclass", {"q": 0.3}), TWO, HandcraftedLoss("gce", "binary", {"q": 0.3})),
        (HandcraftedLoss("huber", "regression"), REAL, HandcraftedLoss("huber", "regression")),
    ],
)  # fmt: skip
def test_a_loss_goes_where_it_has_a_meaning(loss: Loss, problem: Problem, expected: Loss) -> None:
    assert adapt(loss, problem) == expected


@pytest.mark.parametrize(
    ("loss", "problem", "said"),
    [
        (HandcraftedLoss("gce", "multiclass"), REAL, "is for several classes and does not apply to regression"),
        (HandcraftedLoss("huber", "regression"), TWO, "is for regression and does not apply to two classes"),
        # One name, two meanings.
        (HandcraftedLoss("mae", "regression"), SEVERAL, "is for regression and does not apply to several classes"),
        (HandcraftedLoss("mse", "regression"), REAL, "is the task loss there"),
    ],
)  # fmt: skip
def test_a_handcrafted_loss_without_a_meaning_there_is_refused(
    loss: Loss, problem: Problem, said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        adapt(loss, problem)
