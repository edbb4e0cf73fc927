"""Tasks California and Boston housing, regressions of the prices of districts."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import ClassVar

import numpy as np

from autoloss_tasks._files import DataFolder, FilesConfig, Remote
from autoloss_tasks._npz_file import read_npz
from autoloss_tasks._reading import GET_AGAIN, check_size, reading
from autoloss_tasks.tabular import Array, TabularTask
from automl_loss import DataError, Problem


class California(TabularTask):
    """California housing: 20,640 districts of 8 features, one real target, the median house value.

    Features as in Pace and Barry (1997), with rooms, bedrooms and people per household in place of counts; the
    target is in units of 100,000 dollars before it is standardised.
    """

    regression: ClassVar[bool] = True
    remote: ClassVar[Remote] = Remote(
        "https://ndownloader.figshare.com/files/5976036",
        "sha256:aaa5c9a6afe2225cc2aed2723682ae403280c4a3695a2ddda4ffb5d8215ea681",
    )

    class Config(FilesConfig):
        """Options of the task."""

    def problem(self) -> Problem:
        """Return a regression of one target on 8 features; no file is read."""
        return Problem.regression((8,))

    def load(self) -> tuple[Array, Array]:
        """Read median income, house age, rooms, bedrooms, population, household size, latitude, longitude; value."""
        files = DataFolder("california", self.config, self.folder)
        path = files.find(["cal_housing.data", "cal_housing.tgz", self.remote.name], self.remote)
        with reading(path):
            data = (
                path.read_bytes()
                if path.suffix == ".data"
                else _member(path, "CaliforniaHousing/cal_housing.data")
            )
        table = _numbers(data, path, 9, ",")
        longitude, latitude, age, rooms, bedrooms, people, households, income, value = table.T
        with np.errstate(all="ignore"):  # what is not finite is refused below
            features = np.column_stack(
                [
                    income,
                    age,
                    rooms / households,
                    bedrooms / households,
                    people,
                    people / households,
                    latitude,
                    longitude,
                ]
            )
        if not np.isfinite(features).all():
            row = int(np.flatnonzero(~np.isfinite(features).all(1))[0])
            raise DataError(f"{path} has no households in line {row + 1}, or numbers too large. {GET_AGAIN}")
        return features, value / 100_000


class Boston(TabularTask):
    """Boston housing: 506 districts of 13 features, one real target, the median house value.

    Published results are compared on it; its feature B encodes race, so nothing should be concluded from it.
    """

    regression: ClassVar[bool] = True
    remote: ClassVar[Remote] = Remote(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/boston_housing.npz",
        "sha256:f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5",
    )

    class Config(FilesConfig):
        """Options of the task."""

    def problem(self) -> Problem:
        """Return a regression of one target on 13 features; no file is read."""
        return Problem.regression((13,))

    def load(self) -> tuple[Array, Array]:
        """Read features, and the value in units of 1,000 dollars, of `boston_housing.npz` or UCI's `housing.data`."""
        files = DataFolder("boston", self.config, self.folder)
        path = files.find([self.remote.name, "housing.data"], self.remote)
        if path.suffix == ".data":
            with reading(path):
                data = path.read_bytes()
            table = _numbers(data, path, 14, None)
            return table[:, :13], table[:, 13]
        with reading(path):
            arrays = read_npz(path)
            features, value = arrays["x"], arrays["y"]
        if features.ndim != 2 or features.shape[1] != 13 or value.shape != features.shape[:1]:
            raise DataError(
                f"{path} has x of shape {features.shape} and y of shape {value.shape}; expected (rows, 13) and "
                f"(rows,). {GET_AGAIN}"
            )
        if not all(each.dtype.kind in "iuf" and np.isfinite(each).all() for each in (features, value)):
            raise DataError(
                f"{path} has x of type {features.dtype} and y of type {value.dtype}, or numbers that are not finite; "
                f"expected finite numbers. {GET_AGAIN}"
            )
        return features, value


def _member(path: Path, name: str) -> bytes:
    """Read a file of a .tar.gz archive; what a damaged one raises is of many kinds."""
    with tarfile.open(path, "r:gz") as archive:
        member = archive.getmember(name)
        check_size(member.size, path.stat().st_size, packed=True)
        file = archive.extractfile(member) if member.isreg() else None
        return b"" if file is None else file.read()


def _numbers(data: bytes, path: Path, columns: int, separator: str | None) -> Array:
    """Parse a text of numbers to a `(rows, columns)` array."""
    with reading(path):  # not ASCII, not a number, or lines of different lengths
        lines = [line.split(separator) for line in data.decode("ascii").splitlines() if line.strip()]
        table = np.array([[float(number) for number in line] for line in lines])
    if table.ndim != 2 or table.shape[1] != columns or not np.isfinite(table).all():
        raise DataError(
            f"{path} has numbers of shape {table.shape}; expected lines of {columns} each, all finite. {GET_AGAIN}"
        )
    return table
