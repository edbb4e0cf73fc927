from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from autoloss_gp.evomal import EvoMAL
from autoloss_gp.expression_strategy import ExpressionStrategy
from autoloss_gp.random_search import RandomSearch
from automl_loss import Candidate, Expression, Outcome, Status, known_losses

Make = Callable[..., ExpressionStrategy]
Play = Callable[..., list[list[Candidate]]]
Value = Callable[[Expression, np.ndarray, np.ndarray], np.ndarray]


def flat(generations: list[list[Candidate]]) -> list[Candidate]:
    return [candidate for asked in generations for candidate in asked]


def with_fitness(fitness: Callable[[Candidate], float]) -> Callable[[Candidate], Outcome]:
    return lambda candidate: Outcome(candidate.id, Status.EVALUATED, fitness(candidate), candidate.loss)


def with_status(status: Status) -> Callable[[Candidate], Outcome]:
    return lambda candidate: Outcome(candidate.id, status, None, candidate.loss)


def test_evolution_finds_a_better_fit_than_random_search_with_as_many_losses(
    make: Make, play: Play, value: Value
) -> None:
    y, f = np.meshgrid(np.array([0.0, 1.0]), np.linspace(0.02, 0.98, 15))
    target = -y * np.log(f)

    def error(candidate: Candidate) -> float:
        with np.errstate(all="ignore"):
            found = np.mean((value(candidate.loss.expression, y, f) - target) ** 2)
        return float(found) if np.isfinite(found) else 1e9

    best: dict[type, list[float]] = {EvoMAL: [], RandomSearch: []}
    for seed in range(8):
        evolved = flat(play(make(EvoMAL, seed, generations=20, initial="random"), with_fitness(error)))
        drawn = flat(play(make(RandomSearch, seed), with_fitness(error)))
        assert len(drawn) >= len(evolved)
        best[EvoMAL].append(min(map(error, evolved)))
        best[RandomSearch].append(min(map(error, drawn)))
    assert np.mean(best[EvoMAL]) < 0.7 * np.mean(best[RandomSearch])


def test_the_best_loss_goes_on_having_offspring_when_none_after_it_completes(make: Make) -> None:
    strategy = make(generations=8)
    first = strategy.ask()
    best = first[17]
    strategy.tell([with_fitness(lambda c: float(c.id != best.id))(candidate) for candidate in first])
    offspring = []
    for _ in range(6):
        candidates = strategy.ask()
        offspring.append(sum(best.id in candidate.parents for candidate in candidates))
        strategy.tell([with_status(Status.REJECTED)(candidate) for candidate in candidates])
    assert min(offspring) >= 1
    assert sum(offspring) > 15


def test_without_elite_and_copies_the_best_loss_is_forgotten(make: Make) -> None:
    strategy = make(generations=4, elitism=0.0, crossover=0.75)
    first = strategy.ask()
    strategy.tell([with_fitness(lambda c: float(c.id))(candidate) for candidate in first])
    second = strategy.ask()
    assert len(second) == 25
    assert any(1 in candidate.parents for candidate in second)
    strategy.tell([with_fitness(lambda c: float(c.id))(candidate) for candidate in second])
    assert not any(1 in candidate.parents for candidate in strategy.ask())


def test_survivors_are_not_asked_again(make: Make, play: Play) -> None:
    sizes = [len(asked) for asked in play(make(generations=6, crossover=0.75), with_fitness(lambda c: c.id))]
    assert sizes == [25, 24, 24, 24, 24, 24]


def test_operators_are_drawn_at_their_rates(make: Make) -> None:
    # In a large population with tournaments of one, parents are distinct and offspring new: operators show.
    strategy = make(population=800, tournament=1, elitism=0.001, initial="random", initial_depth=(4, 4))
    strategy.tell([with_fitness(lambda c: 0.5)(candidate) for candidate in strategy.ask()])
    parents = [len(candidate.parents) for candidate in strategy.ask()]
    places = 799
    assert parents.count(2) / places == pytest.approx(0.70, abs=0.04)
    assert parents.count(1) / places == pytest.approx(0.25, abs=0.04)
    assert 1 - len(parents) / places == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("status", [s for s in Status if not s.completed])
def test_generations_in_which_nothing_completes_are_followed_by_random_ones(
    make: Make, play: Play, status: Status
) -> None:
    generations = play(make(generations=4), with_status(status))
    assert [len(asked) for asked in generations] == [25, 25, 25, 25]
    assert all(candidate.parents == () for candidate in flat(generations))


def test_one_that_completed_is_parent_before_all_that_did_not(make: Make) -> None:
    strategy = make(tournament=25 * 20)
    candidates = strategy.ask()
    kinds = [Status.REJECTED, Status.DIVERGED, Status.FAILED, Status.PRUNED]
    outcomes = [with_status(kinds[c.id % 4])(c) for c in candidates]
    outcomes[11] = Outcome(12, Status.CACHED, 0.9, candidates[11].loss, source_id=0)
    strategy.tell(outcomes)
    parents = [candidate.parents for candidate in strategy.ask() if candidate.parents]
    assert len(parents) > 15
    assert set(parents) == {(12,)}


def test_no_loss_is_higher_than_the_limit(make: Make, play: Play) -> None:
    fitness = with_fitness(lambda candidate: -candidate.loss.expression.size)  # rewards growth
    heights = [c.loss.expression.height for c in flat(play(make(generations=12, max_height=6), fitness))]
    assert max(heights) == 6


def test_the_limit_holds_after_repair(make: Make, play: Play) -> None:
    # Trees of y alone are repaired at every turn; the deepest place is where repair would break the limit.
    fitness = with_fitness(lambda candidate: -candidate.loss.expression.size)
    options = {"initial_depth": (1, 1), "max_height": 2, "initial": "random"}
    heights = [c.loss.expression.height for c in flat(play(make(generations=12, **options), fitness))]
    assert max(heights) == 2


def test_known_losses_are_in_the_first_generation_beside_random_ones(make: Make, value: Value) -> None:
    losses = [candidate.loss.expression for candidate in make().ask()]
    y, f = np.eye(3)[[0, 1, 2, 1]], np.full((4, 3), 1 / 3) + np.linspace(-0.2, 0.2, 12).reshape(4, 3)

    def is_said(target: np.ndarray) -> bool:
        return any(np.allclose(value(loss, y, f), target, atol=1e-5) for loss in losses)

    with np.errstate(all="ignore"):
        assert is_said(-y * np.log(f))
        assert is_said((y - f) ** 2)
        assert not is_said(y * np.log(f) * 1.234)
        random_start = [str(candidate.loss.expression) for candidate in make(initial="random").ask()]
    assert len(losses) == len(random_start) == 25
    assert len({str(loss) for loss in losses} & set(random_start)) < 25


@pytest.mark.parametrize("population", [2, 3, 4, 25])
def test_known_losses_are_at_most_half_of_the_first_generation(
    make: Make, population: int, value: Value
) -> None:
    strategy = make(population=population)
    known = set(known_losses(strategy.problem).values())
    losses = [str(candidate.loss.expression) for candidate in strategy.ask()]
    assert len(losses) == population
    assert 1 <= sum(text in known for text in losses) <= population // 2


def test_a_known_loss_that_had_no_place_can_still_be_found(make: Make) -> None:
    strategy = make(population=2)
    strategy.ask()
    assert strategy._novelty.claim(make(population=25).ask()[1].loss.expression)


def test_a_tiny_population_never_ends_early(make: Make, play: Play) -> None:
    for seed in range(10):
        options = {"population": 2, "generations": 30, "crossover": 0.05, "mutation": 0.05}
        generations = play(make(EvoMAL, seed, **options), with_fitness(lambda c: c.id % 7))
        assert len(generations) == 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crossover": 0.9}, r"at most 1, but got 0.9 \+ 0.25"),
        ({"crossover": 0.0, "mutation": 0.0}, "must be above 0"),
        ({"max_height": 4}, r"got \[2, 4\] and 4; raise max_height"),
        ({"initial": "elsewhere"}, "'known' or 'random'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EvoMAL.Config(**options)
