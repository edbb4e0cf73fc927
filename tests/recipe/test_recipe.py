"""The resolved recipe: written out, read back, compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl_loss.recipe import Recipe, yaml
from automl_loss.recipe.faults import Faults

Load = Callable[..., Recipe]

_SHARES = st.floats(0, 0.99)
_POSITIVE = st.floats(1e-6, 1e6)
_COUNTS = st.integers(1, 10**6)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A section with some of the keys."""
    return st.fixed_dictionaries({}, optional=keys)


def plugin(name: str, **keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return some(**keys).map(lambda options: {"name": name, **options})


_NOISE = _SHARES | some(rate=_SHARES, kind=st.sampled_from(["symmetric", "pair_flip"]))
_TASK_OPTIONS = {
    "metric": st.sampled_from([None, "error", "pinball(0.9)", "a.b:c", {"import": "a.b:c"}]),
    "label_noise": _NOISE,
    "outliers": _SHARES,
    "imbalance": st.floats(0.01, 1),
    "clean_validation": st.booleans(),
}
_STEPS = st.integers(1, 1000).flatmap(
    lambda steps: some(
        steps=st.just(2 * steps),
        rungs=st.lists(st.integers(steps, 2 * steps), unique=True, max_size=3).map(sorted),
        lr=st.just("auto") | _POSITIVE,
        weight_decay=st.sampled_from([0, 5e-4, 1e-5]),
        optimizer=st.sampled_from(["sgd", "adamw"]),
        milestones=st.sampled_from([[], [0.5, 0.75]]),
        width=st.none() | _COUNTS,
    ).map(lambda section: {k: v for k, v in section.items() if k != "rungs" or "steps" in section})
)
_MAPPINGS = st.fixed_dictionaries(
    {
        "task": st.just("wine")
        | plugin("digits", **_TASK_OPTIONS)
        | _TEXT.flatmap(lambda text: plugin("folder", folder=st.just(text), **_TASK_OPTIONS)).filter(
            lambda section: "folder" in section
        )
    },
    optional={
        "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True),
        "seed": st.integers(0, 2**63 - 1),
        "model": st.sampled_from(["linear", {"import": "pkg.mod:Net", "x": {"deep": [1, None, "no"]}}])
        | plugin("mlp", hidden=st.lists(_COUNTS, max_size=3), dropout=_SHARES)
        | _TEXT.map(lambda text: {"import": "pkg.mod:Net", "word": text}),
        "strategy": st.sampled_from(["random", None])
        | plugin(
            "evomal",
            population=_COUNTS,
            crossover=_SHARES,
            depths=st.just([1, 3]),
            ranges=st.lists(st.fixed_dictionaries({"high": _POSITIVE}), max_size=2),
        ),
        "evaluator": st.sampled_from([None, "bilevel", {"name": "partial-training"}]),
        "filters": some(
            rejection=st.booleans(), rejection_steps=st.none() | _COUNTS, rejection_threshold=st.floats(-1, 1)
        ),
        "tuning": st.sampled_from(["published", "none"])
        | some(steps=st.integers(0, 100), lr=_POSITIVE, gradient=st.sampled_from(["amortised", "exact"])),
        "training": _STEPS,
        "stop": st.sampled_from(["best_validation", "last"]),
        "budget": some(candidates=_COUNTS, minutes=st.none() | _POSITIVE),
        "finalists": some(count=_COUNTS, lr_factors=st.lists(_POSITIVE, min_size=1, max_size=3)),
        "retraining": some(seeds=_COUNTS, lr=st.just("auto") | _POSITIVE),
        "executor": st.just("local")
        | plugin("local", workers=_COUNTS, chunk=st.none() | _COUNTS, threads=st.integers(1, 1024)),
        "storage": st.none() | _TEXT.map(lambda text: f"sqlite:///{text}"),
        "plugins": st.just([{"kind": "model", "name": "mine", "path": "./mine.py:Mine"}]),
        "device": st.sampled_from(["cpu", "cuda", "cuda:1"]),
    },
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_MAPPINGS)
def test_a_resolved_recipe_loads_back_equal(load: Load, mapping: dict[str, Any]) -> None:
    recipe = load(mapping)
    text = recipe.to_yaml()
    again = load(text)
    assert again == recipe
    assert again.to_yaml() == text
    assert again.difference(recipe) == []


def test_what_is_written_out_is_plain_and_complete(load: Load) -> None:
    recipe = load(
        "task: {name: digits, label_noise: 0.4}\ntraining: {lr: 1e-3, rungs: [250]}\nstrategy: random\n"
    )
    data = yaml.parse(recipe.to_yaml(), "r.yaml", Faults()).data
    assert list(data)[:7] == ["name", "seed", "task", "model", "strategy", "evaluator", "primitives"]
    assert data["task"] == {
        "name": "digits",
        "metric": None,
        "label_noise": 0.4,
        "outliers": 0.0,
        "imbalance": 1.0,
        "clean_validation": False,
        "development": False,
    }
    assert data["evaluator"] == {"name": "partial-training"}
    assert data["training"]["lr"] == 0.001
    assert data["training"]["rungs"] == [250]
    assert data["executor"] == {
        "name": "local",
        "workers": None,
        "chunk": None,
        "threads": 1,
        "timeout_s": None,
    }


def test_a_recipe_is_frozen(load: Load) -> None:
    recipe = load("task: digits\n")
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.seed = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        recipe.training.steps = 3  # type: ignore[misc]


def test_recipes_are_equal_whatever_their_notices_and_source(load: Load) -> None:
    text = "name: a\ntask: digits\nstrategy: {name: evomal, population: 3}\n"
    one = load(text, ["strategy.name=random"])
    two = load({"name": "a", "task": {"name": "digits"}, "strategy": {"name": "random"}})
    assert one == two
    assert one.notices != two.notices
    assert one != load(text)


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ("budget.candidates=3", []),
        ("executor.threads=2", []),
        ("executor.workers=2", []),
        ("finalists.count=1", []),
        ("retraining.lr=0.1", []),
        ("seed=1", ["seed"]),
        ("strategy.population=3", ["strategy.population"]),
        (
            "strategy.name=random",
            [
                "strategy.name",
                "strategy.population",
                "strategy.generations",
                "strategy.crossover",
                "strategy.initial",
                "strategy.depths",
                "strategy.ranges",
                "strategy.per_generation",
                "evaluator.name",
            ],
        ),
        ("task.label_noise=0.1", ["task.label_noise"]),
        ("task.label_noise={rate: 0.1, kind: pair_flip}", ["task.label_noise"]),
        ("training.rungs=[250]", ["training.rungs"]),
        ("model.import=a.b:C", ["model.name", "model.hidden", "model.dropout", "model.import"]),
        ("stop=last", ["stop"]),
    ],
)
def test_a_run_goes_on_only_under_the_same_recipe(change: str, keys: list[str], load: Load) -> None:
    one = load("task: digits\n")
    assert sorted(one.difference(load("task: digits\n", [change]))) == sorted(keys)


def test_local_plugins_keep_their_place_when_the_recipe_moves(load: Load, tmp_path: Path) -> None:
    recipe = load("task: digits\nplugins: [{kind: model, name: mine, path: ./mine.py:Mine}]\n")
    (tmp_path / "runs").mkdir()
    moved = tmp_path / "runs" / "recipe.yaml"
    moved.write_text(recipe.to_yaml())
    assert load(moved) == recipe
