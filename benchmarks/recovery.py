"""Data whose best loss is known: how near does the search come to it?

    python benchmarks/recovery.py            the four recipes in recipes/recovery, some minutes on two cores
    python benchmarks/recovery.py --smoke    a moment of each, to see that it works

The found loss, the loss that is known to be the best, and the task loss are trained on the same fresh seeds, each at
its own best rate, and read on test rows. The share of the gap that the search closes is
(task loss - found) / (task loss - known): 1 is the known loss, 0 the task loss.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from automl_loss import HandcraftedLoss, load_recipe, run, task_loss
from automl_loss.final.retraining import RetrainingPlan, retrain
from automl_loss.final.training_runs import TrainingRuns
from automl_loss.record.chunk_records import ChunkRecords
from automl_loss.record.recording import Recording
from automl_loss.record.run_directory import RunPaths
from automl_loss.record.workers import Workers
from automl_loss.search.from_recipe import make_engine, make_executor

SMOKE = (
    "strategy.population=4",
    "strategy.generations=1",
    "tuning.steps=4",
    "training.steps=20",
    "finalists={count: 1, seeds: 1, steps: 20}",
    "retraining={seeds: 2, steps: 20}",
    "filters.rejection=false",
)


@dataclass(frozen=True)
class Case:
    """A recipe and the loss that is known to be the best there."""

    recipe: str
    known: HandcraftedLoss


CASES = (
    Case("gaussian", HandcraftedLoss("mse", "regression")),
    Case("laplace", HandcraftedLoss("mae", "regression")),
    Case("quantile", HandcraftedLoss("pinball", "regression", {"tau": 0.9})),
    Case("rare-classes", HandcraftedLoss("logit_adjusted_ce", "multiclass")),
)


def measure(case: Case, seed: int, settings: tuple[str, ...]) -> tuple[float, float, float, str]:
    """Test metric of the found loss, the known one and the task loss, and the found loss."""
    recipe = load_recipe(f"recovery/{case.recipe}", [f"seed={seed}", *settings])
    with tempfile.TemporaryDirectory() as folder:
        result = run(recipe, directory=Path(folder) / "run")
        engine, workers = make_engine(recipe), Workers(make_executor(recipe))
        if engine.training.lr == "auto":
            engine = engine.with_lr(result.data["search"]["lr"])
        known = engine.match_scale([case.known.for_problem(engine.problem)])[0]
        usual = task_loss(engine.problem)
        losses = {"task_loss": usual} | ({} if case.known.key == usual.key else {"known": known})
        records = ChunkRecords(Path(folder) / "chunks.log")
        runs = TrainingRuns(
            engine, Recording(workers, records, RunPaths(Path(folder)), result.data["search"]["chunk"])
        )
        plan = RetrainingPlan(runs.schedule(recipe.retraining.steps), recipe.retraining.seeds, lr=None)
        retrained = retrain(runs, losses, plan)
        workers.close()
    means = {name: engine.metric.shown(fmean(each.values)) for name, each in retrained.contestants.items()}
    test = result.data["test"]
    found = test["learned"] if test["returned"] == "found" else test["others"].get("found", test["task_loss"])
    return found["mean"], means.get("known", means["task_loss"]), means["task_loss"], found["loss"]


def main() -> None:
    """Run every case and print how near it came."""
    parser = argparse.ArgumentParser(
        description="How near the search comes to losses that are known to be best."
    )
    parser.add_argument("--smoke", action="store_true", help="a moment of each")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--case", default="", help="only recipes whose name contains this")
    options = parser.parse_args()
    for case in CASES:
        if options.case not in case.recipe:
            continue
        for seed in range(1 if options.smoke else options.seeds):
            found, known, usual, expression = measure(case, seed, SMOKE if options.smoke else ())
            if options.smoke:
                print(f"{case.recipe}: works")
                continue
            gap = usual - known
            share = f"{(usual - found) / gap:.2f} of the gap" if abs(gap) > 1e-9 else "no gap to close"
            print(
                f"{case.recipe}, seed {seed}: found {found:.4f}, {case.known.key} {known:.4f}, task loss {usual:.4f}: "
                f"{share}; found {expression}",
                flush=True,
            )


if __name__ == "__main__":
    main()
