"""What a search should choose by: statistics of validation rows, by how well they foretell the error on other rows.

The losses are those that evomal trained in the units of compare-dev. Each is trained anew on seeds that the search did
not use; a rule sees the validation rows alone, picks a look of every run and a loss of every unit, and is judged by
the error on the rows that compare-dev judges on, on a seed it did not see.

    python benchmarks/selection.py [DIR]     searches in DIR (default runs/selection, 15 minutes), or goes on there
    python benchmarks/selection.py --smoke   a moment of it, to see that it works
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from automl_loss import Lane
from automl_loss.api import compare
from automl_loss.comparison.recipe import load_comparison
from automl_loss.engine.data.rows import Rows
from automl_loss.engine.metrics.metric import Metric
from automl_loss.final.statistics import corrected_t, kendall_tau
from automl_loss.plugins import Status
from automl_loss.recipe import Recipe
from automl_loss.record.ledger import Ledger
from automl_loss.record.run_directory import CELLS, RunDirectory
from automl_loss.search.from_recipe import make_engine
from automl_loss.seeds import stream

EVOMAL = "compare.strategies=[{name: evomal, population: 20, generations: 10}]"
SMALL = (
    "compare.tasks=[breast_cancer]", "compare.seeds=2", "budget={candidates: 8}",
    "training.steps=20", "training.lr=0.1",
    "finalists={count: 1, seeds: 1, steps: 20, lr_factors: [1]}", "retraining={seeds: 1, steps: 20}",
    "compare.strategies=[{name: evomal, population: 8, generations: 1, evaluator: partial-training}]",
)  # fmt: skip
SEEDS = 4
TIE = 1e-7
TEMPERATURES = torch.tensor([0.1, 0.2, 0.35, 0.5, 0.7, 1, 1.5, 2, 3, 5, 8, 13, 20], dtype=torch.float64)
ERROR, NLL, MAE, JUDGED = range(4)

Values = npt.NDArray[np.float64]
Rule = Callable[[Values], Values]


def smooth(curves: Values, looks: int) -> Values:
    """Mean over neighbouring looks, along the last axis; fewer at the ends."""
    count = np.convolve(np.ones(curves.shape[-1]), np.ones(looks), "same")
    return np.apply_along_axis(lambda c: np.convolve(c, np.ones(looks), "same"), -1, curves) / count


def last(curves: Values) -> Values:
    """Of looks that are equally good, the last."""
    return curves - 1e-2 * TIE * np.arange(curves.shape[-1])


AS_IT_IS = "error, one seed: the search"
# How many seeds a rule sees, and what it takes, lower is better, from (seeds, losses, looks, statistics): its look of a
# run is the lowest, of equals the first; its loss has the lowest mean over the seeds, there.
RULES: dict[str, tuple[int, Rule]] = {
    AS_IT_IS: (1, lambda s: s[..., ERROR]),
    "error, three seeds": (3, lambda s: s[..., ERROR]),
    "error, last of equal looks": (3, lambda s: last(s[..., ERROR])),
    "error, then NLL": (3, lambda s: s[..., ERROR] + 1e-3 * s[..., NLL]),
    "error, mean of 3 looks": (3, lambda s: smooth(s[..., ERROR], 3)),
    "error, mean of 7 looks": (3, lambda s: smooth(s[..., ERROR], 7)),
    "error + NLL / 2": (3, lambda s: s[..., ERROR] + 0.5 * s[..., NLL]),
    "NLL": (3, lambda s: s[..., NLL]),
    "1 - p of the label": (3, lambda s: s[..., MAE]),
}


@dataclass(frozen=True)
class Recorder(Metric):
    """Validation error, which writes down further statistics of every look.

    Args:
        validating: how many rows validate; the others judge.
    """

    validating: int = 0
    looks: list[Values] = field(default_factory=list)

    def values(self, raw: Tensor, target: Tensor) -> Tensor:
        """Validation error `(P,)`."""
        finite = torch.isfinite(raw).flatten(1).all(1)
        logits = torch.where(finite[:, None, None], raw, 0.0).double()
        if logits.shape[2] == 1:
            logits = torch.cat([torch.zeros_like(logits), logits], 2)
        label = target.long().flatten()
        wrong = (logits.argmax(2) != label).double()
        seen, own = logits[:, : self.validating], label[: self.validating]
        place = own.expand(len(raw), -1)[..., None]
        log_p = seen.log_softmax(2).gather(2, place)
        # A loss may leave a network sure or unsure: NLL at its best temperature sees the order of the classes alone.
        tempered = [-(seen / t).log_softmax(2).gather(2, place).mean((1, 2)) for t in TEMPERATURES]
        error = wrong[:, : self.validating].mean(1)
        found = [
            error,
            torch.stack(tempered).amin(0),
            1 - log_p.exp().mean((1, 2)),
            wrong[:, self.validating :].mean(1),
        ]
        self.looks.append(torch.stack(found, 1).numpy())
        return torch.where(finite, error, torch.inf)


def main() -> None:
    """Search where no search is, train the losses anew, and print how well each rule chooses."""
    parser = argparse.ArgumentParser(description="What a search should choose by.")
    parser.add_argument("directory", nargs="?", type=Path, default=Path("runs/selection"))
    parser.add_argument("--smoke", action="store_true", help="a moment of it")
    options = parser.parse_args()
    if options.smoke:
        with tempfile.TemporaryDirectory() as folder:
            study(Path(folder) / "smoke", SMALL)
        return
    study(options.directory, [EVOMAL])


def study(directory: Path, overrides: Sequence[str]) -> None:
    """The searches, and the table of each task."""
    comparison = load_comparison("compare-dev", overrides)
    compare(comparison, directory=directory, resume=directory.exists())
    for task in comparison.tasks:
        cells = [cell for cell in comparison.cells if cell.task == task]
        units = [statistics_of(cell.recipe, directory / CELLS / cell.name) for cell in cells]
        print(f"\n{task}, {len(units)} units; task loss, tau, chosen loss, against the search's choice")
        first = judged(units, AS_IT_IS)[1]
        for rule in RULES:
            tau, chosen, usual = judged(units, rule)
            test = corrected_t(list(chosen - first), ratio_of(cells[0].recipe))
            low, high = test.ci95 or (0.0, 0.0)
            difference = f"{test.mean:+.4f} ({low:+.4f} to {high:+.4f}, p {test.p:.2f})"
            print(f"  {rule:<30} {usual.mean():.4f} {tau:6.2f}   {chosen.mean():.4f} {difference}")


def statistics_of(recipe: Recipe, directory: Path) -> Values:
    """`(seeds, losses, looks, statistics)` of the losses that a search trained, without those that diverge."""
    with RunDirectory.open(directory) as run:
        ledger = Ledger.open(run, recipe.name)
        losses = [o.loss for o in ledger.outcomes().values() if o.status is Status.EVALUATED]
        ledger.close()
    with (directory / "leaderboard.csv").open(encoding="utf-8") as lines:
        lr = float(next(csv.DictReader(lines))["lr"])
    engine = make_engine(recipe)
    own = engine.validation_rows
    judging = Rows.of(engine.task.test(recipe.seed), engine.problem, engine.device, own.stored.dtype)
    engine.validation_rows = Rows(torch.cat([own.x, judging.x]), torch.cat([own.target, judging.target]))
    metric, seeds = engine.metric, []
    schedule = replace(engine.schedule, rungs=())
    for i in range(SEEDS):
        found = []
        for start in range(0, len(losses), engine.width):
            part = losses[start : start + engine.width]
            lanes = [Lane(loss, lr, stream(recipe.seed, "selection", i)) for loss in part]
            recorder = Recorder(**vars(metric), validating=len(own))
            engine.metric = recorder
            trained = engine.train(lanes, schedule)
            whole = np.stack(recorder.looks, 1)
            whole[[run.diverged for run in trained]] = np.nan
            found.append(whole)
        seeds.append(np.concatenate(found))
    every = np.stack(seeds)
    return every[:, ~np.isnan(every).any((0, 2, 3))]


def judged(units: Sequence[Values], rule: str) -> tuple[float, Values, Values]:
    """Mean Kendall's tau of a rule with the error elsewhere, and `(units,)` that error of its loss and the task loss.

    Each seed judges once, while the others choose.
    """
    count, what = RULES[rule]
    taus, chosen, usual = [], [], []
    for unit in units:
        curves = what(unit)
        look = curves.argmin(2, keepdims=True)
        values = np.take_along_axis(curves, look, 2)[..., 0]
        errors = np.take_along_axis(unit[..., JUDGED], look, 2)[..., 0]
        found = []
        for i in range(SEEDS):
            value, elsewhere = np.roll(values, -i, 0)[:count].mean(0), errors[i - 1]
            tau = kendall_tau(list(value), list(elsewhere))
            taus.append(np.nan if tau is None else tau)
            # Of losses that tie, any might be taken.
            found.append(elsewhere[value <= value.min() + TIE].mean())
        chosen.append(np.mean(found))
        usual.append(errors[:, 0].mean())
    return float(np.nanmean(taus)), np.array(chosen), np.array(usual)


def ratio_of(recipe: Recipe) -> float:
    """Rows that judge over rows that are learned from, for the corrected t test."""
    engine = make_engine(recipe)
    return len(engine.task.test(recipe.seed)) / (len(engine.train_rows) + len(engine.validation_rows))


if __name__ == "__main__":
    main()
