"""Plugin kind `evaluator`, which turns candidates into outcomes, and the `Context` that it is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from automl_loss.losses.problem import Problem
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.config import PluginConfig
from automl_loss.plugins.outcome import Outcome

if TYPE_CHECKING:
    from automl_loss.plugins.training_engine import TrainingEngine

Chunk = tuple[Candidate, ...]
Stage = Callable[[Chunk], list[Outcome]]


class ChunkMap(Protocol):
    """Runs a stage on chunks of candidates and records what each chunk gave.

    A stage is a pure, picklable function of one chunk (bind the engine with `functools.partial`). A chunk
    that is already in the ledger is not computed again, so evaluators need no resume code. For training that may
    be stopped at the recipe's rungs, see `race`.
    """

    def __call__(self, stage: Stage, candidates: Sequence[Candidate]) -> Iterator[Outcome]:
        """Return outcomes in the order of `candidates`, which are cut into chunks in that order."""
        ...


def _keep_to_oneself(sentence: str) -> None:
    """Discard a sentence; the default of `Context.say`."""


@dataclass(frozen=True)
class Context:
    """The engine, archive, randomness and callbacks that an evaluator may use.

    Args:
        problem: kind and shapes of the task.
        engine: trains, tunes and differentiates under many losses at once; picklable.
        archive: outcomes of earlier candidates of the run by id; read only.
        rng: randomness of this generation.
        map: runs stages on chunks; see `ChunkMap`.
        report: shows finished outcomes in the live table before the generation ends.
        generations: ids of the candidates of each earlier generation, in order; the task loss, id 0, is in none.
        say: tells the user a sentence.
    """

    problem: Problem
    engine: TrainingEngine
    archive: Mapping[int, Outcome]
    rng: np.random.Generator
    map: ChunkMap
    report: Callable[[Sequence[Outcome]], None]
    generations: Sequence[Sequence[int]] = ()
    say: Callable[[str], None] = _keep_to_oneself


class Evaluator(ABC):
    """Computes an outcome for every candidate of a generation.

    It runs in the main process and sees the whole generation after the core's filters. Laws: outcomes come in
    the order of the candidates, one each; a bad loss is an outcome, never an exception; networks are trained at
    learning rates above 0; settings of the process stay as they are.
    """

    plugin_api: ClassVar[int] = 1
    tunes: ClassVar[bool] = True
    """Whether it spends steps on the recipe's `tuning` section; a dry run counts them."""

    class Config(PluginConfig):
        """Options of the evaluator in a recipe."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def evaluate(self, candidates: Sequence[Candidate], context: Context) -> list[Outcome]:
        """Return the outcomes of the candidates, in order."""
