from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.engines import loss_of
from support.recipes import tiny
from support.runs import with_loss

from autoloss_tasks.sklearn_tasks import Wine
from automl_loss import AutolossError, EvaluationError, Lane, Schedule, run
from automl_loss.after.finished_run import FinishedRun
from automl_loss.after.landscape import QUANTITIES, LandscapeSettings, landscape, read_landscape
from automl_loss.search.from_recipe import make_engine

SMALL = LandscapeSettings(grid=5, rows=40, seeds=2, directions=3, radii=4)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landscape")
    finished = run(tiny(task={"name": "wine", "metric": "macro_f1"}), directory=folder / "tiny").directory
    return with_loss(finished, folder / "run", loss_of("square(sub(f, y))", scale=1.5), "found")


@pytest.fixture(scope="module")
def drawn(directory: Path) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:

        def none(self: Wine, seed: int) -> Any:
            raise AssertionError("a landscape reached for the test rows")

        patch.setattr(Wine, "test", none)
        return landscape(FinishedRun.read(directory), SMALL)


def test_both_losses_have_surfaces_and_flatness_at_the_rates_of_retraining(
    drawn: dict[str, Any], directory: Path
) -> None:
    test = json.loads((directory / "result.json").read_text())["test"]
    assert list(drawn["networks"]) == ["found", "task_loss"]
    assert drawn["networks"]["found"]["lr"] == test["learned"]["lr"]
    assert drawn["networks"]["task_loss"]["lr"] == test["task_loss"]["lr"]
    assert drawn["axis"] == [-1.0, -0.5, 0.0, 0.5, 1.0]
    for network in drawn["networks"].values():
        assert set(network["surfaces"]) == set(QUANTITIES)
        assert all(np.shape(surface) == (5, 5) for surface in network["surfaces"].values())
        assert len(network["networks"]) == 2
        for name in ("validation_task_loss", "validation_metric"):
            flat = network["flatness"][name]
            assert np.shape(flat["rise"]) == (2, 4)
            assert flat["values"] == pytest.approx(np.mean(flat["rise"], axis=1))
            assert flat["mean"] == pytest.approx(np.mean(flat["values"]))
        assert network["flatness"]["radii"] == pytest.approx([0.125, 0.25, 0.375, 0.5])
    seeds = [[one["seed"] for one in network["networks"]] for network in drawn["networks"].values()]
    assert seeds[0] == seeds[1]


def test_the_centre_is_the_trained_network_and_the_metric_is_in_its_own_sense(drawn: dict[str, Any]) -> None:
    for network in drawn["networks"].values():
        centre = network["surfaces"]["validation_metric"][2][2]
        # All 36 validation rows are looked at, and more of F1 is better.
        assert centre == pytest.approx(network["networks"][0]["validation"], abs=1e-6)
        assert centre > 0.5
    assert drawn["rows"] == {"training": 40, "validation": 36}
    assert not drawn["lower_is_better"]


def test_the_centre_s_losses_are_torch_s_own(drawn: dict[str, Any], directory: Path) -> None:
    from automl_loss.after.landscape import _View
    from automl_loss.seeds import stream

    read = FinishedRun.read(directory)
    engine = make_engine(read.recipe)
    entry = drawn["networks"]["found"]
    lane = Lane(read.loss, entry["lr"], stream(0, "landscape", 0))
    (minimum,) = engine.train([lane], Schedule(20, keep=True))
    view = _View(engine, 40)
    training = engine.network.outputs(minimum.network, view.training.x)[0]
    one_hot = torch.nn.functional.one_hot(view.training.target, 3)
    own = 1.5 * (training.softmax(1) - one_hot).square().sum(1).mean()
    assert entry["surfaces"]["training_loss"][2][2] == pytest.approx(float(own), rel=1e-4)
    validation = engine.network.outputs(minimum.network, view.validation.x)[0]
    usual = torch.nn.functional.cross_entropy(validation, view.validation.target)
    assert entry["surfaces"]["validation_task_loss"][2][2] == pytest.approx(float(usual), rel=1e-4)


def test_the_same_again_and_as_written(drawn: dict[str, Any], directory: Path) -> None:
    written = read_landscape(directory)
    again = landscape(FinishedRun.read(directory), SMALL)
    for data in (written, again):
        assert {**data, "seconds": 0} == {**json.loads(json.dumps(drawn)), "seconds": 0}


def test_another_length_of_training_may_be_asked_for(directory: Path) -> None:
    data = landscape(
        FinishedRun.read(directory), LandscapeSettings(3, rows=10, seeds=1, directions=1, steps=5)
    )
    assert data["settings"]["steps"] == 5
    assert data["networks"]["found"]["networks"][0]["best_step"] <= 5


def test_a_loss_under_which_no_network_trains_is_named(directory: Path, tmp_path: Path) -> None:
    loss = loss_of("square(sub(f, y))", scale=3e38)
    copy = with_loss(directory, tmp_path / "copy", loss, "found")
    result = json.loads((copy / "result.json").read_text())
    result["test"]["learned"]["lr"] = 1e6
    (copy / "result.json").write_text(json.dumps(result))
    with pytest.raises(EvaluationError, match=r"all 2 networks diverged under square\(sub\(f, y\)\)"):
        landscape(FinishedRun.read(copy), SMALL)
    with pytest.raises(AutolossError, match=r"this is no landscape.*autoloss landscape"):
        read_landscape(copy)
