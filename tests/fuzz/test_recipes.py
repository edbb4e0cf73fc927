"""Recipes that are wrong in all ways: each is refused at its place in the file, or loads.

`AUTOLOSS_FUZZ=100000 pytest tests/fuzz/test_recipes.py -m slow` makes so many.
"""

from __future__ import annotations

import os
import re
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.bad_recipes import TEXTS, bad_recipe, odd_recipe

from automl_loss import PluginError, RecipeError, load_recipe
from automl_loss.cli import main
from automl_loss.plugins import loading

FEW = 300
FEW_COMMANDS = 12
MANY = int(os.environ.get("AUTOLOSS_FUZZ", "3000"))
MANY_COMMANDS = int(os.environ.get("AUTOLOSS_FUZZ_COMMANDS", "150"))
SEED = int(os.environ.get("AUTOLOSS_FUZZ_SEED", "0"))
SECONDS = 30.0
"""A recipe loads in milliseconds; so long only on a machine that does much else."""
LONGEST = 5000
PLACED = re.compile(r"recipe\.yaml:\d+:\d+: ", re.DOTALL)


def refused(file: Path) -> bool:
    """Load a recipe; whether it was refused, at a place."""
    problems: list[str] = []
    try:
        load_recipe(str(file))
    except RecipeError as error:
        problems = error.problems
    except PluginError as error:
        problems = [str(error)]
    assert all(PLACED.match(problem) and len(problem) < LONGEST for problem in problems), problems
    return bool(problems)


def attack(count: int, folder: Path) -> None:
    file, rng, found = folder / "recipe.yaml", np.random.default_rng([SEED, 1]), 0
    for number in range(count):
        data = bad_recipe(rng)
        file.write_bytes(data)
        started = time.monotonic()
        try:
            found += refused(Path("recipe.yaml"))
        except BaseException as error:
            raise AssertionError(
                f"number {number}: {data[:3000]!r}: {type(error).__name__}: {error}"
            ) from error
        assert time.monotonic() - started < SECONDS, (number, data[:300])
    print(f"recipes: {count:,}, {found:,} refused")
    assert found > count / 2


@pytest.fixture(scope="module", autouse=True)
def _plugins_found_once() -> Iterator[None]:
    """What is installed does not change: looking for it anew would take most of the time."""
    found = loading.survey()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "survey", lambda: found)
        yield


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_texts_that_are_no_recipe_are_refused_at_a_place(number: int, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes(TEXTS[number].encode())
    sound = (
        "\ufefftask: wine",
        "task: wine\u2028model: mlp",
        "task: >-\n wine\n",
        "\r\ntask: wine\r\n",
        "task: wine\x85model: mlp",
    )
    assert refused(Path("recipe.yaml")) is not (TEXTS[number] in sound)


@pytest.mark.parametrize("data", [b"\xff\xfet\0a\0", b"task: \xff", b"a: 1\n" * 300_000, b"\x00" * 9])
def test_bytes_that_are_no_text_are_refused_at_a_place(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes(data)
    assert refused(Path("recipe.yaml"))


def test_a_recipe_is_refused_at_its_place_or_loads(tmp_path: Path) -> None:
    attack(FEW, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_many_recipes_are_refused_at_their_place_or_load(tmp_path: Path) -> None:
    attack(MANY, tmp_path)


@pytest.fixture
def _little_memory() -> Iterator[None]:
    """A recipe may ask for a network of any size: what the machine does not have is refused, not taken."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 4 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def commands(count: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, rng = folder / "recipe.yaml", np.random.default_rng([SEED, 2])
    codes: dict[int, int] = {}
    for number in range(count):
        data = odd_recipe(rng) if number % 4 else bad_recipe(rng)
        file.write_bytes(data)
        capsys.readouterr()
        code = main(["run", "recipe.yaml", "--dry-run"])
        said = capsys.readouterr().err
        codes[code] = codes.get(code, 0) + 1
        about = f"number {number}: {data[:3000]!r}: {said[-1500:]}"
        assert code in (0, 1, 2, 3), about
        assert "Traceback" not in said, about
        assert "bug of automl-loss" not in said, about
    with capsys.disabled():
        print(f"commands: {count:,}, exit codes {dict(sorted(codes.items()))}")


@pytest.mark.usefixtures("_little_memory")
def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands(FEW_COMMANDS, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.usefixtures("_little_memory")
def test_many_commands_say_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands(MANY_COMMANDS, tmp_path, capsys)
