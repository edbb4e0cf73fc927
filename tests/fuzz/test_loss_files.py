"""Damaged and hostile loss files: each is one `AutolossError` that names the file, or a loss that works.

`AUTOLOSS_FUZZ` sets how many files the slow test tries, `AUTOLOSS_FUZZ_SEED` which.
"""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from support.hostile import count, mutated_bytes, mutated_json, seed

from automl_loss.api import load_loss, read_loss
from automl_loss.errors import AutolossError, PluginError
from automl_loss.expression import parse
from automl_loss.losses import (
    HandcraftedLoss,
    NeuralLoss,
    Problem,
    SymbolicLoss,
    formula,
    known_losses,
    render_module,
)

FEW, MANY = 600, 10_000
PROBLEMS = (Problem.classification((4,), 3), Problem.classification((4,), 2), Problem.regression((2, 3), 2))


def whole_files() -> list[dict[str, Any]]:
    """A file for each kind of loss and of problem."""
    files = []
    for problem in PROBLEMS:
        prior = (0.5**problem.classes,) * problem.classes
        losses = [
            NeuralLoss("ml3", (3, 2), tuple(0.25 * i for i in range(14)), 0.5),
            HandcraftedLoss(problem.task_loss, problem.kind),
            *(SymbolicLoss(parse(text), scale=2.0) for text in known_losses(problem, prior=True).values()),
        ]
        losses.append(SymbolicLoss(parse("mul(y, log(f))"), (0.5,) * 4, 0.1, "softplus", False))
        if problem.is_classification:
            losses.append(HandcraftedLoss("logit_adjusted_ce", problem.kind, {"tau": 0.5}, 1.0, prior))
            losses.append(SymbolicLoss(parse("mul(y, prior)"), prior=prior))
        files += [
            {
                "schema": 1,
                "loss": loss.to_json(),
                "primitives": {"name": "evomal"},
                "problem": {
                    "kind": problem.kind,
                    "input_shape": list(problem.input_shape),
                    "output_dim": problem.output_dim,
                    "task_loss": problem.task_loss,
                    "metric": problem.metric,
                    "class_prior": list(prior),
                },
                "origin": 'candidate 7, "best"; not yet retrained',
            }
            for loss in losses
        ]
    return files


WHOLE = whole_files()


def draw(rng: random.Random) -> bytes:
    data = copy.deepcopy(rng.choice(WHOLE))
    chance = rng.random()
    if chance < 0.6:
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            data = mutated_json(rng, data)
        return json.dumps(data, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    content = json.dumps(data, indent=rng.choice((None, 2))).encode()
    if chance < 0.95:
        return mutated_bytes(rng, content)
    return rng.randbytes(rng.randint(0, 200))


def read_and_used(file: Path) -> str:
    """Read the file as users do; return what came of it."""
    message = ""
    try:
        loss, problem = read_loss(file)
    except PluginError:
        return "needs a plugin"
    except AutolossError as error:
        message = str(error)
    if message:
        assert message.startswith(f"{file}: ")
        assert message.isprintable()
        assert len(message) < 3_000
        return "refused"
    assert formula(loss).isprintable()
    compile(render_module(loss, problem, origin="fuzz"), "exported", "exec")
    if problem.output_dim <= 1_000:
        raw = torch.zeros(2, problem.output_dim)
        target = torch.zeros(2, dtype=torch.int64) if problem.is_classification else torch.ones_like(raw)
        assert load_loss(file)(raw, target, "none").shape == (2,)
    return "read"


def fuzz(number: int, first: int, folder: Path) -> Counter[str]:
    seen: Counter[str] = Counter()
    file = folder / "best_loss.json"
    for item in range(number):
        content = draw(random.Random(f"{first}/{item}"))
        file.write_bytes(content)
        try:
            seen[read_and_used(file)] += 1
        except Exception as error:
            raise AssertionError(f"file {item} of seed {first}: {content[:2000]!r}") from error
    return seen


def test_whole_files_are_read(tmp_path: Path) -> None:
    for data in WHOLE:
        (tmp_path / "best_loss.json").write_text(json.dumps(data))
        assert read_and_used(tmp_path / "best_loss.json") == "read"


def test_a_sample_of_damaged_files_is_refused_or_read(tmp_path: Path) -> None:
    seen = fuzz(FEW, seed(), tmp_path)
    assert seen["refused"] > FEW // 2
    assert seen["read"] > FEW // 50


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_damaged_files_are_refused_or_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    number = count(MANY)
    seen = fuzz(number, seed() + 1, tmp_path)
    with capsys.disabled():
        print(f"\nloss files: {number:,}: {dict(seen)}")
    assert sum(seen.values()) == number
