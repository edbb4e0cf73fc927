"""Tasks California and Boston housing, regressions of the prices of districts."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import ClassVar

import numpy as np

from autoloss_tasks._files import DataFolder, FilesConfig, Remote
from autoloss_tasks.tabular import Array, TabularTask
from automl_loss import EvaluationError, Problem


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
        data = (
            path.read_bytes()
            if path.suffix == ".data"
            else _member(path, "CaliforniaHousing/cal_housing.data")
        )
        table = _numbers(data, path, 9, ",")
        longitude, latitude, age, rooms, bedrooms, people, households, income, value = table.T
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
            table = _numbers(path.read_bytes(), path, 14, None)
            return table[:, :13], table[:, 13]
        try:
            with zipfile.ZipFile(path) as archive:
                features, value = (
                    np.load(BytesIO(archive.read(f"{name}.npy")), allow_pickle=False) for name in ("x", "y")
                )
        except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError) as error:
            raise EvaluationError(f"{path} is damaged: {error}. Delete it and get it again.") from error
        if features.ndim != 2 or features.shape[1] != 13 or value.shape != features.shape[:1]:
            raise EvaluationError(
                f"{path} has x of shape {features.shape} and y of shape {value.shape}; expected (rows, 13) and "
                f"(rows,). Delete it and get it again."
            )
        return features, value


def _member(path: Path, name: str) -> bytes:
    """Read a file of a .tar.gz archive."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            file = archive.extractfile(name)
            return b"" if file is None else file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error, KeyError) as error:
        raise EvaluationError(f"{path} is damaged: {error}. Delete it and get it again.") from error


def _numbers(data: bytes, path: Path, columns: int, separator: str | None) -> Array:
    """Parse a text of numbers to a `(rows, columns)` array."""
    try:
        lines = [line.split(separator) for line in data.decode("ascii").splitlines() if line.strip()]
        table = np.array([[float(number) for number in line] for line in lines])
    except ValueError as error:  # not ASCII, not a number, or lines of different lengths
        raise EvaluationError(f"{path} is damaged: {error}. Delete it and get it again.") from error
    if table.ndim != 2 or table.shape[1] != columns or not np.isfinite(table).all():
        raise EvaluationError(
            f"{path} has numbers of shape {table.shape}; expected lines of {columns} each. Delete it and get it "
            f"again."
        )
    return table
