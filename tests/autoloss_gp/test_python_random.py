from __future__ import annotations

import random

import numpy as np
import pytest

from autoloss_gp.python_random import python_random


def test_draws_are_a_function_of_the_generator_alone() -> None:
    drawn = []
    for disturbance in (1, 2):
        random.seed(disturbance)
        with python_random(np.random.default_rng(5)):
            drawn.append([random.random() for _ in range(3)])
    assert drawn[0] == drawn[1]


def test_two_blocks_on_one_generator_differ() -> None:
    rng = np.random.default_rng(5)
    with python_random(rng):
        first = random.random()
    with python_random(rng):
        assert random.random() != first


def test_global_state_comes_back_after_an_error() -> None:
    state = random.getstate()
    with pytest.raises(IndexError), python_random(np.random.default_rng(0)):
        random.choice([])
    assert random.getstate() == state
