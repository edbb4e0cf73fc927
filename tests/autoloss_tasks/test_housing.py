"""California and Boston housing from files that the test writes."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from autoloss_tasks.housing import Boston, California
from automl_loss import EvaluationError, MissingDataError, Problem

RNG = np.random.default_rng(0)


def california(folder: Path) -> California:
    return California(California.Config(folder=str(folder)))


def boston(folder: Path) -> Boston:
    return Boston(Boston.Config(folder=str(folder)))


def lines(rows: int) -> tuple[np.ndarray, bytes]:
    table = np.round(RNG.uniform(1, 100, (rows, 9)), 3)
    return table, "\n".join(",".join(map(repr, map(float, row))) for row in table).encode()


def test_californias_counts_become_means_per_household(tmp_path: Path) -> None:
    table, data = lines(30)
    (tmp_path / "cal_housing.data").write_bytes(data)
    features, value = california(tmp_path).load()
    longitude, latitude, age, rooms, bedrooms, people, households, income, price = table.T
    expected = [
        income,
        age,
        rooms / households,
        bedrooms / households,
        people,
        people / households,
        latitude,
        longitude,
    ]
    np.testing.assert_allclose(features, np.column_stack(expected))
    np.testing.assert_allclose(value, price / 100_000)
    assert california(tmp_path).problem() == Problem.regression((8,))
    assert california(tmp_path).splits(0).train.x.shape == (18, 8)


def test_california_is_read_from_the_published_archive(tmp_path: Path) -> None:
    table, data = lines(10)
    with tarfile.open(tmp_path / "cal_housing.tgz", "w:gz") as archive:
        member = tarfile.TarInfo("CaliforniaHousing/cal_housing.data")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    np.testing.assert_allclose(california(tmp_path).load()[1], table[:, 8] / 100_000)
    (tmp_path / "cal_housing.tgz").write_bytes(b"no archive")
    with pytest.raises(EvaluationError, match="is damaged"):
        california(tmp_path).load()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"1,2,3\n4,5,6", "expected lines of 9 each"),
        (b"1,x", "is damaged"),
        (b"1\n2,3", "is damaged"),
        (b"", "of shape"),
    ],
)
def test_californias_other_files_are_said(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "cal_housing.data").write_bytes(data)
    with pytest.raises(EvaluationError, match=said):
        california(tmp_path).load()


def test_boston_is_read_from_keras_archive_and_from_ucis_text(tmp_path: Path) -> None:
    x, y = RNG.normal(size=(20, 13)), RNG.uniform(5, 50, 20)
    (tmp_path / "npz").mkdir()
    np.savez(tmp_path / "npz" / "boston_housing.npz", x=x, y=y)
    for got, expected in zip(boston(tmp_path / "npz").load(), (x, y), strict=True):
        np.testing.assert_array_equal(got, expected)
    (tmp_path / "text").mkdir()
    np.savetxt(tmp_path / "text" / "housing.data", np.column_stack([x, y]))
    for got, expected in zip(boston(tmp_path / "text").load(), (x, y), strict=True):
        np.testing.assert_allclose(got, expected)
    assert boston(tmp_path / "npz").problem() == Problem.regression((13,))


def test_bostons_other_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="boston"):
        boston(tmp_path).load()
    np.savez(tmp_path / "boston_housing.npz", x=np.zeros((3, 12)), y=np.zeros(3))
    with pytest.raises(EvaluationError, match=r"x of shape \(3, 12\)"):
        boston(tmp_path).load()
    np.savez(tmp_path / "boston_housing.npz", x=np.zeros((3, 13)))
    with pytest.raises(EvaluationError, match="is damaged"):
        boston(tmp_path).load()
    np.savez(tmp_path / "boston_housing.npz", x=np.array([Path()]), y=np.zeros(1))
    with pytest.raises(EvaluationError, match="is damaged"):
        boston(tmp_path).load()
