from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from autoloss_tasks.tabular import Array, TabularTask
from automl_loss import DataError

ROWS = 200


class Numbered(TabularTask):
    """Rows whose first feature, unscaled, is the row's number; three classes of 100, 60 and 40 rows."""

    standardise = False

    def load(self) -> tuple[Array, Array]:
        """The table."""
        noise = np.random.default_rng(0).normal(size=(ROWS, 2))
        x = np.column_stack([np.arange(ROWS), 3 + 5 * noise, np.full(ROWS, 7.0)])
        return x, np.repeat(["c", "a", "b"], [100, 60, 40])


class Scaled(Numbered):
    """The same table, standardised."""

    standardise = True


class Measured(Numbered):
    """A regression with two targets on other scales."""

    standardise = True
    regression = True

    def load(self) -> tuple[Array, Array]:
        """The table."""
        x, _ = super().load()
        return x, np.column_stack([10 + 4 * x[:, 1], -200 + 90 * x[:, 2]])


def numbers(task: TabularTask, seed: int) -> tuple[list[int], list[int], list[int]]:
    splits = task.splits(seed)
    return tuple(
        part.x[:, 0].astype(int).tolist() for part in (splits.train, splits.validation, task.test(seed))
    )


@pytest.fixture
def task() -> TabularTask:
    return Numbered(Numbered.Config())


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_every_row_is_in_one_split_and_the_shares_are_60_20_20(task, seed):
    train, validation, test = numbers(task, seed)
    assert sorted(train + validation + test) == list(range(ROWS))
    assert (len(train), len(validation), len(test)) == (120, 40, 40)


def test_splits_are_a_function_of_the_seed(task):
    again = Numbered(Numbered.Config())
    assert numbers(task, 3) == numbers(again, 3)
    for first, other in zip(numbers(task, 3), numbers(task, 4), strict=True):
        assert first != other


def test_the_splits_do_not_depend_on_which_is_asked_for_first_nor_on_global_random_state():
    one, other = Numbered(Numbered.Config()), Numbered(Numbered.Config())
    test = one.test(5).x
    train = one.splits(5).train.x
    np.random.seed(1)  # noqa: NPY002
    assert np.array_equal(other.splits(5).train.x, train)
    assert np.array_equal(other.test(5).x, test)


def test_classes_keep_their_proportions_in_every_split(task):
    splits = task.splits(0)
    for split, rows in ((splits.train, 120), (splits.validation, 40), (task.test(0), 40)):
        assert np.bincount(split.y).tolist() == [rows * share // 10 for share in (3, 2, 5)]


def test_rows_keep_their_label_and_labels_of_any_type_become_indices(task):
    for split in (task.splits(0).train, task.splits(0).validation, task.test(0)):
        number = split.x[:, 0]
        assert np.array_equal(split.y, np.select([number < 100, number < 160], [2, 0], 1))


def test_arrays_have_the_types_that_the_engine_wants():
    for kind, dtype, shape in ((Scaled, np.int64, (120,)), (Measured, np.float32, (120, 2))):
        train = kind(kind.Config()).splits(0).train
        assert (train.x.dtype, train.y.dtype, train.y.shape) == (np.float32, dtype, shape)


def test_features_are_standardised_by_the_training_rows():
    raw, scaled = Numbered(Numbered.Config()), Scaled(Scaled.Config())
    fitted = StandardScaler().fit(raw.splits(0).train.x.astype(np.float64))
    for before, after in (
        (raw.splits(0).train, scaled.splits(0).train),
        (raw.splits(0).validation, scaled.splits(0).validation),
        (raw.test(0), scaled.test(0)),
    ):
        assert after.x == pytest.approx(fitted.transform(before.x), abs=1e-5)


def test_a_constant_feature_is_centred_and_stays_finite():
    train = Scaled(Scaled.Config()).splits(0).train
    assert (train.x[:, 3] == 0).all()
    assert np.isfinite(train.x).all()


@pytest.mark.parametrize("base", [Scaled, Measured])
def test_validation_and_test_rows_do_not_touch_the_scale_of_training_rows(base):
    clean = base(base.Config())
    train, validation, test = clean.rows(0)

    class Disturbed(base):
        """The table with other validation and test rows."""

        def load(self) -> tuple[Array, Array]:
            """The table."""
            x, y = super().load()
            x[validation] *= 50
            x[test] += 1000
            if self.regression:
                y[test] *= 9
            return x, y

    disturbed = Disturbed(Disturbed.Config())
    assert np.array_equal(disturbed.splits(0).train.x, clean.splits(0).train.x)
    assert np.array_equal(disturbed.splits(0).train.y, clean.splits(0).train.y)
    assert not np.array_equal(disturbed.test(0).x, clean.test(0).x)
    assert len(train) == len(clean.splits(0).train)


def test_regression_targets_are_standardised_by_the_training_rows():
    task = Measured(Measured.Config())
    train = task.splits(0).train.y
    assert train.mean(0) == pytest.approx([0, 0], abs=1e-5)
    assert train.std(0) == pytest.approx([1, 1], abs=1e-5)
    assert abs(task.test(0).y.mean(0)).max() > 1e-3


def test_the_problem_is_as_found_in_the_table():
    problem = Numbered(Numbered.Config()).problem()
    assert (problem.kind, problem.input_shape, problem.output_dim, problem.metric) == (
        "multiclass",
        (4,),
        3,
        "error",
    )
    problem = Measured(Measured.Config()).problem()
    assert (problem.kind, problem.input_shape, problem.output_dim, problem.metric) == (
        "regression",
        (4,),
        2,
        "mse",
    )


@pytest.mark.parametrize("spoil", [np.nan, np.inf])
def test_a_table_with_a_number_missing_is_refused(spoil):
    class Holed(Numbered):
        """A table with a hole."""

        def load(self) -> tuple[Array, Array]:
            """The table."""
            x, y = super().load()
            x[3, 1] = spoil
            return x, y

    with pytest.raises(
        DataError, match=r"task Holed: load gave features with (nan|inf) in row 4, column 2; expected finite"
    ):
        Holed(Holed.Config()).problem()
