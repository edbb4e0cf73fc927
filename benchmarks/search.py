"""What a whole search costs, and what racing changes.

Cost: a search of 500 candidates (digits with 40 % wrong labels, mlp 100-100) in multiples of one retraining run of
10,000 steps; the share of its time that is neither training nor tuning; and the most memory that all its processes
have held.

Racing: the same recipe with `training.rungs` and without, on the same seeds. Time to equal best fitness is the
time until a search first has the worse of the two searches' best fitness; test error is that of the found loss,
retrained.

    python benchmarks/search.py            in full, 20 minutes on two cores
    python benchmarks/search.py --smoke    a moment of each, to see that it works
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from automl_loss import Lane, Progress, Result, load_recipe, run
from automl_loss.losses.handcrafted import task_loss
from automl_loss.search.from_recipe import set_up

RECIPE = ("model={name: mlp, hidden: [100, 100]}", "task={name: digits, label_noise: 0.4}")
RETRAINING_STEPS = 10_000
"""The papers' on small images."""
SEEDS = 5
SMOKE = (
    "strategy.population=4",
    "strategy.generations=2",
    "training.steps=20",
    "tuning.steps=4",
    "finalists={count: 1, seeds: 1, steps: 20}",
    "retraining={seeds: 1, steps: 20}",
)


@dataclass
class Watch:
    """Follows a run: best fitness by time, and the most memory of each of its processes."""

    best: list[tuple[float, float]] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)

    def __call__(self, progress: Progress) -> None:
        """Take a message of the run."""
        if progress.stage == "search" and progress.best and progress.best[0].fitness is not None:
            self.best.append((progress.seconds, progress.best[0].fitness))
        self.memory |= peaks()

    def reached(self, fitness: float) -> float:
        """Seconds until the best fitness was as good as this."""
        return next(seconds for seconds, best in self.best if best <= fitness)


def peaks() -> dict[str, int]:
    """Most memory so far, in bytes, of this process and its children, where the system tells (Linux)."""
    found: dict[str, int] = {}
    waiting = ["self"]
    while waiting:
        process = Path("/proc") / waiting.pop()
        try:
            lines = (process / "status").read_text().splitlines()
            waiting += [
                child
                for task in (process / "task").iterdir()
                for child in (task / "children").read_text().split()
            ]
        except OSError:
            continue
        found[process.name] = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    return found


def search(seed: int, *settings: str) -> tuple[Result, Watch]:
    """Run the recipe in a folder of its own."""
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        recipe = load_recipe("quickstart", [*RECIPE, f"seed={seed}", *settings])
        return run(recipe, watch, directory=Path(folder) / "run"), watch


def steps_to(result: Result, fitness: float) -> float:
    """Training-step equivalents until the best fitness was as good as this, in the order of asking."""
    spent = 0.0
    for _, outcome in sorted(result.outcomes.items()):
        spent += outcome.steps
        if (
            outcome.id
            and outcome.status.completed
            and outcome.fitness is not None
            and outcome.fitness <= fitness
        ):
            break
    return spent


def retraining_seconds(steps: int) -> float:
    """Seconds of one retraining run under the task loss, on one core."""
    engine = set_up(load_recipe("quickstart", [*RECIPE, "training.lr=0.01"])).engine
    lane = Lane(task_loss(engine.problem), engine.lr, engine.search_seed(0))
    engine.train([lane], replace(engine.schedule, steps=10, rungs=()))
    start = time.perf_counter()
    engine.train([lane], replace(engine.schedule, steps=steps, rungs=()))
    return time.perf_counter() - start


def cost(candidates: int, settings: tuple[str, ...], steps: int) -> None:
    """Print what a search of so many candidates costs."""
    once = retraining_seconds(steps)
    result, watch = search(
        0,
        f"budget.candidates={candidates}",
        "strategy.generations=200",
        "retraining={seeds: 1, steps: 500}",
        *settings,
    )
    spent: dict[str, Any] = result.data["search"]
    shares = {name: value / sum(spent["profile"].values()) for name, value in spent["profile"].items()}
    print(
        f"a search of {candidates} candidates: {spent['seconds']:.0f} s on {spent['workers']} cores, "
        f"{spent['seconds'] / once:.1f} retraining runs of {steps} steps ({once:.1f} s) by the clock, "
        f"{spent['seconds'] * spent['workers'] / once:.1f} by the core; "
        f"not training or tuning {spent['overhead']:.1%}; memory {sum(watch.memory.values()) / 2**30:.2f} GiB at most"
    )
    print("    " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()), flush=True)


def racing(seeds: int, rung: int, settings: tuple[str, ...]) -> None:
    """Print what racing changes, with one rung."""
    times, errors, seconds, steps = [], [], [], []
    for seed in range(seeds):
        runs = [search(seed, *settings), search(seed, f"training.rungs=[{rung}]", *settings)]
        worse = max(watch.best[-1][1] for _, watch in runs)
        times.append([watch.reached(worse) for _, watch in runs])
        steps.append([steps_to(result, worse) for result, _ in runs])
        errors.append([result.data["test"]["learned"]["mean"] for result, _ in runs])
        seconds.append([result.data["search"]["seconds"] for result, _ in runs])
        print(
            f"    seed {seed}: search {seconds[-1][0]:.0f} s, raced {seconds[-1][1]:.0f} s; to equal best fitness "
            f"{times[-1][0]:.0f} s, {times[-1][1]:.0f} s, or {steps[-1][0]:,.0f} steps, {steps[-1][1]:,.0f}; "
            f"test error {errors[-1][0]:.4f}, {errors[-1][1]:.4f}",
            flush=True,
        )
    mean = [
        [statistics.mean(side) for side in zip(*values, strict=True)]
        for values in (seconds, times, errors, steps)
    ]
    print(
        f"racing, mean of {seeds} seeds: search {mean[0][1] / mean[0][0]:.2f} of the time; to equal best fitness "
        f"{mean[1][1] / mean[1][0]:.2f} of the time and {mean[3][1] / mean[3][0]:.2f} of the steps; "
        f"test error {mean[2][1]:.4f} against {mean[2][0]:.4f} without"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cost of a whole search, and racing.")
    parser.add_argument("--smoke", action="store_true", help="a moment of each")
    parser.add_argument("--only", choices=("cost", "racing"))
    options = parser.parse_args()
    if options.only != "racing":
        cost(*((6, SMOKE, 20) if options.smoke else (500, (), RETRAINING_STEPS)))
    if options.only != "cost":
        small = ("budget.candidates=100", "retraining={seeds: 3, steps: 2000}")
        racing(*((1, 10, SMOKE) if options.smoke else (SEEDS, 250, small)))


if __name__ == "__main__":
    main()
