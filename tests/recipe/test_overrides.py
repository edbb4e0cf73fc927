"""`-s key=value`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from automl_loss.recipe import Recipe

Load = Callable[..., Recipe]
Problems = Callable[..., list[str]]

BASE = """
task: {name: digits, label_noise: 0.4}
model: {name: mlp, hidden: [100]}
strategy: {name: evomal, population: 10, generations: 5}
evaluator: {name: bilevel}
executor: {name: local, workers: 2, chunk: 4}
"""


def test_overrides_are_dotted_keys_with_values_in_yaml(load: Load) -> None:
    recipe = load(
        BASE,
        [
            "strategy.population=50",
            "training.rungs=[250, 500]",
            "training.lr=1e-2",
            "budget.minutes=2.5",
            "name=no",
            "model.hidden=[5,6]",
            "storage='sqlite:///a=b.db'",
            "seed=3",
        ],
    )
    assert recipe.strategy.options["population"] == 50
    assert recipe.training.rungs == (250, 500)
    assert (recipe.training.lr, recipe.budget.minutes, recipe.name) == (0.01, 2.5, "no")
    assert recipe.model.options["hidden"] == [5, 6]
    assert (recipe.storage, recipe.seed) == ("sqlite:///a=b.db", 3)
    assert recipe.notices == ()


def test_the_last_override_of_a_key_counts_and_seed_and_device_come_after_all(load: Load) -> None:
    recipe = load(BASE, ["seed=1", "seed=2", "training.steps=7"], device="cuda")
    assert (recipe.seed, recipe.training.steps, recipe.device) == (2, 7, "cuda")
    assert load(BASE, ["seed=1"], seed=0).seed == 0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "strategy.populaton=50",
            "-s strategy.populaton=50: strategy.populaton: unknown key. Did you mean 'population'?",
        ),
        (
            "strategy.population=many",
            "-s strategy.population=many: strategy.population: expected an integer, got the text 'many'.",
        ),
        ("trainin.steps=5", "-s trainin.steps=5: trainin: unknown key. Did you mean 'training'?"),
        ("seed", "-s seed: expected key=value with a dotted key, such as -s strategy.population=50."),
        ("=5", "-s =5: expected key=value with a dotted key, such as -s strategy.population=50."),
        ("a..b=5", "-s a..b=5: expected key=value with a dotted key, such as -s strategy.population=50."),
        ("seed.x=5", "-s seed.x=5: seed.x: seed is 1, which has no keys; override it whole."),
        (
            "model.hidden.0=5",
            "-s model.hidden.0=5: model.hidden.0: "
            "model.hidden is a list, which has no keys; override it whole.",
        ),
        ("training.rungs=[1", "-s training.rungs=[1: not valid YAML: "),
        (
            "training={steps: 5, steps: 6}",
            "-s training={steps: 5, steps: 6}: steps: duplicate key; it was first given in line 1.",
        ),
        ("training={step: 5}", "-s training={step: 5}: training.step: unknown key. Did you mean 'steps'?"),
    ],
)
def test_a_wrong_override_is_named(override: str, message: str, problems: Problems) -> None:
    (found,) = problems("seed: 1\n" + BASE, override)
    assert found.startswith(message) if message.endswith(": ") else found == message


def test_faults_of_overrides_come_after_the_files(problems: Problems) -> None:
    found = problems("task: digits\nstop: x\n", "storage=b", "name='?'", device="gpu", seed=-1)
    assert [line.split(": ")[0] for line in found] == [
        "recipe.yaml:2:7",
        "-s storage=b",
        "-s name='?'",
        "--seed",
        "--device",
    ]


def test_another_strategy_drops_the_old_options_and_evaluator_and_says_so(load: Load) -> None:
    recipe = load(BASE, ["strategy.name=random"])
    assert recipe.strategy.options == {"per_generation": 25}
    assert recipe.evaluator.name == "partial-training"
    assert recipe.notices == (
        "-s strategy.name=random drops what belonged to the strategy evomal: population, generations and the "
        "evaluator.",
    )


@pytest.mark.parametrize("order", [1, -1])
def test_options_of_the_new_strategy_and_an_evaluator_may_be_given_in_any_order(
    order: int, load: Load
) -> None:
    given = ["strategy.per_generation=3", "evaluator.name=bilevel", "strategy.name=random"][::order]
    recipe = load(BASE, given)
    assert recipe.strategy.options == {"per_generation": 3}
    assert recipe.evaluator.name == "bilevel"


def test_the_same_strategy_drops_nothing(load: Load) -> None:
    for text in ("strategy.name=evomal", "strategy=evomal"):
        recipe = load(BASE, [text])
        assert recipe.strategy.options["population"] == 10
        assert recipe.notices == ()
    assert (
        load("task: digits\nstrategy: {population: 3}\n", ["strategy.name=evomal"]).strategy.options[
            "population"
        ]
        == 3
    )


def test_a_section_can_be_overridden_whole(load: Load) -> None:
    recipe = load(
        BASE, ["strategy={name: random, per_generation: 4}", "model=linear", "task={name: folder, folder: x}"]
    )
    assert recipe.strategy.options == {"per_generation": 4}
    assert recipe.evaluator.name == "partial-training"
    assert recipe.model.name == "linear"
    assert recipe.task_options.label_noise.rate == 0.0
    assert len(recipe.notices) == 2


def test_another_task_keeps_the_common_options_and_another_model_nothing(load: Load) -> None:
    text = "task: {name: folder, folder: x, label_noise: 0.3}\nmodel: {import: 'a:B', width: 3}\n"
    recipe = load(text, ["task.name=wine", "model.name=linear"])
    assert (recipe.task.name, recipe.task.options, recipe.task_options.label_noise.rate) == ("wine", {}, 0.3)
    assert (recipe.model.name, recipe.model.import_path, recipe.model.options) == ("linear", None, {})
    assert [notice.split(":")[0] for notice in recipe.notices] == [
        "-s task.name=wine drops what belonged to the task folder",
        "-s model.name=linear drops what belonged to the model a",
    ]
    back = load(
        "task: digits\nmodel: {name: mlp, hidden: [3]}\n", ["model.import=pkg.mod:Net", "model.depth=2"]
    )
    assert (back.model.name, back.model.import_path, back.model.options) == (
        None,
        "pkg.mod:Net",
        {"depth": 2},
    )


def test_the_executors_common_options_stay_when_it_changes(problems: Problems) -> None:
    from automl_loss.errors import PluginError

    assert problems(BASE, "executor.name=ray", error=PluginError) == [
        "-s executor.name=ray: executor.name: no executor 'ray'."
    ]


def test_a_preset_of_tuning_can_be_overridden_in_part(load: Load) -> None:
    assert load("task: digits\ntuning: published\n", ["tuning.steps=5"]).tuning.steps == 5
    assert load("task: digits\n", ["tuning=published", "tuning.lr=0.1"]).tuning.states == "initial"
    assert load("task: digits\n", ["tuning=published", "tuning.lr=0.1"]).tuning.lr == 0.1


def test_null_sections_can_be_filled(load: Load) -> None:
    assert (
        load("task: digits\nevaluator: null\n", ["evaluator.name=partial-training"]).evaluator.name
        == "partial-training"
    )
