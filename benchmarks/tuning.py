"""What tuning is worth: the same losses untuned and tuned in several ways, compared paired on fresh seeds.

Losses are the natural population of random search: random expressions that pass the filters. Every way starts from the
same losses at matched scale, and every result is trained at the task loss's best rate, by the same stopping rule. The
number compared is the validation metric of fresh networks, on seeds that no tuning has seen.

    python benchmarks/tuning.py study.jsonl            the study of docs/tuning.md: resumable
    python benchmarks/tuning.py study.jsonl --summary  the tables alone
    python benchmarks/tuning.py --smoke                a moment of it, to see that it works
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cmaes import CMA
from scipy.stats import wilcoxon

from automl_loss import Candidate, Lane, Loss, Trained, load_recipe
from automl_loss.engine.engine import Engine
from automl_loss.final.learning_rate import RateTrial, default_grid, select_lr
from automl_loss.final.training_runs import TrainingRuns
from automl_loss.losses.handcrafted import task_loss
from automl_loss.record.chunk_records import ChunkRecords
from automl_loss.record.recording import Recording
from automl_loss.record.run_directory import RunPaths
from automl_loss.record.workers import Workers
from automl_loss.search.filters import Screen
from automl_loss.search.from_recipe import RunObjects, set_up
from automl_loss.seeds import stream

TASKS = {
    "digits": ("{name: digits}", "{name: mlp, hidden: [100]}"),
    "digits, 40 % wrong labels": ("{name: digits, label_noise: 0.4}", "{name: mlp, hidden: [100]}"),
    "diabetes": ("{name: diabetes}", "{name: mlp, hidden: [100]}"),
    "breast_cancer": ("{name: breast_cancer}", "{name: mlp, hidden: [100]}"),
}
WAYS = ("untuned", "exact, trajectory", "amortised, trajectory", "exact, initial", "amortised, initial")
FRESH_SEEDS = 2
FINALISTS = 5
FINALIST_RUNS = 64


def main() -> None:
    """Run what is missing of the study and print its tables."""
    parser = argparse.ArgumentParser(description="What tuning is worth.")
    parser.add_argument("file", nargs="?", type=Path, help="JSON lines; records that are there are kept")
    parser.add_argument("--losses", type=int, default=60, help="per task and split")
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--summary", action="store_true", help="only print the tables")
    parser.add_argument("--smoke", action="store_true", help="a moment of it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.smoke:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "smoke.jsonl"
            short = ["training.steps=10", "tuning.steps=3", "training.lr=0.03"]
            run(file, "diabetes", 0, 4, short, finalist_runs=8)
            print(f"tuning study: works ({len(read(file))} records)")
        return
    if options.file is None:
        parser.error("give a file for the records")
    if not options.summary:
        for split in range(options.splits):
            for task in TASKS:
                run(options.file, task, split, options.losses, [], FINALIST_RUNS)
    summarise(read(options.file))


def run(file: Path, task: str, split: int, count: int, overrides: Sequence[str], finalist_runs: int) -> None:
    """Evaluate the losses of one task and split, unless the file holds them already."""
    if any(record["task"] == task and record["split"] == split for record in read(file)):
        return
    data, model = TASKS[task]
    objects = set_up(
        load_recipe(
            "quickstart",
            [f"task={data}", f"model={model}", f"seed={100 + split}", "strategy={name: random, population: 50}",
             "executor={name: local, workers: 1}", *overrides],
        )
    )  # fmt: skip
    engine = at_best_rate(objects)
    losses = natural_losses(replace(objects, engine=engine), count)
    records = [
        {
            "task": task,
            "split": split,
            "lr": engine.lr,
            "way": way,
            "loss": i,
            "expression": str(loss),
            **found,
        }
        for way in WAYS
        for i, (loss, found) in enumerate(zip(losses, tuned_by(engine, losses, way), strict=True))
    ]
    untuned = [record for record in records if record["way"] == "untuned"]
    usable = [r for r in untuned if r["searched"] is not None]
    best = sorted(usable, key=lambda record: record["searched"])[:FINALISTS]
    for record in best:
        found = by_evolution(engine, losses[record["loss"]], finalist_runs)
        records.append({**record, "way": "finalists, CMA-ES", **found})
    with file.open("a") as stream_:
        stream_.writelines(json.dumps(record) + "\n" for record in records)
    print(f"{task}, split {split}: {len(losses)} losses at lr {engine.lr:g}", flush=True)


def at_best_rate(objects: RunObjects) -> Engine:
    """The engine at the task loss's best rate for partial training."""
    engine = objects.engine
    if engine.training.lr != "auto":
        return engine
    with tempfile.TemporaryDirectory() as folder:
        records = ChunkRecords(Path(folder) / "chunks.log")
        runs = TrainingRuns(engine, Recording(Workers(objects.executor), records, RunPaths(Path(folder)), 21))
        trial = RateTrial(default_grid(engine.training.optimizer), runs.schedule(engine.training.steps))
        return engine.with_lr(select_lr(runs, "lr", [task_loss(engine.problem)], trial)[0].lr)


def natural_losses(objects: RunObjects, count: int) -> list[Loss]:
    """Losses of random search that pass the filters, at matched scale."""
    screen = Screen(objects.recipe.filters, objects.engine, Workers(objects.executor))
    found: list[Candidate] = []
    while len(found) < count:
        found += screen.screen(objects.strategy.ask()).survivors
    return objects.engine.match_scale([candidate.loss for candidate in found[:count]])


def tuned_by(engine: Engine, losses: Sequence[Loss], way: str) -> list[dict[str, object]]:
    """Tune in one way and train: on the search's own seed, and on fresh ones."""
    begun = time.perf_counter()
    trusted = [True] * len(losses)
    final = list(losses)
    if way != "untuned":
        gradient, states = way.split(", ")
        settings = engine.spec.tuning.model_copy(update={"gradient": gradient, "states": states})
        other = Engine(replace(engine.spec, tuning=settings))
        tuner = other.tuner(settings)
        take = tuner.exact_gradient if gradient == "exact" else tuner.amortised_gradient
        population = tuner.descend(losses, take)
        if gradient == "amortised":
            trusted = tuner.guard(losses, population)
        final = engine.match_scale(population.tuned())
    seconds = time.perf_counter() - begun
    searched = train(engine, final, engine.search_seed(0))
    fresh = [fitness(engine, final, i) for i in range(FRESH_SEEDS)]
    return [
        {"searched": run.fitness, "fresh": list(values), "trusted": good, "seconds": seconds / len(losses)}
        for run, values, good in zip(searched, zip(*fresh, strict=True), trusted, strict=True)
    ]


def fitness(engine: Engine, losses: Sequence[Loss], index: int) -> list[float | None]:
    """Validation metric of networks that no tuning has seen."""
    seed = stream(engine.seed, "study", index)
    return [trained.fitness for trained in train(engine, losses, seed)]


def train(engine: Engine, losses: Sequence[Loss], seed: int) -> list[Trained]:
    """Partial training of every loss on one seed."""
    return engine.train([Lane(loss, engine.lr, seed) for loss in losses])


def by_evolution(engine: Engine, loss: Loss, runs: int) -> dict[str, object]:
    """Tune one loss by CMA-ES on its weights, each point judged by a partial training of its own."""
    begun = time.perf_counter()
    start = np.array(loss.weights)
    size = 8
    search = CMA(mean=start, sigma=0.1, seed=engine.seed, population_size=size)
    best, chosen = np.inf, loss
    for _ in range(max(1, runs // size)):
        points = [search.ask() for _ in range(size)]
        losses = engine.match_scale([loss.with_weights(tuple(map(float, point))) for point in points])
        trained = train(engine, losses, engine.search_seed(0))
        values = [np.inf if each.fitness is None else each.fitness for each in trained]
        # An unusable point is worse than any: CMA-ES needs finite numbers.
        worst = max([v for v in values if np.isfinite(v)], default=1.0)
        search.tell(
            [(p, v if np.isfinite(v) else 10 * abs(worst) + 1) for p, v in zip(points, values, strict=True)]
        )
        place = int(np.argmin(values))
        if values[place] < best:
            best, chosen = values[place], losses[place]
    fresh = [fitness(engine, [chosen], i)[0] for i in range(FRESH_SEEDS)]
    return {"searched": best, "fresh": fresh, "seconds": time.perf_counter() - begun}


def read(file: Path) -> list[dict[str, Any]]:
    """Records of the study."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def composed(records: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ways that a run can take, made of what was measured: what to do with losses that the guard refuses."""
    by = {(r["way"], r["task"], r["split"], r["loss"]): r for r in records}
    for key, record in by.items():
        yield key[0], record
        if not key[0].startswith("amortised"):
            continue
        states = key[0].split(", ")[1]
        for name, other in (("exact", f"exact, {states}"), ("untuned", "untuned")):
            fallback = by[other, *key[1:]]
            chosen = record if record["trusted"] else fallback
            cost = record["seconds"] + (0.0 if record["trusted"] else fallback["seconds"])
            yield f"{key[0]}, guarded, else {name}", {**chosen, "seconds": cost}


def summarise(records: Sequence[dict[str, Any]]) -> None:
    """Print, per task, each way beside the untuned losses."""
    ways: dict[str, list[dict[str, Any]]] = {}
    for way, record in composed(records):
        ways.setdefault(way, []).append(record)
    untuned = {(r["task"], r["split"], r["loss"]): r for r in ways["untuned"]}

    def mean(record: dict[str, Any]) -> float:
        return statistics.fmean(np.nan if value is None else value for value in record["fresh"])

    for task in TASKS:
        print(
            f"\n{task}\n{'way':<43} pairs  untuned    tuned   better  worse   p      top 5   diverged  ms a loss"
        )
        for way, found in ways.items():
            own = [r for r in found if r["task"] == task]
            if not own:
                continue
            pairs = np.array([[mean(untuned[r["task"], r["split"], r["loss"]]), mean(r)] for r in own])
            lost = int((~np.isfinite(pairs[:, 1]) & np.isfinite(pairs[:, 0])).sum())
            pairs = pairs[np.isfinite(pairs).all(axis=1)]
            change = pairs[:, 1] - pairs[:, 0]
            p = wilcoxon(change).pvalue if np.any(change) else 1.0
            top = statistics.fmean(map(mean, top_five(own)))
            print(
                f"{way:<43} {len(pairs):>5}  {pairs[:, 0].mean():.4f}   {pairs[:, 1].mean():.4f}   "
                f"{(change < 0).mean():>5.0%}  {(change > 0).mean():>5.0%}  {p:.3f}  {top:.4f}   {lost:>4}      "
                f"{1e3 * statistics.fmean(r['seconds'] for r in own):.0f}"
            )
        for way in WAYS:
            own = [r for r in ways[way] if r["task"] == task]
            if way.startswith("amortised") and own:
                print(f"the guard trusts {sum(r['trusted'] for r in own)} of {len(own)} ({way})")


def top_five(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The five best of each split by the fitness that a search sees: what a search would return."""
    best = []
    for split in sorted({r["split"] for r in records}):
        own = [
            r for r in records if r["split"] == split and r["searched"] is not None and None not in r["fresh"]
        ]
        best += sorted(own, key=lambda r: r["searched"])[:5]
    return best


if __name__ == "__main__":
    main()
