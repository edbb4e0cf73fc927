"""The Python interface: `run` and `load_loss`, beside the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_loss.errors import AutolossError, ExpressionError, RecipeError, ResumeError
from automl_loss.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from torch import nn

    from automl_loss.losses import Loss, Problem
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
    from automl_loss.search.progress import Progress
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
        notice = _settle_recipe(resolved, place)
        if notice and callback is not None:
            callback(Progress("search", message=notice))
        result = Run(setup, place, callback).execute()
        write_report(place.path)
        return result


def _settle_recipe(recipe: Recipe, place: RunDirectory) -> str:
    """Write the recipe into a new run directory, or compare it with the one that is there.

    Returns:
        What the user should know: other versions than the run began with may give other last bits.
    """
    from automl_loss.search.atomic import replace_text
    from automl_loss.search.versions import versions

    facts = [f"# {name}: {version}" for name, version in versions(recipe).items()]
    notice = ""

    if place.resumed:
        recorded = load_recipe(place.recipe)
        changed = recipe.difference(recorded)
        if changed:
            raise ResumeError(
                f"{place.path} was made by a recipe that differs in {', '.join(changed)}. Only budget, "
                f"executor, finalists and retraining may change on resume; go on with {place.recipe}, or "
                f"start a new run."
            )
        lines = place.recipe.read_text(encoding="utf-8").splitlines()
        new = [fact.removeprefix("# ") for fact in facts if fact not in lines]
        if new:
            notice = f"this run began with other versions; now {', '.join(new)}: the last bits may differ."
    text = "\n".join(["# The resolved recipe of this run, made with:", *facts, "", recipe.to_yaml()])
    replace_text(place.recipe, text)
    return notice


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


def read_loss(path: str | Path) -> tuple[Loss, Problem]:
    """The `Loss` and the `Problem` of a `best_loss.json` or a run directory.

    Raises:
        RecipeError: there is no such file.
        PluginError: the loss is made of a plugin's primitives, and the plugin is missing.
        AutolossError: the file is not a loss.
    """
    from automl_loss.losses import Problem

    file = Path(path)
    if file.is_dir():
        file = file / "best_loss.json"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        shape = tuple(data["problem"]["input_shape"])
        prior = tuple(data["problem"].get("class_prior", ()))
        problem = Problem(**{**data["problem"], "input_shape": shape, "class_prior": prior})
        return _loss_of(data), problem
    except (FileNotFoundError, NotADirectoryError):
        raise RecipeError(
            f"{file}: there is no such file; a run writes it when it ends or is interrupted."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise AutolossError(
            f"{file}: this is not a loss written by automl-loss ({type(error).__name__}: {error})."
        ) from error


def _loss_of(data: Mapping[str, Any]) -> Loss:
    """The loss of a best_loss.json; words beside the standard ones come from the plugin it names."""
    from automl_loss.losses import loss_from_json

    try:
        return loss_from_json(data["loss"])
    except ExpressionError:
        from automl_loss.plugins import Registry

        options = dict(data["primitives"])
        loaded = Registry().load("primitive_set", options.pop("name"))
        return loss_from_json(
            data["loss"], loaded.cls(loaded.config.model_validate_json(json.dumps(options)))
        )
