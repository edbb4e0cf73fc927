from __future__ import annotations

from autoloss_gp.evomal import EvoMAL


def test_the_defaults_are_the_published_ones_but_for_the_start() -> None:
    assert EvoMAL.Config().model_dump() == {
        "population": 25,
        "generations": 50,
        "crossover": 0.70,
        "mutation": 0.25,
        "tournament": 4,
        "elitism": 0.05,
        "initial_depth": (2, 4),
        "mutation_depth": (0, 2),
        "max_height": 10,
        "activation": "identity",
        "initial": "known",
    }
