"""From a validated recipe to the objects of a run."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from automl_loss.engine.data.corruption import check_options
from automl_loss.engine.engine import Engine
from automl_loss.engine.engine_spec import EngineSpec
from automl_loss.engine.metrics.names import is_import_path
from automl_loss.engine.network.imported import ImportedModel
from automl_loss.engine.network.network import Network
from automl_loss.engine.network.width import MOST, width_for
from automl_loss.engine.several_tasks import SeveralTasks
from automl_loss.engine.training.train import initial_state
from automl_loss.errors import EvaluationError, NetworkError, PluginError, RecipeError
from automl_loss.executors.in_order import current_version
from automl_loss.expression.primitive import Primitive, PrimitiveSet
from automl_loss.expression.python_source import check_sources
from automl_loss.losses.problem import Problem
from automl_loss.plugins.executor import Executor, Failure
from automl_loss.plugins.import_object import import_object
from automl_loss.plugins.model import ModelFactory
from automl_loss.plugins.process_state import forget
from automl_loss.plugins.python_strategy import PLACEHOLDER
from automl_loss.plugins.task import Task
from automl_loss.plugins.time_limit import time_limit
from automl_loss.recipe import Choice, Recipe
from automl_loss.search.guarded_data import GuardedModel, GuardedTask
from automl_loss.search.guarded_executor import GuardedExecutor
from automl_loss.search.identity import Identity, blaming, short
from automl_loss.search.leakage import look
from automl_loss.search.plugin_guard import GuardedEvaluator, GuardedStrategy
from automl_loss.seeds import generator, stream

_CHUNK = 16
_SET_UP_S = 30.0
"""The least limit on loading data, which may take longer than a candidate."""


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
        notices: sentences for the user on what was seen while they were made.
    """

    recipe: Recipe
    engine: Engine | SeveralTasks
    strategy: GuardedStrategy
    evaluator: GuardedEvaluator
    executor: Executor
    primitives: PrimitiveSet
    notices: tuple[str, ...] = ()

    @property
    def problem(self) -> Problem:
        """The task's."""
        return self.engine.problem


def set_up(recipe: Recipe, executor: Executor | None = None) -> RunObjects:
    """Make the objects of a run; loads the task's training and validation rows.

    Args:
        recipe: what to run.
        executor: in place of the recipe's.

    Raises:
        RecipeError: options do not fit the task, or the strategy does not apply to it.
        PluginError: the code of a plugin fails.
    """
    forget()
    limit = recipe.executor_options.timeout_s
    strategy, evaluator, words = recipe.strategy, recipe.evaluator, recipe.primitives
    who = identify(strategy)
    problem, problems = check_tasks(recipe)
    with time_limit(limit):
        reasons = _reasons(who, strategy, problem)
    problems += [f"strategy: {reason}" for reason in reasons]
    if problems:
        raise RecipeError(problems)
    engine = make_engine(recipe)
    with in_time(recipe, "comparing the rows of the splits"):
        found = check_rows(recipe, engine)
    primitives = make_primitives(words)
    with identify(words).guard("set-up"):
        check_sources(primitives)
    arguments = (strategy.config, engine.problem, primitives, generator(recipe.seed, "strategy"))
    return RunObjects(
        recipe=recipe,
        engine=engine,
        strategy=GuardedStrategy(
            who, lambda: strategy.cls(*arguments), engine.problem, identify(words), limit
        ),
        evaluator=GuardedEvaluator(identify(evaluator), evaluator.make, suspects_of(recipe), limit),
        executor=executor or make_executor(recipe),
        primitives=primitives,
        notices=tuple(found),
    )


def suspects_of(recipe: Recipe) -> list[Identity]:
    """The plugins whose code runs in worker processes beside the evaluator's."""
    tasks = [task.choice for task in recipe.tasks] or [recipe.task]
    return [identify(choice) for choice in (*tasks, recipe.model, recipe.primitives, recipe.strategy)]


def _reasons(who: Identity, strategy: Choice, problem: Problem) -> list[str]:
    """Why the strategy says that it does not apply."""
    with who.guard("check"):
        found: Any = strategy.cls.check(strategy.config, problem)
    if not isinstance(found, list | tuple) or not all(isinstance(text, str) for text in found):
        raise who.refuse(
            f"returned {short(found)} from check; expected a list of sentences, empty where it applies."
        )
    return list(found)


def make_primitives(words: Choice) -> PrimitiveSet:
    """The primitive set of a recipe, whose words are sound.

    Raises:
        PluginError: its code fails, or it gives anything but primitives with names of their own.
    """
    who = identify(words)
    with who.guard("set-up"):
        primitives: PrimitiveSet = words.make()
        groups: tuple[Any, Any] = (primitives.functions, primitives.terminals)
    for name, group in zip(("functions", "terminals"), groups, strict=True):
        if not isinstance(group, tuple | list) or not all(isinstance(word, Primitive) for word in group):
            raise who.refuse(f"gave {name} {short(group)}; expected a tuple of automl_loss.Primitive.")
        wrong = [word.name for word in group if (word.arity > 0) is not (name == "functions")]
        if wrong:
            raise who.refuse(
                f"gave {', '.join(map(short, wrong))} among its {name}; functions have an arity above 0, and "
                f"terminals 0."
            )
    names = [word.name for group in groups for word in group]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise who.refuse(f"gave the primitive {twice!r} twice; names must be unique within a set.")
    return primitives


def check_rows(recipe: Recipe, engine: Engine | SeveralTasks) -> list[str]:
    """Refuse a task whose splits share rows, and tell of a few; test rows are looked at by digest alone.

    Raises:
        PluginError: splits share more rows than chance gives, or the test rows cannot be made.
        RecipeError: the same for a shipped task, whose rows are the user's.
    """
    choices = [task.choice for task in recipe.tasks] or [recipe.task]
    notices = []
    for choice, part in zip(choices, engine.parts, strict=True):
        who = identify(choice)
        for common in look(part.task, part.seed):
            if common.refused:
                raise who.refuse(
                    f"gave {common}. A loss must be judged on rows that it was not trained on: permute the rows once, "
                    f"and cut, or name another file."
                )
            if common.worth_telling:
                notices.append(f"task {choice.label}: there are {common}.")
    return notices


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
    with in_time(recipe, "the task's set-up"):
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
    with _network_of(recipe.model):
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
    with (
        blaming([identify(recipe.task), identify(recipe.model)], "set-up"),
        _network_of(recipe.model),
        in_time(recipe, "loading the data and probing the network"),
    ):
        engine = Engine(spec)
    if is_import_path(engine.metric.name):
        with in_time(recipe, f"the metric {engine.metric.name}"):
            _try_metric(engine)
    return engine


@contextmanager
def _network_of(choice: Choice) -> Iterator[None]:
    """Tell a network that cannot be trained as the fault of the plugin that made it.

    Of a network by import path, or of automl-loss, the message says enough.
    """
    who = identify(choice)
    try:
        yield
    except NetworkError as error:
        if choice.loaded is None or who.own:
            raise
        raise PluginError(f"{who}: {error} Mend or upgrade it.") from error


def _try_metric(engine: Engine) -> None:
    """Try the user's own metric on an untrained network's outputs, before the search needs it.

    Raises:
        EvaluationError: it fails, or returns no number.
    """
    state = initial_state(engine.network, [stream(engine.seed, "metric")])
    rows = engine.validation_rows
    engine.metric.values(engine.network.outputs(state, rows), rows.target)


@contextmanager
def in_time(recipe: Recipe, what: str) -> Iterator[None]:
    """Limit what code of tasks, models and metrics takes in this process, where the recipe has a limit.

    Args:
        recipe: its `executor.timeout_s`, and at least 30 s, is the limit.
        what: the block does, for the message.

    Raises:
        EvaluationError: the block took longer.
    """
    limit = recipe.executor_options.timeout_s
    try:
        with time_limit(None if limit is None else max(_SET_UP_S, limit)):
            yield
    except TimeoutError as error:
        place = Failure.of(error).place
        raise EvaluationError(
            f"{what}: {error}{f' at {place}' if place else ''}. Mend what hangs there, or raise `executor.timeout_s`."
        ) from error


def chunk_size(recipe: Recipe, engine: Engine | SeveralTasks) -> int:
    """Most training runs in a chunk: what the recipe says, or by the engine's width."""
    return recipe.executor_options.chunk or (_CHUNK if engine.width >= MOST else max(1, engine.width))


def make_executor(recipe: Recipe) -> Executor:
    """The executor of a recipe; whoever asks for it closes it."""
    choice = recipe.executor
    who = identify(choice)
    with who.guard("set-up"):
        executor: Executor = choice.cls(choice.config, threads=recipe.executor_options.threads)
    executor = current_version(executor)
    return executor if who.own else GuardedExecutor(who, executor)


def _task_maker(choice: Choice, folder: Path | None) -> Callable[[], Task]:
    """A picklable maker of the task. A worker process imports the user's own module for itself."""
    if choice.import_path is not None:
        inner = partial(_imported_task, choice.import_path, dict(choice.options), folder)
    else:
        inner = partial(_task, choice.cls, choice.config, folder)
    return partial(GuardedTask, identify(choice), inner)


def _model_maker(choice: Choice, folder: Path | None) -> Callable[[], ModelFactory]:
    """A picklable maker of the model factory."""
    inner: Callable[[], ModelFactory]
    if choice.import_path is not None:
        inner = partial(_imported_model, choice.import_path, dict(choice.options), folder)
    else:
        inner = partial(_model, choice.cls, choice.config)
    return partial(GuardedModel, identify(choice), inner)


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
