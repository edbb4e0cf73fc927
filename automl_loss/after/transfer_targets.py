"""What a found loss is to be transferred to: tasks and models as words of the command line, checked together."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from automl_loss.after.finished_run import FinishedRun
from automl_loss.engine.data.corruption import TaskOptions
from automl_loss.errors import AutolossError, PluginError, RecipeError
from automl_loss.final.training_runs import digest
from automl_loss.losses.base import Loss
from automl_loss.losses.families import families_of
from automl_loss.losses.handcrafted import HandcraftedLoss, task_loss
from automl_loss.losses.problem import Problem
from automl_loss.recipe import Choice, Recipe, load_recipe, yaml
from automl_loss.search.from_recipe import check_task, make_engine

_ROW_OPTIONS = {
    "label_noise": True,
    "outliers": False,
    "imbalance": True,
    "clean_validation": None,
    "development": None,
}
"""Options that change a task's rows, and whether they are for classes; `None`: for all."""
_TRAINED_BY = ("seed", "task", "model", "training", "stop", "retraining")
"""Sections that the result of a target depends on."""
_NAME_LENGTH = 40


@dataclass(frozen=True)
class Target:
    """One task and model to train under the loss of a run.

    Args:
        recipe: the run's, with another task or model in it.
        problem: the task's.
        loss: the run's loss, in the form this kind of task takes; not yet at its scale here.
        origin: the run's loss as the run returned it, as plain data.
        returned: what the loss is: `found` or `handcrafted`.
        notices: what a person should know before believing the numbers.
    """

    recipe: Recipe
    problem: Problem
    loss: Loss
    origin: dict[str, Any]
    returned: str
    notices: tuple[str, ...]

    @property
    def task(self) -> str:
        """The task as a person says it: its name, and the options that are not the default."""
        common = self.recipe.task_options.model_dump(mode="json", exclude_defaults=True)
        if "label_noise" in common and self.recipe.task_options.label_noise.kind == "symmetric":
            common["label_noise"] = self.recipe.task_options.label_noise.rate
        return _said(self.recipe.task, common)

    @property
    def model(self) -> str:
        """The model likewise."""
        return _said(self.recipe.model, {})

    @property
    def label(self) -> str:
        """Task and model."""
        return f"{self.task}, {self.model}"

    @property
    def folder(self) -> str:
        """Name of its folder: equal for equal settings, another one for others."""
        data = self.recipe.to_data()
        identity = digest([self.origin, {key: data[key] for key in _TRAINED_BY}])[:8]
        return f"{_plain(self.recipe.task.label)}-{_plain(self.recipe.model.label)}-{identity}"


def targets_of(
    run: FinishedRun,
    tasks: Sequence[str],
    models: Sequence[str],
    overrides: Sequence[str] = (),
    device: str | None = None,
) -> list[Target]:
    """Every task with every model, checked as far as that is possible without training.

    Args:
        run: whose loss is transferred.
        tasks: each a name, or a section as a recipe writes it: `{name: wine, label_noise: 0.4}`. None: the run's.
        models: likewise.
        overrides: `key=value` each, for all targets: `retraining.steps=5000`.
        device: in place of the run's.

    Raises:
        RecipeError: options are wrong, or do not fit, or the loss does not apply to a task; all of them at once.
        PluginError: a plugin is missing or broken, and nothing else is wrong.
        EvaluationError: a model does not go with a task, or there is no such device.
    """
    if not tasks and not models:
        raise RecipeError(
            "there is no target: name at least one by --task or --model, for example --model linear. "
            "`autoloss plugins list` shows what is installed."
        )
    _check_overrides(overrides)
    base = run.recipe.to_data()
    sections = (_sections("task", tasks, base), _sections("model", models, base))
    targets: dict[str, Target] = {}
    faults: list[AutolossError] = []
    for task, model in product(*sections):
        try:
            recipe = load_recipe({**base, "task": task, "model": model}, overrides, device=device)
            target = _target(run, recipe)
        except AutolossError as error:
            faults.append(error)
        else:
            targets.setdefault(target.folder, target)
    if not faults:
        faults = _faults_of_engines(list(targets.values()))
    if faults:
        raise _together(faults)
    return list(targets.values())


def adapt(loss: Loss, problem: Problem) -> Loss:
    """A loss in the form that another kind of problem takes.

    An elementwise loss compares predictions with targets, whatever they are, and stays as it is. A handcrafted
    one belongs to a kind of problem: its family with the same parameters is taken, where that kind has it and
    it means the same.

    Raises:
        RecipeError: the handcrafted loss has no meaning there, or is the task loss there.
    """
    if not isinstance(loss, HandcraftedLoss):
        return loss
    kind = problem.kind
    both_classify = loss.kind != "regression" and problem.is_classification
    if loss.kind != kind and not (both_classify and loss.name in families_of(kind)):
        raise RecipeError(
            f"the handcrafted loss {loss.key} is for {_called(loss.kind)} and does not apply to {_called(kind)}. "
            f"Transfer it to a task of its own kind; a found loss, which compares elementwise, can go to any."
        )
    adapted = replace(loss, kind=kind)
    if adapted.key == task_loss(problem).key:
        raise RecipeError(f"the loss {adapted.key} is the task loss there: there is nothing to compare.")
    return adapted


def _called(kind: str) -> str:
    return {"multiclass": "several classes", "binary": "two classes", "regression": "regression"}[kind]


def _check_overrides(overrides: Sequence[str]) -> None:
    for text in overrides:
        key = text.partition("=")[0].strip()
        section, _, option = key.partition(".")
        if key == "seed":
            raise RecipeError(
                f"-s {text}: transfer keeps the run's seed: with another one the split would change, and rows that "
                f"the loss was searched on could be test rows. For more seeds set retraining.seeds."
            )
        if section in ("task", "model") and option in ("", "name", "import"):
            raise RecipeError(f"-s {text}: name the {section} by --{section}, once for each {section}.")


def _sections(key: str, texts: Sequence[str], base: dict[str, Any]) -> list[Any]:
    """Sections of a recipe from words of the command line; a bare word is a plugin's name."""
    sections, problems = [], []
    for text in texts:
        try:
            value = yaml.parse_value(text)
        except RecipeError as error:
            problems.append(f"--{key} {text}: {error}")
            continue
        if isinstance(value, str) and value:
            value = {"name": value}
        if not isinstance(value, dict) or not value:
            example = "wine" if key == "task" else "mlp"
            problems.append(
                f"--{key} {text}: expected a name such as {example}, or a section such as '{{name: {example}}}'."
            )
        sections.append(value)
    if problems:
        raise RecipeError(problems)
    return sections or [base[key]]


def _target(run: FinishedRun, recipe: Recipe) -> Target:
    problem, problems = check_task(recipe)
    try:
        loss = adapt(run.loss, problem)
    except RecipeError as error:
        problems += error.problems
    if problems:
        raise RecipeError([f"{recipe.task.label}: {sentence}" for sentence in problems])
    notices = tuple(_notices(run, recipe, problem))
    return Target(recipe, problem, loss, run.loss.to_json(), run.returned, notices)


def _notices(run: FinishedRun, recipe: Recipe, problem: Problem) -> list[str]:
    """What may surprise about a target."""
    found = []
    label, own = recipe.task.label, run.recipe
    if run.problem.kind != problem.kind and run.loss.space == "prediction":
        f, g = (
            "real numbers" if kind == "regression" else "probabilities and 0 or 1"
            for kind in (run.problem.kind, problem.kind)
        )
        if f != g:
            found.append(
                f"{label}: the loss was found for {_called(run.problem.kind)}, where prediction and target are {f}; "
                f"here they are {g}, a range it was never tried on."
            )
    options = [key for key, classes in _ROW_OPTIONS.items() if classes in (None, problem.is_classification)]
    left = [key for key in options if getattr(recipe.task_options, key) != getattr(own.task_options, key)]
    if left:
        found.append(
            f"{label}: the loss was found with {_listed(own.task_options, left)}, and here it is "
            f"{_listed(recipe.task_options, left)}. Each --task says its own options: "
            f"--task '{{name: {label}, {left[0]}: ...}}'."
        )
    if not found and recipe.task == own.task and recipe.model == own.model:
        found.append(f"{label}, {recipe.model.label}: this is the run's own task and model, on fresh seeds.")
    return found


def _listed(options: TaskOptions, keys: Sequence[str]) -> str:
    plain = options.model_dump(mode="json")
    plain["label_noise"] = options.label_noise.rate
    return ", ".join(f"{key} {json.dumps(plain[key])}" for key in keys)


def _faults_of_engines(targets: Sequence[Target]) -> list[AutolossError]:
    """Why model, data and device do not go together; once where all targets fail for one reason."""
    found: list[tuple[Target, AutolossError]] = []
    for target in targets:
        try:
            make_engine(target.recipe)
        except AutolossError as error:
            found.append((target, error))
    if len(found) == len(targets) and len({str(error) for _, error in found}) == 1:
        return [found[0][1]]
    return [type(error)(f"{target.label}: {error}") for target, error in found]


def _together(faults: Sequence[AutolossError]) -> AutolossError:
    """All faults as one, each sentence once; a plugin's only where nothing else is wrong."""
    lines = list(dict.fromkeys(line for fault in faults for line in str(fault).splitlines()))
    if all(isinstance(fault, PluginError) for fault in faults):
        return PluginError("\n".join(lines))
    if any(isinstance(fault, RecipeError) for fault in faults):
        return RecipeError(lines)
    return type(faults[0])("\n".join(lines))


def _said(choice: Choice, common: dict[str, Any]) -> str:
    config = choice.config
    options = (
        choice.options
        if config is None
        else config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    )
    words = [f"{key}={json.dumps(value)}" for key, value in {**options, **common}.items()]
    return " ".join([choice.label, *words])


def _plain(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", label).strip("-.")[:_NAME_LENGTH] or "own"
