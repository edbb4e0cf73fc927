"""What a user may bring, from recipe to result: each works, or says clearly why not."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support.own import own, write_own
from support.recipes import tiny

from automl_loss import Outcome, Progress, RecipeError, Result, Status, load_loss, run

CROSS_ENTROPY = "mul(-1, mul(y, log(f)))"
SQUARED = "square(sub(y, f))"
# exp gives 5e21 at most, whose product is beyond float32.
OVERFLOWS = "mul(exp(mul(exp(exp(exp(f))), exp(exp(f)))), exp(mul(exp(exp(exp(f))), exp(exp(f)))))"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_own(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def searched(result: Result) -> dict[int, Outcome]:
    return {number: outcome for number, outcome in result.outcomes.items() if number}


def dry_run(recipe: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    from automl_loss.cli import main

    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe))
    capsys.readouterr()
    assert main(["run", str(file), "--dry-run", *options]) == 0
    return capsys.readouterr().out


def test_primitives_without_a_kernel_are_named_and_their_losses_trained_beside_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notice = (
        "primitives cube, sine (foreign, local) have no kernel: losses that use them are differentiated by "
        "autograd, which is slower."
    )
    recipe = own(folder, [SQUARED, "mul(sub(f, y), cube(sub(f, y)))"], evaluator={"name": "partial-training"})
    assert f"note: {notice}" in dry_run(recipe, folder, capsys)
    assert notice in json.loads(dry_run(recipe, folder, capsys, "--json"))["notices"]
    seen: list[Progress] = []
    result = run(recipe, seen.append, directory=folder / "run")
    assert [progress.message for progress in seen].count(notice) == 1
    found = searched(result)
    # (f - y)^4, once by autograd and once by the kernel.
    square = run(
        own(folder, [SQUARED, f"square({SQUARED})"], evaluator={"name": "partial-training"}),
        directory=folder / "square",
    )
    assert [outcome.status for outcome in found.values()] == [Status.EVALUATED] * 2
    assert found[1].fitness == searched(square)[1].fitness
    assert found[2].loss.program is None
    assert found[2].loss.scale == pytest.approx(searched(square)[2].loss.scale, rel=1e-5)
    assert found[2].fitness == pytest.approx(searched(square)[2].fitness, abs=0.02)


def test_words_of_the_shipped_set_all_have_kernels(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = own(folder, [SQUARED], primitives={"name": "evomal"})
    assert "no kernel" not in dry_run(recipe, folder, capsys)


def test_a_loss_that_overflows_in_the_kernel_diverges_and_changes_no_bit_of_its_neighbours(
    folder: Path,
) -> None:
    outcomes = [
        searched(run(own(folder, [CROSS_ENTROPY, middle, SQUARED]), directory=folder / name))
        for name, middle in (("sound", SQUARED), ("spoiled", OVERFLOWS))
    ]
    sound, spoiled = outcomes
    assert sound[2].status is Status.EVALUATED
    assert spoiled[2].status is Status.DIVERGED
    assert "non-finite at step 1" in spoiled[2].message
    for number in (1, 3):
        assert spoiled[number].fitness == sound[number].fitness
        assert spoiled[number].loss == sound[number].loss


def test_filters_reject_a_loss_that_overflows_before_it_is_trained(folder: Path) -> None:
    found = searched(run(own(folder, [OVERFLOWS, SQUARED], filters={}), directory=folder / "run"))
    assert found[1].status is Status.REJECTED
    assert found[1].steps == 0
    assert "gradient" in found[1].message


def test_a_single_loss_is_searched(folder: Path) -> None:
    result = run(own(folder, [SQUARED], tuning={"steps": 3}), directory=folder / "run")
    assert [outcome.status for outcome in searched(result).values()] == [Status.EVALUATED]
    assert math.isfinite(result.data["test"]["learned"]["mean"])


@pytest.mark.parametrize("strategy", ["random", "evomal"])
def test_a_population_of_one_that_a_strategy_cannot_work_with_is_refused(folder: Path, strategy: str) -> None:
    with pytest.raises(RecipeError, match=r"strategy\.population: expected a number of at least 2, got 1"):
        run(own(folder, [], strategy={"name": strategy, "population": 1}), directory=folder / "run")
    assert not (folder / "run").exists()


@pytest.mark.slow
def test_a_thousand_classes_are_searched(folder: Path) -> None:
    task = {"import": "own_task:Blobs", "classes": 1000, "rows": 1000}
    result = run(own(folder, [CROSS_ENTROPY, SQUARED], task=task), directory=folder / "run")
    found = searched(result)
    assert all(outcome.status is Status.EVALUATED for outcome in found.values())
    usual = result.outcomes[0].fitness
    assert usual is not None
    # The symbolic cross-entropy, at unit weights, is torch's own.
    untuned = own(folder, [CROSS_ENTROPY], task=task, evaluator={"name": "partial-training"})
    assert searched(run(untuned, directory=folder / "untuned"))[1].fitness == pytest.approx(usual, abs=0.005)


def test_inputs_in_float64_are_trained_as_in_float32(folder: Path) -> None:
    results = [
        run(
            own(folder, [SQUARED], task={"import": "own_task:Blobs", "dtype": dtype}),
            directory=folder / dtype,
        )
        for dtype in ("float32", "float64")
    ]
    assert results[0].data["test"] == results[1].data["test"]


@pytest.mark.parametrize(
    ("network", "path", "batched"),
    [
        ("norm_and_dropout", "forward mode\n", True),
        ("Recurrent", "two vector-Jacobian products", False),
        ("Attention", "forward mode\n", True),
    ],
)
def test_networks_of_many_kinds_are_searched_and_the_plan_says_by_which_path(
    folder: Path, capsys: pytest.CaptureFixture[str], network: str, path: str, batched: bool
) -> None:
    recipe = own(
        folder, [CROSS_ENTROPY, SQUARED], model={"import": f"own_networks:{network}"}, tuning={"steps": 3}
    )
    plan = dry_run(recipe, folder, capsys)
    assert f"meta-gradient: {path}" in plan
    assert (", 1 networks at once" in plan) is not batched
    found = searched(run(recipe, directory=folder / "run"))
    assert all(outcome.status is Status.EVALUATED for outcome in found.values())
    # Cross-entropy is a product: its weights only scale it, and are left.
    assert set(found[2].loss.weights) != {1.0}


UNCACHED = """
import json, sys
from automl_loss import run
from automl_loss.engine.kernels import _entries
assert _entries.__file__.startswith(sys.argv[2]), _entries.__file__
assert _entries.gradient.stats.cache_path is None, _entries.gradient.stats
result = run(json.loads(sys.argv[1]), directory="run")
print(json.dumps([[outcome.id, outcome.fitness] for outcome in result.outcomes.values()]))
"""


@pytest.mark.slow
def test_an_installation_that_cannot_be_written_compiles_anew_says_so_once_and_gives_the_same(
    folder: Path,
) -> None:
    import automl_loss

    # Files where folders would be made: they stop the administrator, too, whom no permission stops.
    copy = folder / "site"
    shutil.copytree(
        Path(automl_loss.__file__).parent, copy / "automl_loss", ignore=shutil.ignore_patterns("__pycache__")
    )
    (copy / "automl_loss" / "engine" / "kernels" / "__pycache__").touch()
    (folder / "home").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environment |= {
        "HOME": str(folder / "home"),
        "XDG_CACHE_HOME": str(folder / "home" / "cache"),
        "PYTHONPATH": str(copy),
    }
    recipe = own(folder, [SQUARED, CROSS_ENTROPY], tuning={"steps": 2})
    done = subprocess.run(
        [sys.executable, "-c", UNCACHED, json.dumps(recipe), str(copy)],
        env=environment, capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Set NUMBA_CACHE_DIR to a directory that can be written") == 1
    here = run(recipe, directory=folder / "here")
    assert json.loads(done.stdout) == [[outcome.id, outcome.fitness] for outcome in here.outcomes.values()]


def test_losses_of_the_extended_set_run_to_the_end_and_their_module_works(tmp_path: Path) -> None:
    recipe = tiny(
        task={"name": "wine", "imbalance": 0.2, "metric": "balanced_error"},
        primitives={"name": "extended"},
        strategy={"name": "random", "population": 12, "generations": 1},
        filters={"rejection": False},
    )
    said: list[str] = []
    result = run(recipe, lambda progress: said.append(progress.message), directory=tmp_path / "run")
    assert any("prior (extended" in message and "no kernel" in message for message in said)
    asked = [str(getattr(o.loss, "expression", "")) for o in result.outcomes.values() if o.status.completed]
    assert any("prior" in text for text in asked)
    assert load_loss(result.directory)(torch.randn(4, 3), torch.tensor([0, 1, 2, 0])).isfinite()
