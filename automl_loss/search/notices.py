"""Collect notices for the user before a run starts, such as settings that work but are slow."""

from __future__ import annotations

from automl_loss.executors.in_order import InOrderExecutor
from automl_loss.executors.local import LocalExecutor, cores
from automl_loss.expression import Expression, Primitive, compile_program, constant
from automl_loss.search.from_recipe import RunObjects
from automl_loss.search.guarded_executor import GuardedExecutor


def notices(run: RunObjects) -> list[str]:
    """Return sentences for the user, for `--dry-run` and the start of a run; none where nothing is to be said.

    They give the assumptions of tasks, and say where rows cannot be drawn anew. They also name primitives without
    an instruction of the compiled kernels, and the plugin that they come from: a loss that uses one is differentiated
    by autograd, by itself; the other losses still use the kernel.
    """
    said = [sentence for engine in run.engine.parts for sentence in engine.task.notices()]
    return list(
        dict.fromkeys(
            [
                *said,
                *run.notices,
                *_not_redrawn(run),
                *_slow_primitives(run),
                *_old_executor(run),
                *_threads_that_fight(run),
            ]
        )
    )


def _not_redrawn(run: RunObjects) -> list[str]:
    if not run.recipe.finalists.redraw or run.engine.redrawable:
        return []
    return [
        "finalists.redraw: training and validation rows are not of one kind here (imbalance, clean_validation, or a "
        "split that you gave), so finalists are judged on the rows of the search."
    ]


def _old_executor(run: RunObjects) -> list[str]:
    executor = run.executor.inner if isinstance(run.executor, GuardedExecutor) else run.executor
    if not isinstance(executor, InOrderExecutor):
        return []
    return [
        f"executor {run.recipe.executor.label} has plugin_api = 1, which this release still takes and the next one "
        f"does not; ask its author for plugin_api = 2."
    ]


def _threads_that_fight(run: RunObjects) -> list[str]:
    executor = run.executor.inner if isinstance(run.executor, GuardedExecutor) else run.executor
    threads = run.recipe.executor_options.threads
    if not isinstance(executor, LocalExecutor) or threads == 1 or executor.workers * threads <= cores():
        return []
    return [
        f"executor: {executor.workers} workers of {threads} threads share {cores()} cores, so that threads wait for "
        f"each other; leave `executor.workers` out, or set `executor.threads: 1`, which is faster for small networks."
    ]


def _slow_primitives(run: RunObjects) -> list[str]:
    if run.engine.device.type != "cpu":
        return []
    primitives, choice = run.primitives, run.recipe.primitives
    slow = [word.name for word in (*primitives.functions, *primitives.terminals) if not _has_kernel(word)]
    if not slow:
        return []
    origin = choice.package or "local"
    words, have = ("primitive", "has") if len(slow) == 1 else ("primitives", "have")
    return [
        f"{words} {', '.join(slow)} ({choice.label}, {origin}) {have} no kernel: losses that use "
        f"{'it' if len(slow) == 1 else 'them'} are differentiated by autograd, which is slower."
    ]


def _has_kernel(word: Primitive) -> bool:
    one = Expression(constant(1.0))
    return compile_program(Expression(word, (one,) * word.arity)) is not None
