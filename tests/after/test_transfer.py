from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.engines import loss_of, train
from support.recipes import tiny
from support.runs import with_loss

from autoloss_tasks.sklearn_tasks import Wine
from automl_loss import HandcraftedLoss, Interrupted, Loss, Progress, loss_from_json, run
from automl_loss.after.finished_run import FinishedRun
from automl_loss.after.transfer import Transferred, transfer
from automl_loss.after.transfer_targets import targets_of
from automl_loss.engine.engine import Engine
from automl_loss.losses.learned_loss import LearnedLoss
from automl_loss.search.from_recipe import make_engine
from automl_loss.seeds import stream

SQUARED = loss_of("square(sub(f, y))")


def watched(seeds: set[int], patch: pytest.MonkeyPatch) -> None:
    """Note the seeds of everything that is trained in this process."""
    original = Engine.train

    def train(self: Engine, lanes: Any, *args: Any, **options: Any) -> Any:
        seeds.update(lane.seed for lane in lanes)
        return original(self, lanes, *args, **options)

    patch.setattr(Engine, "train", train)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[int]]:
    seeds: set[int] = set()
    with pytest.MonkeyPatch.context() as patch:
        watched(seeds, patch)
        result = run(tiny(), directory=tmp_path_factory.mktemp("transfer") / "tiny")
    return result.directory, seeds


@pytest.fixture
def directory(searched: tuple[Path, set[int]], tmp_path: Path) -> Path:
    return with_loss(searched[0], tmp_path / "run", SQUARED, "found")


def transferred(directory: Path, *words: str, **options: Any) -> list[Transferred]:
    """Results of tasks, and models after a `/`."""
    place = words.index("/")
    read = FinishedRun.read(directory)
    targets = targets_of(read, words[:place], words[place + 1 :], options.pop("overrides", ()))
    return transfer(read, targets, **options)


def files(directory: Path) -> dict[str, str]:
    return {
        str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(directory.rglob("*"))
        if file.is_file()
    }


def without_time(data: Any) -> Any:
    return {key: value for key, value in data.items() if key != "seconds"}


def test_a_target_is_judged_as_a_run_s_own_result_is(directory: Path) -> None:
    (wine,) = transferred(directory, "wine", "/", "linear")
    own = json.loads((directory / "result.json").read_text())["test"]
    test = wine.data["test"]
    assert set(test) == set(own)
    assert set(test["learned"]) == set(own["learned"])
    assert len(test["learned"]["values"]) == len(test["task_loss"]["values"]) == 3
    assert len(test["learned"]["lr_tried"]) >= 7
    assert len(test["task_loss"]["lr_tried"]) >= 7
    for entry in (test["learned"], test["task_loss"]):
        tried = dict(map(tuple, entry["lr_tried"]))
        assert tried[entry["lr"]] == min(value for value in tried.values() if value is not None)
    assert wine.data["verdict"].startswith(("Keep cross-entropy", "The found loss beats cross-entropy"))


def test_the_values_are_those_of_training_at_the_chosen_rate_on_the_named_seeds(directory: Path) -> None:
    (wine,) = transferred(directory, "wine", "/", "linear")
    (target,) = targets_of(FinishedRun.read(directory), ["wine"], ["linear"])
    engine = make_engine(target.recipe)
    test = engine.task.test(0)
    learned = wine.data["test"]["learned"]
    loss = loss_from_json(wine.data["loss"])
    for i, value in enumerate(learned["values"]):
        seed = stream(0, "transfer", i)
        (trained,) = train(engine, [loss], lr=learned["lr"], steps=20, seed=seed, test=test)
        assert trained.test_output is not None
        assert np.mean(trained.test_output.argmax(1) != test.y) == pytest.approx(value, abs=1 / len(test.y))


def test_scale_is_matched_afresh(directory: Path) -> None:
    (diabetes,) = transferred(directory, "diabetes", "/", "linear")
    (target,) = targets_of(FinishedRun.read(directory), ["diabetes"], ["linear"])
    engine = make_engine(target.recipe)
    snapshot = engine.matching.snapshot
    raw = snapshot.raw[0].clone().requires_grad_()
    loss = LearnedLoss(loss_from_json(diabetes.data["loss"]), engine.problem)
    (mine,) = torch.autograd.grad(loss(raw, snapshot.target), raw)
    (usual,) = torch.autograd.grad(torch.nn.functional.mse_loss(raw, snapshot.target), raw)
    torch.testing.assert_close(mine.norm(), usual.norm(), rtol=1e-4, atol=0)


def test_test_rows_are_reached_once_a_target_after_its_choices_and_by_fresh_seeds(
    searched: tuple[Path, set[int]], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    seeds: set[int] = set()
    watched(seeds, monkeypatch)
    original_test, original_train = Wine.test, Engine.train

    def watched_test(self: Wine, seed: int) -> Any:
        events.append("test")
        return original_test(self, seed)

    def watched_train(self: Engine, *args: Any, **options: Any) -> Any:
        events.append("judged" if options.get("test") is not None else "chosen")
        return original_train(self, *args, **options)

    monkeypatch.setattr(Wine, "test", watched_test)
    monkeypatch.setattr(Engine, "train", watched_train)
    transferred(directory, "wine", "/", "linear")
    # Before all, for digests that tell whether splits share rows; see `leakage.look`.
    assert events.pop(0) == "test"
    assert events.count("test") == 1
    reached = events.index("test")
    assert set(events[:reached]) == {"chosen"}
    assert set(events[reached + 1 :]) == {"judged"}
    assert len(seeds) == 6
    assert len(searched[1]) > 6
    assert not seeds & searched[1]


def test_nothing_of_the_run_is_touched_and_targets_add_up(directory: Path) -> None:
    before = files(directory)
    transferred(directory, "wine", "/", "linear")
    (first,) = (directory / "transfer").glob("wine-linear-*")
    kept = files(first)
    results = transferred(directory, "wine", "{name: breast_cancer}", "/", "linear")
    assert [result.fresh for result in results] == [False, True]
    assert files(first) == kept
    after = files(directory)
    assert {name: after[name] for name in before} == before
    assert all(name.startswith("transfer") for name in set(after) - set(before))
    summary = json.loads((directory / "transfer" / "transfer.json").read_text())
    assert summary["found_on"] == {"task": "wine", "model": "linear"}
    assert [target["label"]["task"] for target in summary["targets"]] == ["breast_cancer", "wine"]
    assert summary["targets"][1]["test"] == results[0].data["test"]


def test_a_finished_target_is_not_trained_again(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = transferred(directory, "wine", "/", "linear")

    def no_more(self: Engine, *args: Any, **options: Any) -> Any:
        raise AssertionError("trained again")

    monkeypatch.setattr(Engine, "train", no_more)
    (again,) = transferred(directory, "wine", "/", "linear")
    assert again.data == first.data
    with pytest.raises(AssertionError, match="trained again"):
        transferred(directory, "wine", "/", "linear", overrides=["retraining.steps=21"])


def test_an_interrupted_transfer_goes_on_and_ends_with_the_same_bits(directory: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(directory, tmp_path / "copy"))
    (whole,) = transferred(copy, "wine", "/", "linear")

    def stop(progress: Progress) -> None:
        if progress.stage == "retraining_rate" and progress.done:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="The same command goes on"):
        transferred(directory, "wine", "/", "linear", callback=stop)
    assert not list((directory / "transfer").glob("*/target.json"))
    (resumed,) = transferred(directory, "wine", "/", "linear")
    assert without_time(resumed.data) == without_time(whole.data)


def test_a_returned_handcrafted_loss_is_called_by_its_name(
    searched: tuple[Path, set[int]], tmp_path: Path
) -> None:
    gce = HandcraftedLoss("gce", "multiclass", {"q": 0.3})
    directory = with_loss(searched[0], tmp_path / "run", gce, "handcrafted")
    (binary,) = transferred(directory, "breast_cancer", "/", "linear")
    assert "the handcrafted loss gce(q=0.3)" in binary.data["verdict"].lower()
    assert binary.data["loss"]["problem"] == "binary"


@pytest.mark.parametrize("loss", [loss_of("sign(sub(f, y))"), loss_of("mul(y, y)")])
def test_a_loss_that_trains_nothing_there_is_a_result_and_no_fault(
    searched: tuple[Path, set[int]], tmp_path: Path, loss: Loss
) -> None:
    directory = with_loss(searched[0], tmp_path / "run", loss, "found")
    (diabetes,) = transferred(directory, "diabetes", "/", "linear")
    assert diabetes.data["status"] == "no_gradient"
    assert diabetes.data["test"] is None
    assert diabetes.data["verdict"].startswith("Keep the squared error: the loss trains nothing here")


def test_a_target_s_file_that_is_broken_is_named_and_made_anew_from_its_records(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (first,) = transferred(directory, "wine", "/", "linear")
    (file,) = (directory / "transfer").glob("*/target.json")
    file.write_text("{}")
    (again,) = transferred(directory, "wine", "/", "linear")
    assert "target.json: this is not a target's result" in caplog.text
    assert again.data["test"] == first.data["test"]
