"""What figures say of their data."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from automl_loss.record.run_reader import Trial
from automl_loss.report.figures.axis_limits import limits
from automl_loss.report.figures.candidates import pareto_front

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30)


@given(VALUES, st.booleans())
def test_the_frame_holds_what_must_show_and_at_least_half_of_the_rest(
    values: list[float], lower: bool
) -> None:
    must = values[:1]
    (low, high), beyond = limits(np.array(values), must, lower_is_better=lower)
    assert low < high
    assert low <= must[0] <= high
    inside = sum(low <= value <= high for value in values)
    assert inside >= len(values) / 2
    assert inside + beyond == len(values)
    best = min(values) if lower else max(values)
    assert low <= best <= high


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=20))
def test_the_front_is_what_no_loss_of_its_size_or_less_beats(sizes: list[tuple[int, int]]) -> None:
    trials = [Trial(i, 0, "evaluated", float(f), "f", str(i), c) for i, (c, f) in enumerate(sizes)]
    ranked = sorted(trials, key=lambda trial: (trial.fitness, trial.id))
    front = {(t.complexity, t.fitness) for t in pareto_front(ranked)}
    points = {(t.complexity, t.fitness) for t in trials}
    beaten = {
        one
        for one, other in itertools.product(points, points)
        if other != one and other[0] <= one[0] and (other[1] or 0.0) <= (one[1] or 0.0)
    }
    assert front == points - beaten
