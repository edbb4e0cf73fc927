"""Read tables, CSV, Parquet and NPZ files, as data frames."""

from __future__ import annotations

import zipfile
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl_loss import EvaluationError, RecipeError

if TYPE_CHECKING:
    import polars

_MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"]
_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read_table(path: Path, separator: str | None = None) -> polars.DataFrame:
    """Read a file's columns by name; missing values are null.

    Args:
        path: ends in .csv or .tsv (also with .gz), .parquet or .npz. Of an NPZ file, each array of one dimension
            is a column, and each of two dimensions, named x, the columns x0, x1, ...
        separator: character between the columns of a CSV file; `None`: a comma, or for .tsv a tab.

    Raises:
        RecipeError: there is no such file, or it is of another kind.
        EvaluationError: the file is damaged.
    """
    if not path.is_file():
        near = sorted(each.name for each in path.parent.iterdir()) if path.parent.is_dir() else []
        close = get_close_matches(path.name, near, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "A relative path starts at the recipe's folder."
        raise RecipeError(f"task.file: no file {path}. {hint}")
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    if ending not in (*_SEPARATORS, ".parquet", ".npz"):
        raise RecipeError(
            f"task.file: {path} is no .csv, .tsv, .parquet or .npz file; convert it to one of them."
        )
    import polars

    try:
        if ending == ".npz":
            frame = _read_npz(path)
        elif ending == ".parquet":
            frame = polars.read_parquet(path)
        else:
            between = separator or _SEPARATORS[ending]
            frame = polars.read_csv(path, separator=between, null_values=_MISSING, infer_schema_length=None)
            _check_header(path, between)
    except (polars.exceptions.PolarsError, zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise EvaluationError(
            f"{path} cannot be read as {ending[1:]}: {str(error).partition(chr(10))[0]}. Mend the file."
        ) from error
    if not frame.height:
        raise RecipeError(f"task.file: {path} has no rows; give a table with rows below its header.")
    return frame


def _check_header(path: Path, separator: str) -> None:
    """Raise for two columns of one name, which polars would rename."""
    import polars

    first = polars.read_csv(path, separator=separator, has_header=False, n_rows=1, infer_schema=False).row(0)
    twice = sorted({str(name) for name in first if first.count(name) > 1})
    if twice:
        raise RecipeError(
            f"task.file: {path} has several columns called {', '.join(map(repr, twice))}; rename or remove them."
        )


def _read_npz(path: Path) -> polars.DataFrame:
    import polars

    columns = {}
    with path.open("rb") as file:
        zipfile.ZipFile(file).close()  # np.load does not close damaged files
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    for name, array in found.items():
        if array.ndim == 1:
            columns[name] = array
        elif array.ndim == 2:
            columns |= {f"{name}{i}": array[:, i] for i in range(array.shape[1])}
        else:
            raise ValueError(f"array {name!r} has {array.ndim} dimensions, a table's have one or two")
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise ValueError(
            f"its arrays have {', '.join(map(str, sorted(lengths)))} rows, a table's as many each"
        )
    return polars.DataFrame(columns)
