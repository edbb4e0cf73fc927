"""The Python interface: `run`, `compare` and `load_loss`, beside the command line."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from automl_loss.errors import RecipeError
from automl_loss.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from torch import nn

    from automl_loss.comparison.recipe import Comparison
    from automl_loss.comparison.runner import GridCallback
    from automl_loss.final.result import Result
    from automl_loss.losses import Loss, Problem
    from automl_loss.plugins import Candidate, Outcome, SearchStrategy
    from automl_loss.search.progress import Callback


_logger = logging.getLogger(__name__)
_REPORT_S = 300.0
"""Seconds that drawing a report may take."""


class AsksAndTells(Protocol):
    """An object that proposes losses; the laws of `SearchStrategy` hold for it, too."""

    def ask(self) -> list[Candidate]:
        """The next generation, its ids going on from 1; `[]` when done."""
        ...

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Learn from the outcomes of the last generation, in ask order."""
        ...


def run(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    callback: Callback | None = None,
    *,
    strategy: type[SearchStrategy] | AsksAndTells | None = None,
    overrides: Sequence[str] = (),
    directory: str | Path | None = None,
    resume: bool = False,
    report: bool | None = None,
    trust: bool = False,
) -> Result:
    """Search for a loss, retrain under it, and write a run directory.

    A strategy needs no plugin. As a class derived from `SearchStrategy` it is made by the run, from the options of a
    `strategy` section that has no `name`, or from overrides. As an object with `ask` and `tell` it is used as it is.

    A run is resumed by replay: the recorded outcomes are told to a strategy that begins anew. A class does; of an
    object hand over a fresh one, made as the first was. A class that can be imported is recorded in `recipe.yaml` by
    its path, and the run can be resumed from the command line, too; of an object, or a class of the main program or a
    function, the recipe says that it was handed over, and only `run` can resume it.

    Args:
        recipe: a file, the name of a shipped recipe, a mapping, or a loaded recipe.
        callback: called with `Progress` while the run lasts.
        strategy: in place of the recipe's.
        overrides: as on the command line, e.g. `["strategy.population=50"]`.
        directory: where to write; default: `runs/<name>`, or `runs/<name>-2` where that exists.
        resume: go on with an interrupted run in `directory` (default: `runs/<name>`).
        report: whether to write `report.html` and its figures, which takes a few seconds; `autoloss report DIR` writes
            them later. Default: yes, unless the environment variable `AUTOLOSS_REPORT` is 0.
        trust: whether a run may be resumed whose recipe names code outside of installed plugins, though it was not
            started by this user on this machine.

    Returns:
        What was found. `result.verdict` says in words whether it beats the task loss.

    Raises:
        RecipeError: the recipe is wrong.
        PluginError: a plugin is missing or broken.
        NoValidCandidateError: no candidate trained.
        ResumeError: the run cannot be continued.
        Interrupted: by Ctrl-C; what was found is written, and the run can be resumed.

    Example:
        >>> from automl_loss import run
        >>> result = run({"task": {"name": "wine"}, "budget": {"candidates": 50}})  # doctest: +SKIP
        >>> print(result.verdict)  # doctest: +SKIP

        A strategy of one's own, here an object:

        >>> from automl_loss import Candidate, SymbolicLoss, parse
        >>> class Two:
        ...     texts = ("abs(sub(y, f))", "square(sub(y, f))")
        ...
        ...     def ask(self):
        ...         losses, self.texts = [SymbolicLoss(parse(text)) for text in self.texts], ()
        ...         return [Candidate(i, loss, generation=0) for i, loss in enumerate(losses, start=1)]
        ...
        ...     def tell(self, outcomes):
        ...         print([outcome.fitness for outcome in outcomes])
        >>> [str(candidate.loss.expression) for candidate in Two().ask()]
        ['abs(sub(y, f))', 'square(sub(y, f))']
        >>> run({"task": {"name": "wine"}}, strategy=Two())  # doctest: +SKIP
    """
    from automl_loss.record.trust import require_trust_to_resume
    from automl_loss.search.run_recipe import run_recipe

    if isinstance(recipe, Recipe) and strategy is not None:
        raise RecipeError(
            "strategy: a loaded recipe has its strategy; give it to load_recipe(..., strategy=...) instead."
        )
    if resume:
        named = {"name": recipe.name} if isinstance(recipe, Recipe) else recipe
        require_trust_to_resume(named, directory, trust=trust)
    resolved = recipe if isinstance(recipe, Recipe) else load_recipe(recipe, overrides, strategy=strategy)
    result = run_recipe(resolved, callback, directory=directory, resume=resume)
    if report is None:
        report = os.environ.get("AUTOLOSS_REPORT") != "0"
    if report:
        _report(result.directory)
    return result


def _report(directory: Path) -> None:
    """Write the report of a run that has its result: where that fails or takes too long, it is left out with a word."""
    from automl_loss.plugins.time_limit import time_limit
    from automl_loss.report import write_report

    try:
        with time_limit(_REPORT_S):
            write_report(directory)
    except Exception as error:  # drawing is the work of other packages, and the result does not depend on it
        _logger.warning(
            "%s: the report is left out (%s: %s); the result is whole. `autoloss report %s` tries again.",
            directory, type(error).__name__, error, directory,
        )  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """What a comparison gave.

    Args:
        directory: of the comparison.
        data: the content of `comparison.json`.
    """

    directory: Path
    data: Mapping[str, Any]


def compare(
    recipe: str | Path | Mapping[str, Any] | Comparison,
    callback: GridCallback | None = None,
    *,
    overrides: Sequence[str] = (),
    directory: str | Path | None = None,
    resume: bool = False,
    trust: bool = False,
) -> Compared:
    """Run strategies head to head, and test what differs.

    Args:
        recipe: a file, the name of a shipped recipe, a mapping with `compare:`, or a loaded comparison.
        callback: called whenever a cell is finished.
        overrides: as on the command line, e.g. `["compare.seeds=3"]`.
        directory: where to write; default: `runs/<name>`, or `runs/<name>-2` where that exists.
        resume: go on in `directory`; finished cells are never run again.
        trust: as in `run`.

    Returns:
        Directory and data. `data["sentences"]` says in words what is supported.

    Raises:
        RecipeError: the recipe is wrong, or a strategy does not apply to a task.
        PluginError: a plugin is missing or broken.
        ResumeError: the comparison cannot be continued.
        Interrupted: by Ctrl-C; finished cells stay.

    Example:
        >>> from automl_loss import compare
        >>> recipe = {"compare": {"strategies": ["evomal", "random"], "tasks": ["wine"], "seeds": 10}}
        >>> compare(recipe).data["sentences"]  # doctest: +SKIP
    """
    from automl_loss.comparison.recipe import Comparison, load_comparison
    from automl_loss.comparison.report import write_comparison
    from automl_loss.comparison.runner import run_cells
    from automl_loss.record.trust import require_trust_to_resume

    if resume:
        named = {"name": recipe.name} if isinstance(recipe, Comparison) else recipe
        require_trust_to_resume(named, directory, trust=trust)
    loaded = recipe if isinstance(recipe, Comparison) else load_comparison(recipe, overrides)
    place = None if directory is None else Path(directory)
    folder, records = run_cells(loaded, place, resume=resume, callback=callback)
    return Compared(folder, write_comparison(loaded, records, folder))


def load_loss(path: str | Path, *, trust: bool = False) -> nn.Module:
    """The loss of a `best_loss.json` as a module: `forward(raw_output, target, reduction="mean")`.

    Args:
        path: a `best_loss.json`, or a run directory.
        trust: whether a primitive set may be imported that the recipe beside the file names by path, though the run
            was not started by this user on this machine.

    Raises:
        AutolossError: the file is missing or not a loss, or needs code that is not trusted.
    """
    from automl_loss.losses.module import build_module

    loss, problem = read_loss(path, trust=trust)
    return build_module(loss, problem)


def read_loss(path: str | Path, *, trust: bool = False) -> tuple[Loss, Problem]:
    """The `Loss` and the `Problem` of a `best_loss.json` or a run directory; arguments as of `load_loss`.

    Raises:
        RecipeError: there is no such file.
        PluginError: the loss is made of a plugin's primitives, and the plugin is missing.
        AutolossError: the file is not a loss.
    """
    from automl_loss.record.run_directory import RunPaths
    from automl_loss.record.run_reader import read_loss_file

    file = RunPaths(Path(path)).best_loss_json if Path(path).is_dir() else Path(path)
    try:
        return read_loss_file(file, trust=trust)
    except (FileNotFoundError, NotADirectoryError):
        raise RecipeError(
            f"{file}: there is no such file; a run writes it when it ends or is interrupted."
        ) from None
