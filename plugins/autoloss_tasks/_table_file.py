"""Read tables, CSV, Parquet and NPZ files, as data frames."""

from __future__ import annotations

from difflib import get_close_matches
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoloss_tasks._npz_file import read_npz
from autoloss_tasks._reading import MEND, gunzip, reading
from automl_loss import RecipeError, parse_in_child

if TYPE_CHECKING:
    import polars

_MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"]
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_GZIP = b"\x1f\x8b"
_PACKED = {b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip"}
_MOST_COLUMNS = 100_000


def read_table(path: Path, separator: str | None = None) -> polars.DataFrame:
    """Read a file's columns by name; missing values are null.

    Args:
        path: ends in .csv or .tsv (also with .gz), .parquet or .npz. Of an NPZ file, each array of one dimension
            is a column, and each of two dimensions, named x, the columns x0, x1, ...
        separator: character between the columns of a CSV file; `None`: a comma, or for .tsv a tab.

    Raises:
        RecipeError: there is no such file, or it is of another kind.
        DataError: the file is damaged.
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
    if ending == ".parquet":
        frame = _frame_of_parquet(path)
    else:
        with reading(path, f"cannot be read as {ending[1:]}", MEND):
            separated = separator or _SEPARATORS.get(ending, ",")
            frame = _frame_of_npz(path) if ending == ".npz" else _frame_of_csv(path, separated)
    if not frame.height:
        raise RecipeError(f"task.file: {path} has no rows; give a table with rows below its header.")
    return frame


def _frame_of_csv(path: Path, separator: str) -> polars.DataFrame:
    import polars

    data: bytes | bytearray = path.read_bytes()
    if data.startswith(_GZIP):
        data = gunzip(bytes(data))
    # Polars would unpack these whatever their size.
    packed = next((kind for start, kind in _PACKED.items() if data.startswith(start)), None)
    if packed is not None or _is_zlib(data):
        raise ValueError(f"it is packed by {packed or 'zlib'}; unpack it, or pack it by gzip")
    content = bytes(data)
    frame = polars.read_csv(content, separator=separator, null_values=_MISSING, infer_schema_length=None)
    _check_header(content, path, separator)
    return frame


def _is_zlib(data: bytes | bytearray) -> bool:
    """Return whether data begin as a zlib stream does."""
    return len(data) > 1 and data[0] == 0x78 and data[1] in (0x01, 0x9C, 0xDA)


def _check_header(content: bytes, path: Path, separator: str) -> None:
    """Raise for two columns of one name, which polars would rename."""
    import polars

    first = polars.read_csv(content, separator=separator, has_header=False, n_rows=1, infer_schema=False)
    names = first.row(0) if first.height else ()
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise RecipeError(
            f"task.file: {path} has several columns called {', '.join(map(repr, twice[:5]))}; rename or remove them."
        )


def _frame_of_parquet(path: Path) -> polars.DataFrame:
    import polars

    held = parse_in_child(
        "autoloss_tasks._parquet_file:table", path, fault="cannot be read as parquet", remedy=MEND
    )
    return polars.read_ipc(BytesIO(held["table"].data))


def _frame_of_npz(path: Path) -> polars.DataFrame:
    import polars

    columns: dict[str, Any] = {}
    for name, array in read_npz(path).items():
        if array.ndim == 1:
            named = {name: array}
        elif array.ndim == 2 and array.shape[1] <= _MOST_COLUMNS:
            named = {f"{name}{i}": array[:, i] for i in range(array.shape[1])}
        else:
            raise ValueError(
                f"array {name!r} has shape {array.shape}, a table's have one or two dimensions, and at most "
                f"{_MOST_COLUMNS:,} columns"
            )
        if twice := named.keys() & columns.keys():
            raise ValueError(f"two of its arrays make a column {min(twice)!r}")
        columns |= named
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise ValueError(
            f"its arrays have {', '.join(map(str, sorted(lengths)))} rows, a table's as many each"
        )
    return polars.DataFrame(columns)
