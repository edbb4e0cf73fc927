"""One's own data by import path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autoloss_tasks.dataset import Dataset
from automl_loss import AutolossError, EvaluationError, RecipeError

MODULE = """
import numpy as np
import torch

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(60, 3)).astype("float32"), np.arange(60) % 3


def arrays(split="train", rows=60):
    return X[:rows], Y[:rows]


def numbers():
    return X, X[:, 0] * 2 + 1


def texts():
    return X, np.array(["a", "b", "c"])[Y]


def constant():
    return X, np.zeros(60, dtype=int)


def not_numbers():
    return X, np.where(Y == 1, np.nan, 1.0 * Y)


def uneven():
    return X, Y[:-1]


def other_labels():
    return X[:9], Y[:9] + 5


class Pairs(torch.utils.data.Dataset):
    def __len__(self):
        return 40

    def __getitem__(self, index):
        return torch.as_tensor(X[index]), int(Y[index])


pairs = Pairs()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own_rows_for_tests.py").write_text(MODULE)
    return tmp_path


def task(folder: Path, name: str, **options: object) -> Dataset:
    made = Dataset(Dataset.Config(train=f"own_rows_for_tests:{name}", **options))
    made.folder = folder
    return made


def test_a_function_gives_all_rows_and_splits_are_held_out(folder: Path) -> None:
    made = task(folder, "arrays")
    splits, test = made.splits(0), made.test(0)
    assert (len(splits.train), len(splits.validation), len(test)) == (36, 12, 12)
    assert np.bincount(test.y).tolist() == [4, 4, 4]
    rows = [bytes(row) for part in (splits.train, splits.validation, test) for row in part.x]
    assert len(set(rows)) == 60
    assert (made.problem().classes, made.problem().input_shape) == (3, (3,))


def test_options_reach_the_function_and_a_torch_data_set_is_read(folder: Path) -> None:
    assert len(task(folder, "arrays", options={"rows": 30}).splits(0).train) == 18
    for name in ("pairs", "Pairs"):
        assert len(task(folder, name).splits(0).train) == 24


def test_floats_are_a_regression_on_the_scale_of_the_training_rows_and_it_says_so(folder: Path) -> None:
    made = task(folder, "numbers")
    train = made.splits(0).train
    assert made.problem().kind == "regression"
    assert train.y.mean() == pytest.approx(0, abs=1e-6)
    assert train.y.std() == pytest.approx(1, abs=1e-6)
    assert "so this is a regression; `kind: classification` would make it one" in made.notices()[0]


def test_labels_may_be_text(folder: Path) -> None:
    assert set(task(folder, "texts").splits(0).train.y) == {0, 1, 2}


@pytest.mark.parametrize(
    ("name", "options", "kind", "said"),
    [
        ("constant", {}, EvaluationError, "gave 0 as the target of all rows"),
        ("not_numbers", {}, AutolossError, "NaN|not finite|missing"),
        ("uneven", {}, AutolossError, "60"),
        ("nothing", {}, RecipeError, "task.train: .* has no 'nothing'"),
        ("texts", {"kind": "regression"}, RecipeError, "targets are text, and a regression needs numbers"),
        (
            "arrays",
            {"test": "own_rows_for_tests:other_labels"},
            EvaluationError,
            "labels 5, 6, 7 are not among",
        ),
    ],
)
def test_mistakes_are_explained(
    folder: Path, name: str, options: dict[str, object], kind: type[AutolossError], said: str
) -> None:
    made = task(folder, name, **options)
    with pytest.raises(kind, match=said):
        made.problem(), made.splits(0), made.test(0)


def test_a_module_that_is_nowhere_is_answered_with_where_it_was_looked_for(tmp_path: Path) -> None:
    made = Dataset(Dataset.Config(train="no_such_rows:train"))
    made.folder = tmp_path
    with pytest.raises(RecipeError, match=r"task\.train: no module 'no_such_rows'"):
        made.problem()
