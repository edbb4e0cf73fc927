from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from autoloss_tasks.table import Table
from automl_loss import DataError, EvaluationError, RecipeError, load_recipe, run

ROWS = 100


def frame(**columns: Any) -> polars.DataFrame:
    """A table of 100 rows: two numbers, one of them with holes, a text with holes, and targets of every kind."""
    rng = np.random.default_rng(0)
    number = np.arange(ROWS)
    hole = number % 10 == 3
    data = {
        "id": [f"row {i}" for i in number],
        "size": rng.normal(50, 9, ROWS),
        "age": [
            None if missing else value for value, missing in zip(rng.normal(size=ROWS), hole, strict=True)
        ],
        "colour": [None if i % 25 == 7 else ["red", "green", "blue"][i % 3] for i in number],
        "price": rng.normal(1000, 300, ROWS),
        "weight": rng.exponential(5, ROWS),
        "breed": [["cat", "dog", "eel"][i % 3] for i in number],
        "sold": [i % 4 == 0 for i in number],
        "stars": [int(i % 5) for i in number],
        "part": [["train", "train", "train", "validation", "test"][i % 5] for i in number],
    }
    return polars.DataFrame({**data, **columns})


TARGETS = ("price", "weight", "breed", "sold", "stars", "part", "id")


def write(folder: Path, name: str, table: polars.DataFrame) -> None:
    path = folder / name
    if name.endswith(".parquet"):
        table.write_parquet(path)
    elif name.endswith(".npz"):
        np.savez(path, **{n: table[n].to_numpy() for n in table.columns if table[n].dtype.is_numeric()})
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(table.write_csv().encode()))
    else:
        table.write_csv(path, separator="\t" if name.endswith(".tsv") else ",")


def task_of(folder: Path, target: Any, table: polars.DataFrame | None = None, **options: Any) -> Table:
    """The table task on a file in the folder, with every other target dropped."""
    write(folder, "data.csv", frame() if table is None else table)
    names = [target] if isinstance(target, str) else target
    drop = [name for name in TARGETS if name not in (*names, options.get("split"))]
    task = Table(Table.Config(**{"file": "data.csv", "target": target, "drop": tuple(drop), **options}))
    task.folder = folder
    return task


@pytest.mark.parametrize(
    ("target", "kind", "outputs", "sign"),
    [
        ("price", "regression", 1, "numbers with fractions"),
        (("price", "weight"), "regression", 2, "2 columns"),
        ("breed", "multiclass", 3, "text"),
        ("sold", "binary", 1, "truth values"),
        ("stars", "multiclass", 5, "5 different whole numbers"),
    ],
)
def test_the_kind_is_told_by_the_target_and_said(
    tmp_path: Path, target: Any, kind: str, outputs: int, sign: str
) -> None:
    task = task_of(tmp_path, target)
    problem = task.problem()
    assert (problem.kind, problem.output_dim) == (kind, outputs)
    (notice,) = task.notices()
    assert sign in notice


def test_whole_numbers_of_many_values_are_a_regression(tmp_path: Path) -> None:
    assert task_of(tmp_path, "stars", frame(stars=np.arange(ROWS))).problem().kind == "regression"


def test_the_kind_can_be_set_and_is_then_no_notice(tmp_path: Path) -> None:
    task = task_of(tmp_path, "stars", kind="regression")
    assert (task.problem().kind, task.notices()) == ("regression", [])
    with pytest.raises(RecipeError, match=r"'breed' is of type String, and a regression needs numbers"):
        task_of(tmp_path, "breed", kind="regression").problem()
    with pytest.raises(RecipeError, match="2 targets are a regression"):
        task_of(tmp_path, ("price", "weight"), kind="classification").problem()


@pytest.mark.parametrize("name", ["data.csv", "data.tsv", "data.csv.gz", "data.parquet", "data.npz"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    table = frame().select("size", "price", "weight")
    write(tmp_path, name, table)
    write(tmp_path, "other.csv", table)
    one, other = (
        Table(Table.Config(file=str(tmp_path / file), target="price")) for file in (name, "other.csv")
    )
    assert one.splits(1).train.x == pytest.approx(other.splits(1).train.x, abs=1e-6)
    assert one.test(1).y == pytest.approx(other.test(1).y, abs=1e-6)


def test_a_matrix_in_an_npz_file_is_a_column_for_each_feature(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.repeat([0, 1], 20)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    problem = Table(Table.Config(file=str(tmp_path / "data.npz"), target="y")).problem()
    assert (problem.kind, problem.input_shape) == ("binary", (3,))


def test_another_separator_is_an_option(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a;b\n" + "".join(f"{i};{i / 7}\n" for i in range(30)))
    task = Table(Table.Config(file=str(tmp_path / "data.csv"), target="b", separator=";"))
    assert task.problem().input_shape == (1,)


def test_features_are_filled_scaled_and_encoded_by_the_training_rows_alone(tmp_path: Path) -> None:
    task = task_of(tmp_path, "price")
    table = frame()
    train, validation, test = task.rows(2)
    size, age = table["size"].to_numpy(), table["age"].to_numpy()
    age = np.where(np.isnan(age), np.nanmedian(age[train]), age)
    colour = np.array(table["colour"].to_list(), dtype=object)
    known = [value for value in colour[train] if value]
    most = max(sorted(set(known), key=["blue", "green", "red"].index), key=known.count)
    colour = np.where(colour == None, most, colour)  # noqa: E711

    def standardised(column: np.ndarray) -> np.ndarray:
        return (column - column[train].mean()) / column[train].std()

    expected = np.column_stack(
        [standardised(size), standardised(age), *(colour == each for each in ("blue", "green", "red"))]
    )
    splits = task.splits(2)
    for rows, split in ((train, splits.train), (validation, splits.validation), (test, task.test(2))):
        assert split.x == pytest.approx(expected[rows].astype(float), abs=1e-5)
        price = standardised(table["price"].to_numpy())
        assert split.y[:, 0] == pytest.approx(price[rows], abs=1e-5)


def test_other_validation_and_test_rows_change_nothing_of_the_training_rows(tmp_path: Path) -> None:
    task = task_of(tmp_path, "price")
    others = np.concatenate(task.rows(0)[1:])
    clean = task.splits(0).train
    table = frame()
    size, price, colour = (table[name].to_numpy().copy() for name in ("size", "price", "colour"))
    size[others] *= 1e4
    price[others] += 1e5
    colour[others] = "blue"
    disturbed = task_of(tmp_path, "price", frame(size=size, price=price, colour=colour)).splits(0).train
    assert np.array_equal(disturbed.x, clean.x)
    assert np.array_equal(disturbed.y, clean.y)


def test_a_category_that_training_rows_lack_is_zeros_and_the_width_stays(tmp_path: Path) -> None:
    colour = ["red", "green"] * (ROWS // 2)
    colour[4] = "mauve"  # row 4 is a test row of the split column
    task = task_of(tmp_path, "price", frame(colour=colour), split="part")
    splits, test = task.splits(0), task.test(0)
    assert task.problem().input_shape == (2 + 3,)
    assert {split.x.shape[1] for split in (splits.train, splits.validation, test)} == {5}
    assert test.x[0, 2:].tolist() == [0, 0, 0]
    assert (test.x[1:, 2:].sum(1) == 1).all()


def test_numbers_can_be_categories(tmp_path: Path) -> None:
    table = frame(age=[int(i % 4) for i in range(ROWS)])
    assert task_of(tmp_path, "price", table, categorical=("age",)).problem().input_shape == (1 + 4 + 3,)


def test_a_split_column_says_which_row_is_where_whatever_the_seed(tmp_path: Path) -> None:
    task = task_of(tmp_path, "breed", split="part")
    for seed in (0, 1):
        train, validation, test = task.rows(seed)
        assert set(train % 5) == {0, 1, 2}
        assert set(validation % 5) == {3}
        assert set(test % 5) == {4}


def test_without_validation_rows_a_tenth_of_the_training_rows_is_held_out(tmp_path: Path) -> None:
    part = ["Test" if i % 5 == 4 else "train" for i in range(ROWS)]
    train, validation, test = task_of(tmp_path, "sold", frame(part=part), split="part").rows(0)
    assert (len(train), len(validation), len(test)) == (72, 8, 20)
    assert set(test % 5) == {4}


def test_seeded_splits_are_60_20_20_and_keep_classes_proportions(tmp_path: Path) -> None:
    task = task_of(tmp_path, "stars")
    counts = [np.bincount(split.y).tolist() for split in (*vars(task.splits(4)).values(), task.test(4))]
    assert counts == [[12] * 5, [4] * 5, [4] * 5]


def nothing_in(column: str, rows: list[int], value: Any = None) -> polars.DataFrame:
    values = frame()[column].to_list()
    for row in rows:
        values[row] = value
    return frame(**{column: values})


@pytest.mark.parametrize(
    ("target", "table", "options", "message"),
    [
        ("prise", None, {}, "task.target: no column 'prise'. Did you mean 'price'?"),
        ("zzz", None, {}, "There are 'id', 'size'"),
        ("price", None, {"split": "parts"}, "task.split: no column 'parts'. Did you mean 'part'?"),
        ("price", None, {"drop": ("idd",)}, "task.drop: no column 'idd'. Did you mean 'id'?"),
        ("price", None, {"file": "date.csv"}, "date.csv. Did you mean 'data.csv'?"),
        ("price", None, {"drop": ()}, "column 'id' has 100 different texts in 100 rows"),
        ("price", frame(price=[3.5] * ROWS), {}, "'price' is 3.5 in all rows"),
        ("price", nothing_in("price", [7, 9]), {}, "'price' is missing in 2 of 100 rows, the first of them row 8"),
        ("price", nothing_in("price", [7], float("nan")), {}, "missing in 1 of 100 rows"),
        ("breed", nothing_in("breed", [7]), {}, "missing in 1 of 100 rows"),
        ("breed", nothing_in("breed", [5], "yak"), {}, "class 'yak' of column 'breed' has 1 row(s)"),
        ("price", nothing_in("price", [7], float("inf")), {}, "'price' holds infinite numbers"),
        ("price", nothing_in("size", [7], float("inf")), {}, "'size' holds infinite numbers"),
        ("price", nothing_in("part", [7], "tast"), {"split": "part"}, "holds 'tast'; expected train"),
        ("price", nothing_in("part", [7]), {"split": "part"}, "holds 'None'"),
        ("price", frame(part=["train"] * ROWS), {"split": "part"}, "has no row that says test"),
        ("breed", nothing_in("breed", [4, 9], "yak"), {"split": "part"}, "'yak' is missing from the training rows"),
        ("price", None, {"drop": tuple(set(frame().columns) - {"price"})}, "no columns beside the target"),
        ("price", frame().head(0), {}, "has no rows"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_remedy(
    tmp_path: Path, target: str, table: polars.DataFrame | None, options: dict, message: str
) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        task_of(tmp_path, target, table, **options).splits(0)


def test_dates_are_no_features(tmp_path: Path) -> None:
    table = frame().with_columns(polars.lit("2020-02-03").str.to_date().alias("day"))
    table.write_parquet(tmp_path / "data.parquet")
    task = task_of(tmp_path, "price", file="data.parquet")
    with pytest.raises(
        RecipeError, match="column 'day' is of type Date, which is no feature; list it under `drop`"
    ):
        task.splits(0)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.xls").write_text("")
    with pytest.raises(RecipeError, match=r"no \.csv, \.tsv, \.parquet or \.npz file; convert it"):
        Table(Table.Config(file=str(tmp_path / "data.xls"), target="a")).problem()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b"a,b\n1,2\n1,2,3\n"),
        ("a.csv", b""),
        ("a.csv", b"\xff\xfe\x00a,b\n1,2\n\xff,\xfe\n"),
        ("a.parquet", b"PAR1 and no more"),
        ("a.npz", b"PK\x03\x04 and no more"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-6]),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(EvaluationError, match=f"{re.escape(str(tmp_path / name))} cannot be read as"):
        Table(Table.Config(file=str(tmp_path / name), target="b")).problem()


def test_pickled_objects_in_an_npz_file_are_not_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.array([{}, []], dtype=object))
    with pytest.raises(EvaluationError, match="allow_pickle=False"):
        Table(Table.Config(file=str(tmp_path / "a.npz"), target="a")).problem()


def test_a_run_on_a_table_of_one_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "data.csv", frame().select("size", "age", "colour", "breed"))
    recipe = {
        "task": {"name": "table", "file": "data.csv", "target": "breed"},
        "model": {"name": "linear"},
        "strategy": {"name": "handcrafted"},
        "training": {"steps": 10, "lr": 0.1},
        "budget": {"candidates": 2},
        "finalists": {"count": 1, "seeds": 1, "steps": 10},
        "retraining": {"seeds": 2, "steps": 10},
    }
    assert load_recipe(recipe).task.config.target == "breed"
    result = run(recipe, directory=tmp_path / "out")
    assert 0 <= result.data["test"]["task_loss"]["mean"] <= 1


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "twice.csv").write_text("size,size,price\n1,2,3\n4,5,6\n")
    task = Table(Table.Config(file=str(tmp_path / "twice.csv"), target="price"))
    with pytest.raises(RecipeError, match="several columns called 'size'; rename or remove them"):
        task.problem()


@pytest.mark.parametrize(
    ("target", "table", "message"),
    [
        (
            "price",
            nothing_in("size", [7], 1e300),
            "column 'size' holds huge numbers, 1e+300 in row 8; numbers up to",
        ),
        (
            "price",
            nothing_in("size", [7], float("-inf")),
            "column 'size' holds infinite numbers, -inf in row 8",
        ),
        ("price", nothing_in("price", [5, 9], -1e200), "column 'price' holds huge numbers, -1e+200 in row 6"),
        (
            ("price", "weight"),
            nothing_in("weight", [2], 1e300),
            "column 'weight' holds huge numbers, 1e+300 in row 3",
        ),
    ],
)
def test_numbers_that_cannot_be_computed_with_are_named_by_column_row_and_value(
    tmp_path: Path, target: Any, table: polars.DataFrame, message: str
) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        task_of(tmp_path, target, table).splits(0)


def test_a_value_beyond_float32_on_the_scale_of_the_training_rows_is_named(tmp_path: Path) -> None:
    part = frame()["part"].to_list()
    size = nothing_in("size", [part.index("validation")], 1e60)
    with pytest.raises(
        DataError, match=r"task\.file: data\.csv: column 'size' is .*e\+5\d in row 4 on the scale"
    ):
        task_of(tmp_path, "price", size, split="part").splits(0)
    price = nothing_in("price", [part.index("validation")], 1e60)
    with pytest.raises(DataError, match=r"target 1 is .*e\+5\d in row 4 on the scale"):
        task_of(tmp_path, "price", price, split="part").splits(0)


def test_a_huge_scale_is_a_scale_and_a_tiny_spread_is_none(tmp_path: Path) -> None:
    size = frame()["size"]
    usual = task_of(tmp_path, "price").splits(0).train.x
    huge = task_of(tmp_path, "price", frame(size=size * 1e100)).splits(0).train.x
    assert huge == pytest.approx(usual, abs=1e-5)
    tiny = frame(price=[1e-300 * i for i in range(ROWS)])
    assert np.isfinite(task_of(tmp_path, "price", tiny, kind="regression").splits(0).train.y).all()


def test_nested_columns_are_no_targets_and_no_splits(tmp_path: Path) -> None:
    table = frame().with_columns(polars.Series("nested", [[i] for i in range(ROWS)]))
    table.write_parquet(tmp_path / "data.parquet")
    for options, said in (
        ({"target": "nested"}, r"task\.target: column 'nested' is of type List"),
        ({"target": "price", "split": "nested"}, r"task\.split: column 'nested' is of type List"),
    ):
        task = Table(Table.Config(file=str(tmp_path / "data.parquet"), drop=("id",), **options))
        with pytest.raises(RecipeError, match=said):
            task.splits(0)
