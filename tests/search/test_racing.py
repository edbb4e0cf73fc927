"""Racing by hand-made courses: what each candidate's fitness is at the rungs and at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from automl_loss import Candidate, Context, HandcraftedLoss, Leg, Outcome, PluginError, Problem, Status, race
from automl_loss.engine.settings import TrainingSettings
from automl_loss.search.racing import rank_correlation

LOSS = HandcraftedLoss("cross_entropy", "multiclass")
STEPS, RUNGS = 100, (50, 75)
ENDS = (*RUNGS, STEPS)
Course = tuple[float, float, float]


@dataclass
class Track:
    """A run of several generations over made-up courses: fitness at step 50, 75 and 100.

    A course that is infinite at a leg's end diverges there.
    """

    courses: Mapping[int, Course]
    rungs: tuple[int, ...] = RUNGS
    chunk: int = 3
    seeds: int = 1
    archive: dict[int, Outcome] = field(default_factory=dict)
    generations: list[list[int]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    legs: list[tuple[int, int, list[int]]] = field(default_factory=list)

    def evaluate(self, ids: Sequence[int]) -> list[Outcome]:
        """Race a generation as an evaluator does; it is not yet in the archive."""
        self.legs.clear()
        training = TrainingSettings(steps=STEPS, rungs=self.rungs, seeds=self.seeds)
        engine: Any = SimpleNamespace(training=training)
        context = Context(
            Problem.classification((6,), 3), engine, self.archive, np.random.default_rng(0), self._map,
            lambda outcomes: None, tuple(self.generations), self.said.append,
        )  # fmt: skip
        outcomes = race([Candidate(i, LOSS, 0) for i in ids], context, self._stage)
        assert [outcome.id for outcome in outcomes] == list(ids)
        return outcomes

    def generation(self, ids: Sequence[int]) -> dict[int, Outcome]:
        """Race a generation and put it in the archive."""
        found = {outcome.id: outcome for outcome in self.evaluate(ids)}
        self.archive |= found
        if ids != [0]:
            self.generations.append(list(ids))
        return found

    def ran(self) -> list[list[int]]:
        """Candidates of each leg of the last generation."""
        joined: dict[int, list[int]] = {}
        for start, _, ids in self.legs:
            joined.setdefault(start, []).extend(ids)
        return list(joined.values())

    def _map(self, stage: Any, candidates: Sequence[Candidate]) -> Iterator[Outcome]:
        for start in range(0, len(candidates), self.chunk):
            yield from stage(tuple(candidates[start : start + self.chunk]))

    def _stage(self, chunk: tuple[Candidate, ...], leg: Leg) -> list[Outcome]:
        ids = [candidate.id for candidate in chunk]
        self.legs.append((leg.start, leg.end, ids))
        assert list(leg.paused) == ([(b"%d at %d" % (i, leg.start),) for i in ids] if leg.start else [])
        return [self._outcome(i, leg) for i in ids]

    def _outcome(self, i: int, leg: Leg) -> Outcome:
        seen = [value for end, value in zip(ENDS, self.courses[i], strict=True) if end <= leg.end]
        steps = float((leg.end - leg.start) * self.seeds)
        if math.isinf(seen[-1]):
            return Outcome(i, Status.DIVERGED, None, LOSS, steps=steps)
        rungs = tuple(self.courses[i][ENDS.index(rung)] for rung in self.rungs if rung <= leg.end)
        paused = (b"%d at %d" % (i, leg.end),)
        return Outcome(
            i, Status.EVALUATED, seen[-1], LOSS, rungs=rungs, steps=steps, seconds=1.0, paused=paused
        )


def steady(values: Sequence[float], first: int) -> dict[int, Course]:
    """Courses on which every rung ranks as the end does."""
    return {i: (value + 0.2, value + 0.1, value) for i, value in enumerate(values, start=first)}


TASK_LOSS = {0: (0.3, 0.2, 0.1)}
FIRST = steady([0.5, 0.4, 0.6, 0.3, 0.7, 0.8], 1)
SECOND = steady([0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 0.5], 7)


def at_the_second_generation(**options: Any) -> Track:
    track = Track(**{"courses": TASK_LOSS | FIRST | SECOND, **options})
    track.generation([0])
    track.generation(list(range(1, 7)))
    return track


def test_the_task_loss_and_the_first_generation_run_in_full() -> None:
    track = Track(TASK_LOSS | FIRST)
    (task,) = track.generation([0]).values()
    assert (task.status, task.fitness, track.ran()) == (Status.EVALUATED, 0.1, [[0]])
    first = track.generation(list(range(1, 7)))
    assert track.ran() == [[1, 2, 3, 4, 5, 6]]
    assert {outcome.status for outcome in first.values()} == {Status.EVALUATED}
    assert [outcome.steps for outcome in first.values()] == [100.0] * 6
    assert track.said == []


def test_later_generations_are_halved_at_each_rung() -> None:
    track = at_the_second_generation()
    found = track.generation(list(range(7, 15)))
    assert track.ran() == [[7, 8, 9, 10, 11, 12, 13, 14], [8, 10, 12, 14], [8, 10]]
    assert {i for i, o in found.items() if o.status is Status.EVALUATED} == {8, 10}
    assert {len(found[i].rungs) for i in (7, 9, 11, 13)} == {1}
    assert {len(found[i].rungs) for i in (12, 14)} == {2}
    assert {i: o.fitness for i, o in found.items() if o.fitness is not None} == {8: 0.2, 10: 0.3}
    assert all(not outcome.paused for outcome in found.values())


def test_a_pruned_candidate_says_where_and_costs_its_share_of_the_steps_and_of_the_time() -> None:
    found = at_the_second_generation(seeds=2).generation(list(range(7, 15)))
    assert (found[7].steps, found[7].cost, found[7].seconds) == (100.0, 0.5, 1.0)
    assert (found[12].steps, found[12].cost, found[12].seconds) == (150.0, 0.75, 2.0)
    assert found[12].message == "stopped at step 75: among the worse half of its generation there"
    assert (found[8].steps, found[8].seconds, found[8].message) == (200.0, 3.0, "")


def test_the_ranking_is_whole_runs_first_then_pruned_by_their_last_rung_then_the_rest() -> None:
    courses = SECOND | {11: (0.1, math.inf, math.inf)}
    found = at_the_second_generation(courses=TASK_LOSS | FIRST | courses).generation(list(range(7, 15)))
    assert [o.id for o in sorted(found.values(), key=lambda o: o.rank_key)] == [8, 10, 12, 14, 13, 9, 7, 11]
    assert found[11].status is Status.DIVERGED


def test_the_user_is_told_once_when_racing_begins() -> None:
    track = at_the_second_generation()
    track.generation(list(range(7, 15)))
    assert len(track.said) == 2
    assert "stops at step 50" in track.said[0]
    assert "is 1.00 over the first 6 candidates" in track.said[1]
    track.courses = dict.fromkeys(range(15, 18), (0.3, 0.2, 0.1))
    track.generation([15, 16, 17])
    assert len(track.said) == 2


def test_a_rung_that_ranks_otherwise_than_full_training_stops_nobody_and_the_user_is_told() -> None:
    misleading = {i: (1.0 - end, middle, end) for i, (_, middle, end) in FIRST.items()}
    track = at_the_second_generation(courses=TASK_LOSS | misleading | SECOND)
    track.generation(list(range(7, 15)))
    assert track.ran() == [[7, 8, 9, 10, 11, 12, 13, 14], [8, 10, 12, 14]]
    assert track.legs[0][:2] == (0, 75)
    assert "switched off at step 50; its rank correlation with full fitness is -1.00" in track.said[0]
    assert "stops at step 75" in track.said[1]


def test_racing_that_is_switched_off_at_every_rung_trains_all_in_one_stage_for_good() -> None:
    flat = {i: (0.5, 0.5, end) for i, (_, _, end) in FIRST.items()}
    track = at_the_second_generation(courses=TASK_LOSS | flat | SECOND)
    for ids in ([7, 8, 9], [10, 11, 12, 13, 14]):
        assert {o.status for o in track.generation(ids).values()} == {Status.EVALUATED}
        assert track.ran() == [ids]
    assert len(track.said) == 2


def test_what_is_as_good_as_the_best_so_far_at_the_rung_is_never_stopped() -> None:
    best = {4: (0.65, 0.55, 0.05)}
    track = at_the_second_generation(courses=TASK_LOSS | FIRST | best | SECOND)
    found = track.generation(list(range(7, 15)))
    # The better half at step 75 is 8 and 10; 12 stands at 0.5 there, and the best so far stood at 0.55.
    assert track.ran()[1] == [8, 10, 12, 14]
    assert track.ran()[2] == [8, 10, 12]
    assert found[12].fitness == 0.4


def test_the_task_loss_can_be_the_best_so_far() -> None:
    track = at_the_second_generation(courses={0: (0.95, 0.15, 0.1)} | FIRST | SECOND)
    track.generation(list(range(7, 15)))
    assert track.ran()[1] == [8, 10, 11, 12, 13, 14]


def test_a_small_first_generation_is_joined_by_the_next() -> None:
    track = at_the_second_generation()
    small = Track(TASK_LOSS | FIRST | SECOND)
    for ids in ([0], [1, 2, 3], [4, 5, 6]):
        assert {o.status for o in small.generation(ids).values()} == {Status.EVALUATED}
    assert small.evaluate(list(range(7, 15))) == track.evaluate(list(range(7, 15)))
    assert small.said == track.said


def test_equivalents_and_pruned_candidates_of_the_first_generations_measure_nothing() -> None:
    track = Track(TASK_LOSS | FIRST | SECOND)
    track.generation([0])
    track.generation([1, 2, 3, 4])
    for i in (5, 6):
        track.archive[i] = Outcome(i, Status.CACHED, 0.5, LOSS, rungs=(0.5, 0.5), source_id=1)
    track.generations[0] += [5, 6]
    assert {o.status for o in track.evaluate(list(range(7, 15)))} == {Status.EVALUATED}


@pytest.mark.parametrize("rungs", [(), (49,), (100,)])
def test_a_rung_before_half_of_the_steps_or_at_their_end_stops_nobody(rungs: tuple[int, ...]) -> None:
    courses = {i: (value,) * 3 for i, (_, _, value) in (TASK_LOSS | FIRST | SECOND).items()}
    track = at_the_second_generation(courses=courses)
    track.rungs = rungs
    ends = {49: 50}
    track._outcome = lambda i, leg: Outcome(  # type: ignore[method-assign]
        i, Status.EVALUATED, courses[i][0], LOSS, rungs=tuple(courses[i][0] for r in rungs if ends.get(r, r) <= leg.end)
    )  # fmt: skip
    assert {o.status for o in track.evaluate(list(range(7, 15)))} == {Status.EVALUATED}
    assert len(track.ran()) == 1
    assert track.said == []


@given(
    st.lists(st.tuples(*[st.sampled_from([0.1, 0.2, 0.3, 0.4, math.inf])] * 3), min_size=1, max_size=12),
    st.integers(1, 12),
)
def test_chunks_do_not_matter_and_at_least_half_of_what_is_finite_goes_on(
    courses: list[Course], chunk: int
) -> None:
    second = dict(enumerate(courses, start=7))
    ids = list(second)
    tracks = [
        at_the_second_generation(courses=TASK_LOSS | FIRST | second, chunk=size) for size in (chunk, 100)
    ]
    one, other = [track.evaluate(ids) for track in tracks]
    assert one == other
    legs = tracks[0].ran()
    for k, (before, after) in enumerate(zip(legs, [*legs[1:], []], strict=True)):
        finite = [i for i in before if not math.isinf(second[i][k])]
        assert k == 2 or len(finite) / 2 <= len(after) <= len(finite)
        assert set(after) <= set(finite)


def test_a_generation_that_diverges_before_the_rung_is_over_there() -> None:
    track = at_the_second_generation(courses=TASK_LOSS | FIRST | {7: (math.inf,) * 3})
    (outcome,) = track.evaluate([7])
    assert outcome.status is Status.DIVERGED
    assert track.ran() == [[7]]


def test_a_stage_that_does_not_report_its_rungs_is_an_error_that_says_what_to_do() -> None:
    track = Track(TASK_LOSS)
    track._outcome = lambda i, leg: Outcome(i, Status.EVALUATED, 0.5, LOSS)  # type: ignore[method-assign]
    with pytest.raises(
        PluginError, match=r"candidate 0 the fitness at 0 rungs, and there are 2 up to step 100"
    ):
        track.evaluate([0])


def test_no_candidates_are_no_race() -> None:
    assert at_the_second_generation().evaluate([]) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=20))
def test_the_rank_correlation_is_spearmans(pairs: list[tuple[int, int]]) -> None:
    one, other = [[float(pair[k]) for pair in pairs] for k in (0, 1)]
    if len(set(one)) > 1 and len(set(other)) > 1:
        assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic)
    else:
        assert rank_correlation(one, other) == 0.0
