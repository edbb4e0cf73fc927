"""What a recipe may say, and what is said when it is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from automl_loss.engine.data.corruption import LabelNoise
from automl_loss.errors import PluginError, RecipeError
from automl_loss.recipe import LocalPlugin, Recipe, load_recipe

Load = Callable[..., Recipe]


def _no_plugins(local: Sequence[LocalPlugin]) -> NoReturn:
    raise AssertionError("no plugin is looked up when the file cannot be read")


Problems = Callable[..., list[str]]


def test_a_recipe_with_a_task_alone_has_every_default(load: Load) -> None:
    recipe = load("task: {name: digits}\n")
    assert (recipe.name, recipe.seed, recipe.stop, recipe.device, recipe.storage) == (
        "recipe",
        0,
        "best_validation",
        "cpu",
        None,
    )
    assert recipe.model.options == {"hidden": [1000, 1000], "dropout": 0.0}
    assert (recipe.strategy.name, recipe.evaluator.name, recipe.primitives.name) == (
        "evomal",
        "bilevel",
        "evomal",
    )
    assert (recipe.budget.candidates, recipe.budget.minutes) == (500, None)
    assert (recipe.finalists.count, recipe.finalists.seeds, recipe.finalists.steps) == (5, 3, 2000)
    assert recipe.finalists.lr_factors == (0.33, 1, 3, 10)
    assert (recipe.retraining.seeds, recipe.retraining.steps, recipe.retraining.lr) == (10, 2000, "auto")
    assert recipe.filters.model_dump() == {
        "equivalence": True,
        "gradient": True,
        "rejection": True,
        "gradient_equivalence": True,
        "rejection_steps": None,
        "rejection_threshold": 0.0,
        "after_tuning": False,
    }
    assert (recipe.executor.name, recipe.executor_options.chunk, recipe.executor_options.threads) == (
        "local",
        None,
        1,
    )
    assert recipe.notices == ()


def test_the_evaluator_is_the_strategys_own_unless_named(load: Load) -> None:
    assert load("task: digits\nstrategy: random\n").evaluator.name == "partial-training"
    assert load("task: digits\nstrategy: random\nevaluator: null\n").evaluator.name == "partial-training"
    assert load("task: digits\nstrategy: random\nevaluator: {name: bilevel}\n").evaluator.name == "bilevel"


def test_scientific_notation_is_a_number(load: Load) -> None:
    recipe = load("task: digits\ntuning: {lr: 1e-3}\ntraining:\n  weight_decay: 5e-4\n  lr: 1E-2\n")
    assert (recipe.tuning.lr, recipe.training.weight_decay, recipe.training.lr) == (0.001, 0.0005, 0.01)


def test_an_unknown_plugin_is_reported_where_it_is_named(problems: Problems) -> None:
    text = "# a\nseed: 1\ntask:\n  name: digits\n\nstrategy: # b\n  name:   evomall\n"
    assert problems(text, error=PluginError) == [
        "recipe.yaml:7:11: strategy.name: no strategy 'evomall'. Did you mean 'evomal'?"
    ]


def test_unknown_keys_are_errors_with_a_suggestion_at_the_key(problems: Problems) -> None:
    text = (
        "task: {name: digits, label_nose: 0.1}\n"
        "training:\n  lr: 0.1\n  step: 5\nmodle: {}\nstrategy: {populaton: 3}\n"
    )
    assert problems(text) == [
        "recipe.yaml:1:22: task.label_nose: unknown key. Did you mean 'label_noise'?",
        "recipe.yaml:4:3: training.step: unknown key. Did you mean 'steps'?",
        "recipe.yaml:5:1: modle: unknown key. Did you mean 'model'?",
        "recipe.yaml:6:12: strategy.populaton: unknown key. Did you mean 'population'?",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("training: {steps: many}", "2:19: training.steps: expected an integer, got the text 'many'."),
        ("training: {steps: 5.5}", "2:19: training.steps: expected an integer, got 5.5."),
        ("training: {steps: true}", "2:19: training.steps: expected an integer, got true."),
        ("training: {steps: 0}", "2:19: training.steps: expected a number above 0, got 0."),
        ("training: {lr: fast}", "2:16: training.lr: expected 'auto' or a number, got the text 'fast'."),
        ("training: {lr: -1}", "2:16: training.lr: expected 'auto' or a number above 0, got -1."),
        ("training: {nesterov: no}", "2:22: training.nesterov: expected true or false, got the text 'no'."),
        (
            "training: {optimizer: adamv}",
            "2:23: training.optimizer: expected 'sgd' or 'adamw', got the text 'adamv'. "
            "Did you mean 'adamw'?",
        ),
        ("training: {rungs: [250, x]}", "2:25: training.rungs[1]: expected an integer, got the text 'x'."),
        ("training: {rungs: 250}", "2:19: training.rungs: expected a list, got 250."),
        ("training: {rungs: [500, 250]}", "2:19: training.rungs: expected rising steps, got [500, 250]."),
        (
            "training: {rungs: [100]}",
            "2:19: training.rungs: expected steps from 250 (earlier ones mislead) to 500 (`training.steps`), "
            "got [100].",
        ),
        (
            "training: {steps: 101, rungs: [50, 80]}",
            "2:31: training.rungs: expected steps from 51 (earlier ones mislead) to 101 (`training.steps`), "
            "got [50, 80].",
        ),
        (
            "training: {rungs: [250, 600]}",
            "2:19: training.rungs: expected steps from 250 (earlier ones mislead) to 500 (`training.steps`), "
            "got [250, 600].",
        ),
        ("training: {rungs: [300, 300]}", "2:19: training.rungs: expected rising steps, got [300, 300]."),
        ("training: {rungs: [0]}", "2:20: training.rungs[0]: expected a number above 0, got 0."),
        ("training: {momentum: 1}", "2:22: training.momentum: expected a number below 1, got 1."),
        ("training: 5", "2:11: training: expected a mapping, got 5."),
        (
            "tuning: publishd",
            "2:9: tuning: expected 'published', 'none' or a mapping, got the text 'publishd'.",
        ),
        ("model: 5", "2:8: model: expected a mapping such as {name: mlp}, got 5."),
        ("model: {hidden: [10, 0]}", "2:22: model.hidden[1]: expected a number above 0, got 0."),
        ("model: {name: mlp, import: 'a:B'}", "2:20: model.import: give `name` or `import`, not both."),
        (
            "model: {import: mypackage.Net}",
            "2:17: model.import: expected 'package.module:Object', got the text 'mypackage.Net'.",
        ),
        ("model: {name: 5}", "2:15: model.name: expected text, got 5."),
        (
            "strategy: {initial: knwn}",
            "2:21: strategy.initial: expected 'known' or 'random', got the text 'knwn'. "
            "Did you mean 'known'?",
        ),
        (
            "strategy: {ranges: [{high: 1}, {low: 2}]}",
            "2:32: strategy.ranges[1].high: missing; it has no default.",
        ),
        ("strategy: {crossover: 1.5}", "2:23: strategy.crossover: expected a number of at most 1, got 1.5."),
        ("seed: -1", "2:7: seed: expected a number of at least 0, got -1."),
        ("seed: .nan", "2:7: seed: not-a-number is not accepted; leave the key out for its default."),
        ("stop: early", "2:7: stop: expected 'best_validation' or 'last', got the text 'early'."),
        ("device: gpu", "2:9: device: expected text of the form ^(cpu|cuda(:\\d+)?)$, got the text 'gpu'."),
        (
            "name: ../x",
            "2:7: name: expected text of the form ^[A-Za-z0-9][A-Za-z0-9._-]*$, got the text '../x'.",
        ),
        ("executor: {threads: 0}", "2:21: executor.threads: expected a number above 0, got 0."),
        ("executor: {worker: 2}", "2:12: executor.worker: unknown key. Did you mean 'workers'?"),
        (
            "plugins: [{kind: stratgy, name: a, path: 'a.py:A'}]",
            "2:18: plugins[0].kind: expected 'strategy', 'primitive_set', 'task', 'evaluator', 'model' or "
            "'executor', got the text 'stratgy'. Did you mean 'strategy'?",
        ),
        (
            "requires: ['a b c']",
            "2:12: requires[0]: expected a package and its versions, such as 'name>=1.2', got 'a b c'.",
        ),
        (
            "finalists: {lr_factors: []}",
            "2:25: finalists.lr_factors: expected at least 1 item(s), got 0 item(s).",
        ),
        ("budget: {minutes: 0}", "2:19: budget.minutes: expected a number above 0, got 0."),
        ("compar: {}", "2:1: compar: unknown key. "),
    ],
)
def test_each_fault_is_reported_in_a_sentence_at_its_place(
    line: str, message: str, problems: Problems
) -> None:
    found = problems(f"task: {{name: digits}}\n{line}\n")
    assert len(found) == 1
    assert (
        found[0].startswith(f"recipe.yaml:{message}")
        if message.endswith(" ")
        else found[0] == f"recipe.yaml:{message}"
    )


def test_all_faults_come_at_once_in_file_order(problems: Problems) -> None:
    text = (
        "training: {step: 5, lr: fast}\ntask: {name: digits, metric: eror}\nseed: x\nseed: 2\n"
        "strategy: {name: evomall}\nmodel: {hidden: [a]}\n"
    )
    places = [line.split(": ")[0:2] for line in problems(text)]
    assert places == [
        ["recipe.yaml:1:12", "training.step"],
        ["recipe.yaml:1:25", "training.lr"],
        ["recipe.yaml:2:30", "task.metric"],
        ["recipe.yaml:3:7", "seed"],
        ["recipe.yaml:4:1", "seed"],
        ["recipe.yaml:5:18", "strategy.name"],
        ["recipe.yaml:6:18", "model.hidden[0]"],
    ]


def test_a_missing_plugin_beside_another_fault_is_a_fault_of_the_recipe(problems: Problems) -> None:
    assert len(problems("task: digits\nstrategy: evomall\nseed: x\n", error=RecipeError)) == 2
    assert RecipeError.exit_code == 2
    assert PluginError.exit_code == 3


def test_a_strategy_with_a_missing_default_evaluator_says_so(problems: Problems) -> None:
    found = problems("task: digits\nstrategy: handcrafted\n", error=PluginError)
    assert found == ["recipe.yaml:1:1: evaluator.name: no evaluator 'absent-evaluator'."]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("seed: 1\n", "recipe.yaml:1:1: task: missing"),
        ("seed: 1\ntask: {}\n", "recipe.yaml:2:1: task: missing"),
        ("seed: 1\ntask: {label_noise: 0.1}\n", "recipe.yaml:2:1: task: does not say which"),
    ],
)
def test_a_recipe_without_a_task_says_what_to_write(text: str, start: str, problems: Problems) -> None:
    (found,) = problems(text)
    assert found.startswith(start)
    assert "`task: {name: digits}`" in found


def test_a_misspelt_name_of_a_task_is_recognised(problems: Problems) -> None:
    assert problems("task: {nme: digits}\n") == [
        "recipe.yaml:1:8: task.nme: unknown key. Did you mean 'name'?"
    ]


def test_a_required_option_of_a_plugin_is_asked_for(problems: Problems) -> None:
    assert problems("seed: 1\ntask: {name: folder}\n") == [
        "recipe.yaml:2:1: task.folder: missing; it has no default."
    ]


def test_a_config_that_breaks_is_the_plugins_fault(problems: Problems) -> None:
    assert problems("task: digits\nmodel: {name: broken}\n", error=PluginError) == [
        "recipe.yaml:2:8: model: the options of model 'broken' cannot be checked: TypeError: a bug."
    ]


def test_common_task_options_are_the_cores(load: Load) -> None:
    recipe = load(
        "task: {name: folder, folder: data, label_noise: {rate: 0.2, kind: pair_flip},\n"
        "       metric: {import: 'a.b:c'}}\n"
    )
    assert recipe.task.options == {"folder": "data", "normalise": True}
    assert recipe.task_options.label_noise == LabelNoise(rate=0.2, kind="pair_flip")
    assert recipe.task_options.metric == "a.b:c"
    assert load("task: {name: digits, label_noise: 0.4}\n").task_options.label_noise == LabelNoise(rate=0.4)


@pytest.mark.parametrize("value", ["1.0", "-0.1", "{rate: 2}"])
def test_label_noise_is_a_share_below_one(value: str, problems: Problems) -> None:
    (found,) = problems(f"task: {{name: digits, label_noise: {value}}}\n")
    assert re.match(
        r"recipe.yaml:1:\d+: task.label_noise(\.rate)?: expected a number (below 1|of at least 0), got ",
        found,
    )


def test_an_imported_model_takes_any_keywords_and_is_not_imported(load: Load) -> None:
    recipe = load(
        "task: digits\nmodel: {import: 'no_such_package.models:Net', width: 64, deep: {a: [1, 2]}}\n"
    )
    assert recipe.model.import_path == "no_such_package.models:Net"
    assert recipe.model.options == {"width": 64, "deep": {"a": [1, 2]}}
    assert recipe.model.loaded is None


def test_an_imported_task_is_checked_by_its_own_config(
    load: Load, problems: Problems, tmp_path: Path
) -> None:
    (tmp_path / "task_of_my_own.py").write_text(
        "from automl_loss.plugins.config import PluginConfig\nfrom automl_loss.plugins.task import Task\n"
        "class Mine(Task):\n    class Config(PluginConfig):\n        rows: int = 5\nnumber = 3\n"
    )
    recipe = load("task: {import: 'task_of_my_own:Mine', rows: 7, label_noise: 0.1}\n")
    assert recipe.task.options == {"rows": 7}
    assert problems("task: {import: 'task_of_my_own:Mine', row: 7}\n") == [
        "recipe.yaml:1:39: task.row: unknown key. Did you mean 'rows'?"
    ]
    assert "is no task" in problems("task: {import: 'task_of_my_own:number'}\n", error=PluginError)[0]
    assert (
        "no module 'not_there_at_all'"
        in problems("task: {import: 'not_there_at_all:x'}\n", error=PluginError)[0]
    )


def test_published_tuning_is_the_papers(load: Load) -> None:
    recipe = load("task: digits\ntuning: published\n")
    assert recipe.tuning.model_dump() == {
        "steps": 250,
        "lr": 0.001,
        "inner_steps": 1,
        "gradient": "exact",
        "states": "initial",
        "refused": "exact",
    }
    assert recipe.notices == ()
    assert load("task: digits\ntuning: none\n").tuning.steps == 0


def test_required_packages_are_looked_up(load: Load, problems: Problems) -> None:
    assert (
        load("task: digits\nrequires: ['pydantic>=2', \"numpy; python_version < '3'\"]\n").requires[0]
        == "pydantic>=2"
    )
    text = "task: digits\nrequires:\n  - pydantic>=1000\n  - no-such-package-at-all\n"
    old, absent = problems(text, error=PluginError)
    assert re.fullmatch(
        r"recipe.yaml:3:5: requires\[0\]: needs pydantic>=1000, but version \S+ is installed; .*", old
    )
    assert absent.startswith(
        "recipe.yaml:4:5: requires[1]: package 'no-such-package-at-all' is not installed"
    )


def test_local_plugins_are_known_to_the_sections_and_their_files_absolute(load: Load, tmp_path: Path) -> None:
    text = (
        "task: digits\nprimitives: mine\nplugins:\n"
        "  - {kind: primitive_set, name: mine, path: ./sub/mine.py:Mine}\n"
        "  - {kind: task, name: b, path: 'pkg.mod:B'}\n"
    )
    recipe = load(text)
    assert recipe.primitives.name == "mine"
    assert [entry.path for entry in recipe.plugins] == [f"{tmp_path / 'sub/mine.py'}:Mine", "pkg.mod:B"]


def test_a_mapping_is_a_recipe_whose_places_are_key_paths(problems: Problems, load: Load) -> None:
    assert problems(
        {
            "task": {"name": "digits"},
            "training": {"step": 5, "steps": "x"},
            "model": {"hidden": (1, object())},
        }
    ) == [
        "training.step: unknown key. Did you mean 'steps'?",
        "training.steps: expected an integer, got the text 'x'.",
        "model.hidden[1]: expected plain data as in YAML, got a object.",
    ]
    recipe = load(
        {
            "task": {"name": "folder", "folder": Path("here")},
            "training": {"steps": np.int64(7), "rungs": (7,)},
        }
    )
    assert recipe.task.options["folder"] == "here"
    assert (recipe.training.steps, recipe.training.rungs, recipe.name) == (7, (7,), "run")


def test_a_mapping_is_not_changed_by_overrides(load: Load) -> None:
    mapping = {"task": {"name": "digits"}, "strategy": {"name": "evomal", "population": 5}}
    assert load(mapping, ["strategy.name=random"], seed=3).seed == 3
    assert mapping == {"task": {"name": "digits"}, "strategy": {"name": "evomal", "population": 5}}


def test_a_file_that_cannot_be_read_is_an_error_of_the_recipe(tmp_path: Path) -> None:
    binary = tmp_path / "recipe.yaml"
    binary.write_bytes(b"task: digits\n\x93NUMPY\xff")
    for path, words in (
        (tmp_path / "absent.yaml", "no such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (binary, "recipe.yaml:2:1: not UTF-8 text"),
        (Path("/dev/zero"), "larger than 1,000,000 bytes"),
        (Path("a\0b"), "cannot be read"),
    ):
        with pytest.raises(RecipeError, match=words):
            load_recipe(path, plugins=_no_plugins)


def test_a_name_that_is_neither_file_nor_shipped_is_answered_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=r"quikstart: no such file, .* Did you mean 'quickstart'\?"):
        load_recipe("quikstart", plugins=_no_plugins)


def test_the_name_of_a_recipe_follows_its_file(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "my first recipe (2).yaml"
    path.write_text("task: digits\n")
    assert load(path).name == "my-first-recipe-2"
    path.write_text("task: digits\nname: other\n")
    assert load(path).name == "other"
