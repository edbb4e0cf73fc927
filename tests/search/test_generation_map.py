from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.executors import Inline

from automl_loss.errors import PluginError
from automl_loss.expression import standard_primitives
from automl_loss.losses.handcrafted import HandcraftedLoss
from automl_loss.plugins.candidate import Candidate
from automl_loss.plugins.evaluator import Chunk
from automl_loss.plugins.outcome import Outcome, Status
from automl_loss.record.ledger import Ledger
from automl_loss.record.recording import Recording
from automl_loss.record.run_directory import RunDirectory
from automl_loss.record.workers import Workers
from automl_loss.search.generation_map import GenerationMap
from automl_loss.search.plugin_guard import GuardedStages, Identity

GUARD = GuardedStages(Identity("evaluator", "mine", "Mine", "of acme 1.0"), "here")
LOSS = HandcraftedLoss("cross_entropy", "multiclass")
USUAL = LOSS
CANDIDATES = [Candidate(i, LOSS, 0) for i in range(1, 8)]


class Stage:
    """Counts what it is given; fails on chosen candidates."""

    def __init__(self, *failing: int) -> None:
        self.seen: list[int] = []
        self._failing = failing

    def __call__(self, chunk: Chunk) -> list[Outcome]:
        self.seen += [candidate.id for candidate in chunk]
        return [
            Outcome(c.id, Status.FAILED, None, c.loss) if c.id in self._failing
            else Outcome(c.id, Status.EVALUATED, c.id / 7, c.loss)
            for c in chunk
        ]  # fmt: skip


class Place:
    """Generation 0 of a run, mapped in one session after another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.reported: list[int] = []
        self.chunk_of: dict[int, str] = {}

    def map(
        self,
        *stages: Any,
        most: int | None = None,
        generation: int = 0,
        candidates: Sequence[Candidate] = CANDIDATES,
    ) -> list[list[Outcome]]:
        """Outcomes of stages; the caller stops after `most` of each."""
        directory = (
            RunDirectory.open(self._path) if self._path.exists() else RunDirectory.create("run", self._path)
        )
        with directory:
            directory.recipe.touch()
            ledger = Ledger.open(directory, "run")
            recording = Recording(Workers(Inline()), ledger.chunks, directory, 3)
            recorded = GenerationMap(
                recording, generation, standard_primitives(), GUARD, USUAL, self._on_chunk
            )
            results = []
            for stage in stages:
                outcomes = recorded(stage, candidates)
                results.append([next(outcomes) for _ in range(most)] if most else list(outcomes))
            self.chunk_of |= recorded.chunk_of
            ledger.close()
        return results

    def _on_chunk(self, outcomes: Sequence[Outcome]) -> None:
        self.reported += [outcome.id for outcome in outcomes]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "run")


def test_outcomes_come_in_order_and_each_finished_chunk_is_reported(place: Place) -> None:
    (outcomes,) = place.map(Stage())
    assert [(outcome.id, outcome.fitness) for outcome in outcomes] == [(i, i / 7) for i in range(1, 8)]
    assert place.reported == list(range(1, 8))
    assert set(place.chunk_of) == set(range(1, 8))
    assert len(set(place.chunk_of.values())) == 4


def test_a_recorded_chunk_is_recalled_and_not_computed(place: Place) -> None:
    first = place.map(Stage())
    stage = Stage()
    assert place.map(stage) == first
    assert stage.seen == []
    assert place.reported == list(range(1, 8)) * 2


def test_an_evaluator_that_was_stopped_meets_the_chunks_it_finished(place: Place) -> None:
    place.map(Stage(), most=3)
    stage = Stage()
    (outcomes,) = place.map(stage)
    assert [outcome.id for outcome in outcomes] == list(range(1, 8))
    assert stage.seen
    assert set(stage.seen).isdisjoint({1, 2})


def test_a_chunk_with_a_failed_candidate_is_computed_again_whole_and_the_others_are_not(place: Place) -> None:
    ((failed, *_),) = place.map(Stage(1))
    assert failed.status is Status.FAILED
    stage = Stage()
    ((mended, *_),) = place.map(stage)
    assert mended.status is Status.EVALUATED
    assert stage.seen == [i for i in range(1, 8) if place.chunk_of[i] == place.chunk_of[1]]


def test_a_chunk_of_other_candidates_between_the_same_ends_is_another_chunk(place: Place) -> None:
    first, second = ([c for c in CANDIDATES if c.id != left_out] for left_out in (3, 2))
    stage = Stage()
    place.map(stage, candidates=first)
    (outcomes,) = place.map(stage, candidates=second)
    assert [outcome.id for outcome in outcomes] == [1, 3, 4, 5, 6, 7]
    assert stage.seen == [1, 2, 4, 5, 6, 7, 1, 3, 4]


def test_stages_and_generations_do_not_share_chunks(place: Place) -> None:
    one, two, other = Stage(), Stage(), Stage()
    place.map(one, two)
    place.map(other, generation=1)
    assert one.seen == two.seen == other.seen == list(range(1, 8))


@pytest.mark.parametrize(
    "broken",
    [
        lambda chunk: [],
        lambda chunk: [Outcome(c.id + 1, Status.EVALUATED, 0.5, c.loss) for c in chunk],
        lambda chunk: [Outcome(c.id, Status.EVALUATED, 0.5, c.loss) for c in chunk][::-1],
    ],
    ids=["none", "other ids", "other order"],
)
def test_a_stage_that_returns_other_candidates_is_a_plugin_error_and_nothing_is_recorded(
    place: Place, broken: Callable[[Chunk], list[Outcome]]
) -> None:
    with pytest.raises(
        PluginError, match=r"got candidates \[1, 2\] in a stage of here and returned outcomes"
    ):
        place.map(broken)
    stage = Stage()
    place.map(stage)
    assert stage.seen == list(range(1, 8))
