from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.idx import write_mnist

from autoloss_tasks.mnist import FashionMnist, Mnist
from automl_loss import EvaluationError, RecipeError, load_recipe

FASHION = FashionMnist.usual[0]


def task_in(folder: Path, kind: type = Mnist, **options: object) -> Mnist:
    return kind(kind.Config(folder=str(folder), **options))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [Mnist, FashionMnist])
def test_the_official_sets_come_as_they_were_written(tmp_path: Path, kind: type, packed: bool) -> None:
    parts = write_mnist(tmp_path, packed=packed)
    task = task_in(tmp_path, kind)
    for part in ("train", "test"):
        images, labels = task.load(part)
        assert np.array_equal(images[:, 0], parts[part][0])
        assert np.array_equal(labels, parts[part][1])


def test_a_tenth_of_the_training_set_is_validation_and_the_test_set_is_whole(tmp_path: Path) -> None:
    parts = write_mnist(tmp_path)
    task = task_in(tmp_path)
    splits, test = task.splits(3), task.test(3)
    assert (len(splits.train), len(splits.validation), len(test)) == (180, 20, 50)
    assert np.bincount(splits.validation.y).tolist() == [2] * 10
    # Equal counts and all images different: none is missing, none is in both.
    seen = {bytes(image) for split in (splits.train, splits.validation) for image in split.x.stored}
    assert seen == {bytes(image) for image in parts["train"][0]}
    assert np.array_equal(test.x.stored[:, 0], parts["test"][0])


def test_splits_are_a_function_of_the_seed(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    one, again, other = (task_in(tmp_path).splits(seed).validation.x.stored for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_all_splits_are_normalised_by_the_training_images_that_stay(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    task = task_in(tmp_path)
    splits, test = task.splits(0), task.test(0)
    kept = splits.train.x.stored.astype(np.float64)
    for split in (splits.train, splits.validation, test):
        seen = split.x.prepare(torch.as_tensor(split.x.stored), torch.float64).numpy()
        assert seen == pytest.approx((split.x.stored - kept.mean()) / kept.std(), abs=1e-9)


def test_rows_are_the_first_training_images_alone(tmp_path: Path) -> None:
    parts = write_mnist(tmp_path)
    task = task_in(tmp_path, rows=100)
    splits = task.splits(0)
    seen = {bytes(image) for split in (splits.train, splits.validation) for image in split.x.stored}
    assert seen == {bytes(image) for image in parts["train"][0][:100]}
    assert len(task.test(0)) == 50


@pytest.mark.parametrize(("rows", "message"), [(201, "has 200 training images, 201 were"), (20, "too few")])
def test_rows_that_cannot_be_are_refused(tmp_path: Path, rows: int, message: str) -> None:
    write_mnist(tmp_path)
    with pytest.raises(RecipeError, match=message):
        task_in(tmp_path, rows=rows).splits(0)


def test_a_missing_file_is_told_with_the_folder_and_both_remedies(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(RecipeError, match=r"train-labels-idx1-ubyte.*folder: path.*download: true") as raised:
        task_in(tmp_path).splits(0)
    assert str(tmp_path) in str(raised.value)


def test_images_and_labels_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path / "a")
    write_mnist(tmp_path / "b", train=190)
    (tmp_path / "b" / "train-labels-idx1-ubyte").rename(tmp_path / "a" / "train-labels-idx1-ubyte")
    with pytest.raises(EvaluationError, match=r"200.*and 190 labels"):
        task_in(tmp_path / "a").splits(0)


def test_the_recipe_s_folder_is_where_a_relative_one_starts(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mine")
    task = task_in(Path("mine"))
    task.folder = tmp_path
    assert len(task.splits(0).train) == 180


def test_data_beside_the_recipe_are_found_without_a_folder(tmp_path: Path) -> None:
    write_mnist(tmp_path / "data" / "mnist")
    task = Mnist(Mnist.Config())
    task.folder = tmp_path
    assert len(task.splits(0).train) == 180


def test_a_recipe_names_it() -> None:
    recipe = load_recipe({"task": {"name": "fashion-mnist", "rows": 6000, "label_noise": 0.4}})
    assert (recipe.task.config.rows, recipe.task.config.crop) == (6000, 0)


def test_the_problem_needs_no_file() -> None:
    problem = Mnist(Mnist.Config()).problem()
    assert (problem.kind, problem.input_shape, problem.output_dim) == ("multiclass", (1, 28, 28), 10)


@pytest.mark.skipif(not FASHION.is_dir(), reason="the package dataset-fashion-mnist is not installed")
def test_the_installed_fashion_mnist_is_whole_and_balanced() -> None:
    task = FashionMnist(FashionMnist.Config())
    splits, test = task.splits(0), task.test(0)
    counts = [np.bincount(split.y).tolist() for split in (splits.train, splits.validation, test)]
    assert counts == [[5400] * 10, [600] * 10, [1000] * 10]
    assert splits.train.x.shape == (54_000, 1, 28, 28)
    # Published statistics of the 60,000 training images.
    assert splits.train.x.mean[0] / 255 == pytest.approx(0.2860, abs=1e-3)
    assert splits.train.x.std[0] / 255 == pytest.approx(0.3530, abs=1e-3)
