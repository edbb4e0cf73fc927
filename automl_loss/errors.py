"""The exception tree. Every error a user can cause is an `AutolossError` with an exit code of its own.

A *bad loss* is never an exception: it is an `Outcome` with a status. An exception is a user's mistake, a
broken plugin, or a fault of the machine.
"""

from __future__ import annotations


class AutolossError(Exception):
    """Base of all errors of automl-loss; the command line prints its message without a traceback."""

    exit_code = 1


class RecipeError(AutolossError):
    """The recipe or the command's words are wrong. Carries every problem found, one a line."""

    exit_code = 2

    def __init__(self, problems: str | list[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class MissingDataError(RecipeError):
    """A task's files are not there; the message says where they were looked for. A dry run goes on without them."""


class PluginError(AutolossError):
    """A plugin is missing, ambiguous, or broken; the message names plugin, package and remedy."""

    exit_code = 3


class NoValidCandidateError(AutolossError):
    """The search ended without one candidate that trained to a finite fitness."""

    exit_code = 4


class ResumeError(AutolossError):
    """A run directory cannot be continued: locked, unreadable, or made by another recipe."""

    exit_code = 5


class EvaluationError(AutolossError):
    """Evaluating candidates failed for a reason that is no bad loss, e.g. a network of wrong output shape."""


class WorkerLostError(EvaluationError):
    """The process that computed a chunk ended, each time that it was begun anew."""


class OutOfTimeError(AutolossError):
    """The time of `budget.minutes` is used up; the run ends what it is doing and goes on to its result."""


class NetworkError(EvaluationError):
    """A network cannot be trained: its shapes, its gradients or its values, or its code fails on the task's rows."""


class DataError(EvaluationError):
    """The data that a recipe names cannot be worked with: a damaged file, a value out of range, too few rows.

    The message names the file or the task, the place within, what was seen, and the remedy.
    """

    exit_code = 2


class ExpressionError(AutolossError):
    """A text is not an expression of the primitive set; the message gives the column."""

    exit_code = 2


class UnknownPrimitiveError(ExpressionError):
    """A text names a primitive that is not in the primitive set; the message gives the column."""


class Interrupted(AutolossError):
    """The user stopped the run; what was found is written, and the message says how to go on."""

    exit_code = 130
