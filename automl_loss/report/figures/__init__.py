"""Draw the figures of one run; each is a function of the run's record, and is left out where it has no data."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from automl_loss.report.figures.candidates import complexity_front, primitive_shares
from automl_loss.report.figures.comparison import learning_rates, test_values
from automl_loss.report.figures.curves import loss_by_probability, loss_by_residual, loss_terms
from automl_loss.report.figures.search import (
    fate_of_candidates,
    fitness_by_generation,
    seconds_by_phase,
    seconds_by_stage,
)
from automl_loss.report.run_view import RunView
from automl_loss.report.style import Drawing, applied, finish

Painter = Callable[[RunView], tuple[Figure, str] | None]

FIGURES: tuple[tuple[str, str, Painter], ...] = (
    ("test-values", "Test values of every seed", test_values),
    ("learning-rates", "Validation against learning rate", learning_rates),
    ("loss-by-probability", "The loss against the probability of the true class", loss_by_probability),
    ("loss-terms", "The loss of one output", loss_terms),
    ("loss-by-residual", "The loss against the residual", loss_by_residual),
    ("fitness-by-generation", "Fitness by generation", fitness_by_generation),
    ("fate-of-candidates", "What became of the candidates", fate_of_candidates),
    ("complexity-front", "Complexity against fitness", complexity_front),
    ("primitive-shares", "Primitives of the best losses", primitive_shares),
    ("seconds-by-stage", "Where the time of the search went", seconds_by_stage),
    ("seconds-by-phase", "Time by phase", seconds_by_phase),
)
"""Name, title and drawing function of each figure, in the order of the page."""


def draw_figures(run: RunView) -> list[Drawing]:
    """Draw all figures that the run has data for."""
    drawings = []
    for name, title, paint in FIGURES:
        with applied(name):
            painted = paint(run)
            if painted is not None:
                figure, caption = painted
                drawings.append(finish(figure, name, title, caption))
    return drawings
