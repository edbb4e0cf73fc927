"""The Python interface: `run` and `load_loss`, beside the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_loss.errors import AutolossError, ResumeError
from automl_loss.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from torch import nn

    from automl_loss.search.progress import Callback
    from automl_loss.search.result import Result
    from automl_loss.search.run_directory import RunDirectory


def run(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    callback: Callback | None = None,
    *,
    overrides: Sequence[str] = (),
    directory: str | Path | None = None,
    resume: bool = False,
) -> Result:
    """Search for a loss, retrain under it, and write a run directory.

    Args:
        recipe: a file, the name of a shipped recipe, a mapping, or a loaded recipe.
        callback: called with `Progress` while the run lasts.
        overrides: as on the command line, e.g. `["strategy.population=50"]`.
        directory: where to write; default: `runs/<name>`, or `runs/<name>-2` where that exists.
        resume: go on with an interrupted run in `directory` (default: `runs/<name>`).

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
    """
    from automl_loss.report import write_report
    from automl_loss.search.run import Run
    from automl_loss.search.run_directory import RunDirectory
    from automl_loss.search.setup import set_up

    resolved = recipe if isinstance(recipe, Recipe) else load_recipe(recipe, overrides)
    # Whatever is wrong with data, model or options is found before a folder is made.
    setup = set_up(resolved)
    if resume:
        place = RunDirectory.open(Path(directory or Path("runs") / resolved.name))
    else:
        place = RunDirectory.create(resolved.name, Path(directory) if directory is not None else None)
    with place:
        _settle_recipe(resolved, place)
        result = Run(setup, place, callback).execute()
        write_report(place.path)
        return result


def _settle_recipe(recipe: Recipe, place: RunDirectory) -> None:
    """Write the recipe into a new run directory, or compare it with the one that is there."""
    from automl_loss.search.atomic import replace_text
    from automl_loss.search.versions import versions

    if place.resumed:
        recorded = load_recipe(place.recipe)
        changed = recipe.difference(recorded)
        if changed:
            raise ResumeError(
                f"{place.path} was made by a recipe that differs in {', '.join(changed)}. Only budget, "
                f"executor, finalists and retraining may change on resume; go on with {place.recipe}, or "
                f"start a new run."
            )
    facts = "".join(f"# {name}: {version}\n" for name, version in versions(recipe).items())
    replace_text(place.recipe, f"# The resolved recipe of this run, made with:\n{facts}\n{recipe.to_yaml()}")


def load_loss(path: str | Path) -> nn.Module:
    """The loss of a `best_loss.json` as a module: `forward(raw_output, target, reduction="mean")`.

    Args:
        path: a `best_loss.json`, or a run directory.

    Raises:
        AutolossError: the file is missing or not a loss.
    """
    from automl_loss.losses.module import build_module

    loss, problem = read_loss(path)
    return build_module(loss, problem)


def read_loss(path: str | Path) -> tuple[Any, Any]:
    """The `Loss` and the `Problem` of a `best_loss.json` or a run directory."""
    from automl_loss.losses import Problem, loss_from_json

    file = Path(path)
    if file.is_dir():
        file = file / "best_loss.json"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        problem = data["problem"]
        return loss_from_json(data["loss"]), Problem(
            **{**problem, "input_shape": tuple(problem["input_shape"])}
        )
    except FileNotFoundError:
        raise AutolossError(
            f"{file}: there is no such file; a run writes it when it ends or is interrupted."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise AutolossError(
            f"{file}: this is not a loss written by automl-loss ({type(error).__name__}: {error})."
        ) from error
