"""Find the files of a known data set: in the user's folder, common folders, or a download with a known hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from automl_loss import EvaluationError, MissingDataError, PluginConfig


class FilesConfig(PluginConfig):
    """Options of a task whose data are files."""

    folder: str | None = Field(
        None,
        description="folder that holds the files, relative to the recipe; null: data/NAME there, then usual places",
    )
    download: bool = Field(
        False, description="fetch files that are missing; each is checked against a known hash"
    )


@dataclass(frozen=True)
class Remote:
    """A file that can be downloaded.

    Args:
        url: address of the file.
        known_hash: `md5:...` or `sha256:...`.
    """

    url: str
    known_hash: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]

    def is_whole(self, path: Path) -> bool:
        """Return whether a file has the known hash, and so is as it was published."""
        algorithm, _, known = self.known_hash.partition(":")
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest() == known


@dataclass(frozen=True)
class DataFolder:
    """Finds the files of one data set.

    Args:
        data_set: name of the data set, for messages and the download folder.
        config: the task's options.
        base: the recipe's folder; `None`: the working directory.
        usual: further folders that are searched when the recipe names none.
    """

    data_set: str
    config: FilesConfig
    base: Path | None = None
    usual: tuple[Path, ...] = ()

    @property
    def places(self) -> list[Path]:
        """Return the folders in the order in which they are searched; a download goes to the last."""
        base = Path.cwd() if self.base is None else self.base
        if self.config.folder is not None:
            return [base / Path(self.config.folder).expanduser()]
        import pooch  # type: ignore[import-untyped]  # it has no stubs

        return [base / "data" / self.data_set, *self.usual, pooch.os_cache("automl-loss") / self.data_set]

    def find(self, names: Sequence[str], remote: Remote) -> Path:
        """Find the first file or folder of one of these names, or download it.

        Args:
            names: paths relative to a folder, preferred first.
            remote: the file to download when there is none, if the recipe allows it.

        Raises:
            MissingDataError: it is not found, and downloading is not allowed.
            EvaluationError: it cannot be downloaded, or its hash is another than the known one.
        """
        places = self.places
        for place in places:
            for name in names:
                if (place / name).exists():
                    return place / name
        if self.config.download:
            return _fetch(remote, places[-1])
        looked = ", ".join(f"{place}{'' if place.is_dir() else ' (no such folder)'}" for place in places)
        raise MissingDataError(
            f"task.folder: no file {names[0]!r} of {self.data_set}; looked in {looked}. Name the folder that "
            f"has it by `folder: path`, or have it fetched by `download: true`."
        )


def _fetch(remote: Remote, folder: Path) -> Path:
    import pooch

    try:
        path = pooch.retrieve(remote.url, remote.known_hash, fname=remote.name, path=folder)
    except ValueError as error:  # pooch raises this for another hash
        raise EvaluationError(
            f"{remote.url} is not the known file ({remote.known_hash}) and was thrown away. Try again later, or "
            f"put the file into {folder}."
        ) from error
    except OSError as error:  # requests' errors are of this kind too
        raise EvaluationError(
            f"{remote.url} cannot be fetched: {type(error).__name__}: {error}. Try again later, or put the file "
            f"into {folder}."
        ) from error
    return Path(path)
