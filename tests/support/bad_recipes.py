"""Make recipes that are wrong in all ways that text can be."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
from support.damage import damaged

SOUND: tuple[dict[str, Any], ...] = (
    {
        "name": "one",
        "seed": 3,
        "task": {"name": "wine", "label_noise": {"rate": 0.2, "kind": "pair_flip"}, "metric": "error"},
        "model": {"name": "linear"},
        "strategy": {"name": "evomal", "population": 6, "generations": 3},
        "evaluator": {"name": "bilevel"},
        "primitives": {"name": "evomal"},
        "tuning": {"steps": 10, "lr": 1e-3, "gradient": "exact"},
        "training": {"steps": 20, "lr": 0.05, "rungs": [10, 20], "milestones": [0.5], "betas": [0.9, 0.99]},
        "budget": {"candidates": 10, "minutes": 5.0},
        "finalists": {"count": 2, "seeds": 2, "steps": 20, "lr_factors": [0.5, 1.0, 2.0]},
        "retraining": {"seeds": 3, "steps": 20, "lr": "auto"},
        "executor": {"name": "local", "workers": 1, "chunk": 4, "threads": 1},
        "requires": ["numpy>=1.0", "torch"],
        "plugins": [],
        "device": "cpu",
    },
    {
        "task": {"name": "table", "file": "a.csv", "target": ["b", "c"], "drop": ["d"]},
        "model": "mlp",
        "strategy": "random",
        "tuning": "published",
        "storage": "sqlite:///a.db",
        "filters": {"rejection_threshold": 0.1},
        "plugins": [{"kind": "strategy", "name": "mine", "path": "./mine.py:Mine"}],
        "folder": "data",
    },
    {
        "tasks": [{"name": "wine", "metric": {"import": "own:metric"}}, "iris"],
        "strategy": {"name": "taylorglo"},
    },
    {"task": {"import": "own_rows:Task", "rows": 4}, "model": {"import": "own_net:Net", "width": 4}},
)

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    2**31,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    10**400,
    0.5,
    -0.0,
    1e-320,
    1e308,
    1e999,
    "",
    " ",
    "\0",
    "a\0b",
    "a" * 300,
    "word",
    "é",
    "\u202e",
    "\ud7ff",
    "🦀",
    "null",
    "~",
    "1e-3",
    "name",
    "local",
    "::",
    "a:b",
    "os:getcwd",
    "..:..",
    "./x.py:X",
    "/:A",
    "wine",
    "pkg:wine",
    ":wine",
    "wine:",
    "auto",
    "published",
    "../../..",
    "{}",
    [],
    [[]],
    {},
    [None],
    [1, "a", 2.5],
    {"name": None},
    {"name": ["wine"]},
    {"import": 1},
    {"": ""},
    {"a": {"b": {"c": 1}}},
    {"name": "wine", "import": "a:b"},
    ["name"],
    [{}],
    {"rate": "x"},
    [0.5, 0.5],
    [1, 1, 1],
    [-1],
    ["x; extra == 'a'"],
    ["a;python_version>'x'"],
    ["x @ file:///"],
    [">="],
    ["numpy>=99999999"],
    [{"kind": "task", "name": "t", "path": "\0:T"}],
    [{"kind": "model", "name": "m", "path": "./no.py:M"}],
    [{"kind": "x"}],
    "pinball(2)",
    "pinball(nan)",
    "cuda:99999",
    "cpu:1",
)

TEXTS: tuple[str, ...] = (
    "",
    " ",
    "\n\n",
    "# only a comment\n",
    "---\n",
    "--- \n...\n",
    "null",
    "5",
    "word",
    "[]",
    "{}",
    "- a\n- b\n",
    "\ufeff",
    "\ufefftask: wine",
    "task: wine\n---\ntask: iris\n",
    "task: wine\n...\njunk",
    "%YAML 9.9\n---\ntask: wine",
    "%TAG ! tag:x,2000:\n---\ntask: !a wine",
    "task: wine\ntask: iris\n",
    "task: {name: wine, name: iris}",
    "task: &a {name: *a}",
    "task: *nothing",
    "a: &a [*a, *a]\ntask: *a",
    "x: &x {name: wine}\ntask:\n  <<: *x\n",
    "task: {<<: [*a]}",
    "task: !!python/object/apply:os.system [ls]",
    "task: !!python/name:os.system",
    "task: !!set {a}",
    "task: !!binary aGk=",
    "task: !!timestamp 2020-01-01",
    "task: !!omap [a: 1]",
    "task: !!null wine",
    "? [a, b]\n: 1",
    "? {a: 1}\n: 2",
    "? |\n  long\n: 1",
    "5: 1",
    "null: 1",
    "true: 1",
    "~: ~",
    ".nan: 1",
    "!!str 5: 1",
    "task: 'wine",
    'task: "wine',
    'task: "\\xZZ"',
    'task: "\\ud800"',
    'task: "\\U0010FFFF"',
    'task: "\\UFFFFFFFF"',
    "task: \0wine",
    "task: wine\0",
    "task: \x07",
    "task:\twine\n\tmodel: x",
    "task: |\n wine\n",
    "task: >-\n wine\n",
    "task: @wine",
    "task: `wine`",
    "task: %wine",
    "task: [wine",
    "task: {name: wine",
    "task: wine: iris",
    "task\n: wine",
    ": wine",
    "task: - wine",
    "- - - -",
    "task: {name: wine}}",
    "\r\ntask: wine\r\n",
    "task: wine\u2028model: mlp",
    "task: wine\x85model: mlp",
    "  task: wine\n model: mlp",
    "[" * 900,
    "{a: " * 900,
    "a:\n" + "".join(" " * i + "a:\n" for i in range(1, 700)),
    "- " * 3000,
    "task: " + "[" * 300 + "]" * 300,
    "task: {name: wine, x: " + "[" * 80 + "]" * 80 + "}",
    "task: " + "a" * 100_000,
    "a" * 100_000 + ": 1",
    "a" * 2000 + ": 1",
    "task: {" + "b" * 5000 + ": 1}",
    "task: {name: " + "c" * 50_000 + "}",
    "seed: " + "9" * 100_000,
    "seed: 0x" + "f" * 100_000,
    "seed: 1" + "e1" * 50,
    "seed: 1e" + "9" * 1000,
    "seed: ." + "0" * 10_000,
    "\n".join(
        ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
        + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    ),
    "\n".join(
        ["a0: &a0 {x: 1, y: 2}"] + [f"a{i}: &a{i} {{x: *a{i - 1}, y: *a{i - 1}}}" for i in range(1, 40)]
    ),
    "\n".join(f"k{i}: {i}" for i in range(25_000)),
    "task: [" + ", ".join(["wine"] * 25_000) + "]",
    "\n".join("task: wine" for _ in range(3000)),
    "compare: 1",
    "compare: {strategies: []}",
    "compare:\n",
)


def _paths(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(data, dict):
        inner = [path for key, value in data.items() for path in _paths(value, (*at, key))]
    elif isinstance(data, list):
        inner = [path for index, value in enumerate(data) for path in _paths(value, (*at, index))]
    else:
        inner = []
    return [at, *inner]


def _changed(data: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Replace, remove, rename or add a value somewhere."""
    data = copy.deepcopy(data)
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        paths = [path for path in _paths(data) if path]
        if not paths:
            break
        path = paths[int(rng.integers(len(paths)))]
        section: Any = data
        for part in path[:-1]:
            section = section[part]
        value, what = copy.deepcopy(VALUES[int(rng.integers(len(VALUES)))]), int(rng.integers(6))
        if what < 3:
            section[path[-1]] = value
        elif what == 3:
            del section[path[-1]]
        elif isinstance(section, dict):
            key = [f"{path[-1]}s", str(path[-1])[:-1], "zzz", "", "é", "name", "import", "a" * 200, "tasks"][
                int(rng.integers(9))
            ]
            section[key] = section.pop(path[-1]) if what == 4 else value
        else:
            section.append(value)
    return data


def bad_recipe(rng: np.random.Generator) -> bytes:
    """The bytes of a recipe that is wrong, or happens to be right."""
    what = rng.random()
    if what < 0.03:
        return TEXTS[int(rng.integers(len(TEXTS)))].encode()
    data = SOUND[int(rng.integers(len(SOUND)))]
    if what < 0.6:
        # JSON is YAML, but for what JSON writes of numbers that are not finite.
        return json.dumps(_changed(data, rng)).replace("Infinity", ".inf").encode()
    from automl_loss.recipe.yaml import dump

    text = dump(data).encode()
    return damaged(text if what < 0.8 else json.dumps(data, indent=1).encode(), rng)


NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    1000,
    2**31 - 1,
    2**31,
    2**53,
    2**63 - 1,
    1e-320,
    1e-12,
    0.3,
    1.0,
    1e6,
    1e38,
    1e300,
    1e999,
)
TASKS: tuple[dict[str, Any], ...] = (
    {"name": "wine", "label_noise": 0.2, "imbalance": 0.5},
    {"name": "wine", "development": True},
    {"name": "linnerud", "outliers": 0.2, "metric": "pinball(0.9)"},
    {"name": "gaussian-noise", "train": 40, "validation": 20, "test": 20, "noise": 0.3},
    {
        "name": "rare-classes",
        "classes": 4,
        "train": 80,
        "validation": 40,
        "test": 40,
        "rarest": 0.1,
        "distance": 1.5,
    },
)


def odd_recipe(rng: np.random.Generator) -> bytes:
    """The bytes of a recipe whose types are right and one or two of whose numbers are odd: many load."""
    data = copy.deepcopy(SOUND[0])
    data["task"] = dict(TASKS[int(rng.integers(len(TASKS)))])
    data["model"] = {"name": "mlp", "hidden": [5]} if rng.random() < 0.5 else {"name": "linear"}
    data["training"] = {**data["training"], "rungs": [], "momentum": 0.9, "weight_decay": 5e-4, "width": 2}
    for _ in range(int(rng.choice([1, 2]))):
        paths = [path for path in _paths(data) if path and type(_at(data, path)) in (int, float)]
        path = paths[int(rng.integers(len(paths)))]
        number = NUMBERS[int(rng.integers(len(NUMBERS)))]
        whole = isinstance(_at(data, path), int)
        _at(data, path[:-1])[path[-1]] = int(number) if whole and number < 1e30 else float(number)
    return json.dumps(data).replace("Infinity", ".inf").encode()


def _at(data: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        data = data[part]
    return data
