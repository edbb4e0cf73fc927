"""From a validated recipe to the objects of a run."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from automl_loss.engine.data.corruption import check_options
from automl_loss.engine.engine import Engine
from automl_loss.engine.engine_spec import EngineSpec
from automl_loss.engine.network.imported import ImportedModel
from automl_loss.engine.network.network import Network
from automl_loss.engine.network.width import MOST, width_for
from automl_loss.engine.several_tasks import SeveralTasks
from automl_loss.errors import RecipeError
from automl_loss.executors.in_order import current_version
from automl_loss.expression.primitive import PrimitiveSet
from automl_loss.expression.python_source import check_sources
from automl_loss.losses.problem import Problem
from automl_loss.plugins.executor import Executor
from automl_loss.plugins.import_object import import_object
from automl_loss.plugins.model import ModelFactory
from automl_loss.plugins.python_strategy import PLACEHOLDER
from automl_loss.plugins.task import Task
from automl_loss.recipe import Choice, Recipe
from automl_loss.search.plugin_guard import GuardedEvaluator, GuardedStrategy, Identity, blaming
from automl_loss.seeds import generator

_CHUNK = 16


@dataclass(frozen=True)
class RunObjects:
    """The objects of one run.

    Args:
        recipe: the resolved recipe.
        engine: at the recipe's learning rate, which may still be `auto`.
        strategy: fresh, on a random stream of its own.
        evaluator: turns candidates into outcomes.
        executor: where stages run.
        primitives: the words that losses are made of.
    """

    recipe: Recipe
    engine: Engine | SeveralTasks
    strategy: GuardedStrategy
    evaluator: GuardedEvaluator
    executor: Executor
    primitives: PrimitiveSet

    @property
    def problem(self) -> Problem:
        """The task's."""
        return self.engine.problem


def set_up(recipe: Recipe) -> RunObjects:
    """Make the objects of a run; loads the task's training and validation rows.

    Raises:
        RecipeError: options do not fit the task, or the strategy does not apply to it.
        PluginError: the code of a plugin fails.
    """
    problem, problems = check_tasks(recipe)
    strategy, evaluator, words = recipe.strategy, recipe.evaluator, recipe.primitives
    who = identify(strategy)
    with who.guard("check"):
        problems += [f"strategy: {reason}" for reason in strategy.cls.check(strategy.config, problem)]
    if problems:
        raise RecipeError(problems)
    engine = make_engine(recipe)
    with identify(words).guard("set-up"):
        primitives: PrimitiveSet = words.make()
        check_sources(primitives)
    arguments = (strategy.config, engine.problem, primitives, generator(recipe.seed, "strategy"))
    return RunObjects(
        recipe=recipe,
        engine=engine,
        strategy=GuardedStrategy(who, lambda: strategy.cls(*arguments)),
        evaluator=GuardedEvaluator(identify(evaluator), evaluator.make),
        executor=make_executor(recipe),
        primitives=primitives,
    )


def identify(choice: Choice) -> Identity:
    """Who a recipe's plugin is, for messages: its name, its class, and package and version or path."""
    if choice.package is not None:
        origin = f"of {choice.package} {choice.version}"
    elif choice.import_path is not None or choice.loaded is None:
        origin = "by `import`"
    elif choice.loaded.plugin.target == PLACEHOLDER:
        origin = "handed over in Python"
    else:
        origin = f"of the recipe's `plugins:`, {choice.loaded.plugin.target}"
    cls = ImportedModel if choice.loaded is None else choice.cls
    return Identity.of(choice.kind, choice.label, origin, cls)


def check_task(recipe: Recipe) -> tuple[Problem, list[str]]:
    """The problem of a recipe's task as the task states it, and why the common options do not fit it."""
    with identify(recipe.task).guard("set-up"):
        problem = _task_maker(recipe.task, recipe.folder)().problem()
    return problem, [f"task.{sentence}" for sentence in check_options(recipe.task_options, problem)]


def check_tasks(recipe: Recipe) -> tuple[Problem, list[str]]:
    """The problem of all tasks of a recipe, and why they do not go together."""
    if not recipe.tasks:
        return check_task(recipe)
    checked = [check_task(single) for single in single_tasks(recipe)]
    problems = [f"tasks[{i}].{text}" for i, (_, found) in enumerate(checked) for text in found]
    kinds = [problem.kind for problem, _ in checked]
    if len(set(kinds)) > 1:
        listed = ", ".join(
            f"{task.choice.label} is {kind}" for task, kind in zip(recipe.tasks, kinds, strict=True)
        )
        problems.append(f"tasks: one loss takes one kind of prediction, and {listed}; name tasks of one kind")
    return checked[0][0], problems


def single_tasks(recipe: Recipe) -> list[Recipe]:
    """The recipe with each of its tasks alone."""
    return [replace(recipe, task=each.choice, task_options=each.options, tasks=()) for each in recipe.tasks]


def task_labels(recipe: Recipe) -> list[str]:
    """Names of a recipe's tasks that tell them apart: `digits`, `digits-2`."""
    seen: dict[str, int] = {}
    labels = []
    for task in recipe.tasks:
        name = task.choice.label.replace(":", ".").replace("/", ".")
        seen[name] = seen.get(name, 0) + 1
        labels.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return labels


def check_network(recipe: Recipe, problem: Problem) -> tuple[int, int]:
    """Parameters of a recipe's network, and how many of them are trained at once, without the task's data.

    Raises:
        EvaluationError: the network cannot be worked with.
    """
    network = Network(
        _model_maker(recipe.model, recipe.folder)(), problem, torch.device("cpu"), torch.float32
    )
    batchable, _ = network.probe(torch.zeros(2, *problem.input_shape))
    width = recipe.training.width or width_for(network, batchable=batchable)
    return network.parameters, width if batchable else 1


def make_engine(recipe: Recipe, run: str | None = None) -> Engine | SeveralTasks:
    """The engine of a recipe whose options fit its task; loads the task's training and validation rows.

    Args:
        recipe: of one task or of several.
        run: names the run whose engine it is, for worker processes; default: a run of its own.

    Raises:
        EvaluationError: data, network or device cannot be worked with.
        PluginError: the code of the task or the model fails.
    """
    torch.set_num_threads(recipe.executor_options.threads)
    run = run or uuid.uuid4().hex
    if not recipe.tasks:
        return make_single_engine(recipe, run)
    labels = task_labels(recipe)
    return SeveralTasks([make_single_engine(single, run) for single in single_tasks(recipe)], labels)


def make_single_engine(recipe: Recipe, run: str) -> Engine:
    """The engine of a recipe of one task; see `make_engine`."""
    spec = EngineSpec(
        task=_task_maker(recipe.task, recipe.folder),
        model=_model_maker(recipe.model, recipe.folder),
        options=recipe.task_options,
        training=recipe.training,
        tuning=recipe.tuning,
        rejection=recipe.filters.rejection_threshold if recipe.filters.after_tuning else None,
        stop=recipe.stop,
        seed=recipe.seed,
        device=recipe.device,
        folder=recipe.folder,
        run=run,
    )
    with blaming([identify(recipe.task), identify(recipe.model)], "set-up"):
        return Engine(spec)


def chunk_size(recipe: Recipe, engine: Engine | SeveralTasks) -> int:
    """Most training runs in a chunk: what the recipe says, or by the engine's width."""
    return recipe.executor_options.chunk or (_CHUNK if engine.width >= MOST else max(1, engine.width))


def make_executor(recipe: Recipe) -> Executor:
    """The executor of a recipe; whoever asks for it closes it."""
    choice = recipe.executor
    executor: Executor = choice.cls(choice.config, threads=recipe.executor_options.threads)
    return current_version(executor)


def _task_maker(choice: Choice, folder: Path | None) -> Callable[[], Task]:
    """A picklable maker of the task. A worker process imports the user's own module for itself."""
    if choice.import_path is not None:
        return partial(_imported_task, choice.import_path, dict(choice.options), folder)
    return partial(_task, choice.cls, choice.config, folder)


def _model_maker(choice: Choice, folder: Path | None) -> Callable[[], ModelFactory]:
    """A picklable maker of the model factory."""
    if choice.import_path is not None:
        return partial(_imported_model, choice.import_path, dict(choice.options), folder)
    return partial(_model, choice.cls, choice.config)


def _task(cls: type[Task], config: Any, folder: Path | None) -> Task:
    task = cls(config)
    task.folder = folder
    return task


def _model(cls: type[ModelFactory], config: Any) -> ModelFactory:
    return cls(config)


def _imported_task(path: str, options: dict[str, Any], folder: Path | None) -> Task:
    cls = import_object(path, folder)
    return _task(cls, cls.Config.model_validate_json(json.dumps(options)), folder)


def _imported_model(path: str, options: dict[str, Any], folder: Path | None) -> ImportedModel:
    return ImportedModel(ImportedModel.Config.model_validate({"import": path, **options}), folder)
