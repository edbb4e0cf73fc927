"""Opens the Optuna study under a ledger, in a journal file or in a database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.exceptions import DuplicatedStudyError, OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.trial import FrozenTrial

from automl_loss.errors import AutolossError, ResumeError
from automl_loss.recipe import Recipe
from automl_loss.record.journal import Journal, repair

SCHEMA = 1
"""Number of the layout of trials and chunk records; a ledger of another one is not continued."""

_SCHEMA_KEY = "automl_loss:schema"
RECIPE_KEY = "automl_loss:recipe"
"""Attribute of a study: what may not change in its recipe."""


@dataclass(frozen=True)
class OpenStudy:
    """A study and what lies under it.

    Args:
        study: one trial a candidate.
        storage: holds the study.
        journal: the file under the storage, or `None` when that is a database.
        place: of the record, for a person.
    """

    study: optuna.Study
    storage: BaseStorage
    journal: Journal | None
    place: str

    def for_writing(self) -> OpenStudy:
        """The same study, whose trials are not held in memory; a database holds none there."""
        if self.journal is None:
            return self
        journal = Journal(self.journal.path, with_trials=False)
        storage = JournalStorage(journal)
        with _quiet():
            study = optuna.load_study(study_name=self.study.study_name, storage=storage)
        return OpenStudy(study, storage, journal, self.place)

    def trials(self) -> list[FrozenTrial]:
        """All trials, read anew."""
        if self.journal is None:
            return self.study.get_trials(deepcopy=False)
        storage = JournalStorage(Journal(self.journal.path))
        return optuna.load_study(study_name=self.study.study_name, storage=storage).get_trials(deepcopy=False)


def open_study(path: Path, name: str, url: str | None, *, resumed: bool) -> OpenStudy:
    """The study of a run, made when there is none.

    Args:
        path: the journal file; the caller holds its directory.
        name: of the study.
        url: an Optuna storage URL in place of the journal, or `None`.
        resumed: whether the study may be there already.

    Raises:
        ResumeError: the record is unreadable, or not one of this program.
        AutolossError: the storage cannot be opened, or holds a study of the name and the run is not resumed.
    """
    place = str(path) if url is None else _without_password(url)
    journal = None
    with database_errors(place):
        storage: BaseStorage
        if url is None:
            if path.exists():
                repair(path)
            journal = Journal(path)
            storage = _replay(journal, path)
        else:
            storage = RDBStorage(url)
        try:
            with _quiet():
                study = optuna.create_study(storage=storage, study_name=name, load_if_exists=resumed)
        except DuplicatedStudyError:
            raise AutolossError(
                f"{place}: there is a study {name!r} already. Give the recipe another `name`, "
                f"or go on with that study's run by --resume."
            ) from None
        _check_schema(study, place)
    return OpenStudy(study, storage, journal, place)


@contextmanager
def database_errors(place: str) -> Iterator[None]:
    """Turn what a database raises into an error that names it."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (OptunaError, SQLAlchemyError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise AutolossError(
            f"{place}: the storage cannot be used ({type(error).__name__}: {reason}). Check `storage` in "
            f"the recipe, "
            f"that the database is running, and that its driver is installed; or leave `storage` out."
        ) from error


def _replay(journal: Journal, path: Path) -> JournalStorage:
    try:
        return JournalStorage(journal)
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        # Each line is JSON, but what they say does not fit together.
        raise ResumeError(
            f"{path}: this is no journal that Optuna {optuna.__version__} can read "
            f"({type(error).__name__}: {error}). "
            f"The file was left as it is. Restore it from a copy, or start a new run in another directory."
        ) from error


def _check_schema(study: optuna.Study, place: str) -> None:
    found = study.user_attrs.get(_SCHEMA_KEY)
    if found is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(_SCHEMA_KEY, SCHEMA)
    elif found != SCHEMA:
        what = (
            "was not made by automl-loss"
            if found is None
            else f"has layout {found}, and this version writes {SCHEMA}"
        )
        raise ResumeError(
            f"{place}: study {study.study_name!r} {what}; it is left as it is. Start a new run under "
            f"another name, "
            f"or resume it with the version that made it."
        )


def settle_study(opened: OpenStudy, recipe: Recipe) -> None:
    """Record in a new study what may not change in its recipe, or compare it with what is recorded there.

    Raises:
        ResumeError: the trials were made under another recipe.
    """
    recorded = opened.study.user_attrs.get(RECIPE_KEY)
    if recorded is None:
        # A study of the first version says nothing of its recipe.
        opened.study.set_user_attr(RECIPE_KEY, recipe.fixed_data())
        return
    changed = recipe.changed_since(recorded)
    if changed:
        raise ResumeError(
            f"{opened.place}: these trials were made under a recipe that differs in {', '.join(changed)}; they are "
            f"left as they are. Go on with the recipe that they were made under, or start a new run in another "
            f"directory."
        )


def _without_password(url: str) -> str:
    return re.sub(r"://([^:/@]*):[^@]*@", r"://\1:***@", url)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide Optuna's message that a study was made, and leave its logging as it was."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
