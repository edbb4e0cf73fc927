"""Kill runs, comparisons, transfers and landscapes over and over, and compare what they come to with an unharmed one.

`python tests/faults/kills.py --kills 1000 --seed 0` prints a histogram of what was killed where, and every difference.
Each job is forked from a process that has imported everything, is killed at a random moment or inside a random write
(half of the data is on disk then), and is begun again until it ends; its directory must then say the same as that of
a job that nobody killed, but for times.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.recipes import tiny

TIMES = {"seconds", "profile", "phases", "workers", "overhead", "versions", "digest", "trace"}
"""Keys of files that are allowed to differ; `trace` of a cell and `digest` hold seconds."""


def recipe(**changes: Any) -> dict[str, Any]:
    """A run of a second, with racing, so that paused runs are on disk, too."""
    base: dict[str, Any] = {
        "strategy": {"name": "evomal", "population": 5, "generations": 2},
        "training": {"steps": 20, "lr": "auto", "rungs": [10]},
        "tuning": {"steps": 4},
        "finalists": {"count": 2, "seeds": 1, "steps": 20, "lr_factors": [1.0, 2.0]},
        "retraining": {"seeds": 2, "steps": 20},
        "executor": {"workers": 1, "chunk": 2},
    }
    return tiny(**{**base, **changes})


COMPARISON = {
    **{key: value for key, value in recipe().items() if key not in ("task", "model", "strategy", "name")},
    "training": {"steps": 10, "lr": 0.05},
    "compare": {"strategies": ["random", "handcrafted"], "tasks": ["wine"], "models": ["linear"], "seeds": 1,
                "workers": 1, "budget": {"candidates": 4}},
    "executor": {"workers": 1, "timeout_s": None},
}  # fmt: skip


def _run(place: Path) -> None:
    from automl_loss import run

    run(recipe(), directory=place, resume=(place / "recipe.yaml").exists())


def _compare(place: Path) -> None:
    from automl_loss import compare

    compare(COMPARISON, directory=place, resume=(place / "recipe.yaml").exists())


def _retrain(place: Path) -> None:
    from automl_loss.after.finished_run import FinishedRun
    from automl_loss.after.transfer import transfer
    from automl_loss.after.transfer_targets import targets_of

    finished = FinishedRun.read(place)
    transfer(
        finished, targets_of(finished, ["iris"], [], ["retraining.seeds=2", "retraining.steps=20"], None)
    )


def _landscape(place: Path) -> None:
    from automl_loss.after import landscape
    from automl_loss.after.finished_run import FinishedRun

    settings = landscape.LandscapeSettings(
        grid=5, span=1.0, rows=60, seeds=1, directions=2, radius=0.5, steps=20
    )
    landscape.landscape(FinishedRun.read(place), settings, lambda text: None)


@dataclass(frozen=True)
class Job:
    """Something that can be killed.

    Args:
        name: of the command.
        work: does it, or goes on with it, in a directory.
        files: whose content must be the same in the end.
        finished: whether it starts from a finished run.
    """

    name: str
    work: Callable[[Path], None]
    files: str
    finished: bool = False


JOBS = (
    Job("run", _run, "{result.json,leaderboard.csv,best_loss.json,best_loss.py}"),
    Job("compare", _compare, "{comparison.json,cells/*/cell.json,cells/*/result.json}"),
    Job("retrain", _retrain, "{transfer/transfer.json,transfer/*/target.json}", finished=True),
    Job("landscape", _landscape, "{landscape/landscape.json}", finished=True),
)


def main() -> int:
    """Kill as often as asked, and return how many jobs came to something else."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="end after about so long")
    parser.add_argument("--jobs", default="run,run,run,compare,retrain,landscape")
    options = parser.parse_args()
    os.environ["AUTOLOSS_REPORT"] = "0"
    _import_everything()
    rng, where, kills, differences, rounds = random.Random(options.seed), Counter[str](), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        os.environ["XDG_STATE_HOME"] = folder
        expected = {job.name: _reference(job, base) for job in JOBS}
        names = options.jobs.split(",")
        begun = time.monotonic()
        while kills < options.kills and time.monotonic() - begun < 60 * options.minutes:
            chosen = rng.choice(names)
            job = next(job for job in JOBS if job.name == chosen)
            place = base / "killed"
            if job.finished:
                shutil.copytree(base / "run", place, ignore=shutil.ignore_patterns("transfer", "landscape"))
            killed = _until_it_ends(job, place, rng, where)
            kills, rounds = kills + killed, rounds + 1
            if rounds % 20 == 0:
                print(f"{kills} kills in {rounds} jobs so far, {time.monotonic() - begun:.0f} s", flush=True)
            if _content(job, place) != expected[job.name][0]:
                differences += 1
                print(
                    f"DIFFERENT: {job.name} after {killed} kills: {_differing(expected[job.name][0], place, job)}"
                )
            left = [str(file.relative_to(place)) for file in place.rglob(".*.tmp")]
            if left:
                print(f"half-written files are left: {left}")
                differences += 1
            shutil.rmtree(place)
    inside = sum(count for name, count in where.items() if "inside" in name)
    print(f"{kills} kills in {rounds} jobs, {inside} of them inside a write; {differences} differences")
    for name, count in where.most_common():
        print(f"{count:5}  {name}")
    return min(differences, 1)


def _import_everything() -> None:
    """Import what the jobs need, but compute nothing: a forked process has no threads."""
    import matplotlib.figure
    import numba
    import optuna
    import scipy.stats
    import sklearn.datasets
    import torch

    from automl_loss import compare, run  # noqa: F401  (imported for the jobs)
    from automl_loss.after import landscape, transfer  # noqa: F401
    from automl_loss.comparison import report, runner  # noqa: F401
    from automl_loss.engine.kernels import _entries  # noqa: F401
    from automl_loss.search import run_recipe  # noqa: F401

    _ = matplotlib.figure, numba, scipy.stats, sklearn.datasets
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _reference(job: Job, base: Path) -> tuple[dict[str, Any], float]:
    """What a job comes to that nobody kills, and its seconds."""
    place = base / ("run" if job.finished or job.name == "run" else f"whole-{job.name}")
    begun = time.monotonic()
    if os.waitstatus_to_exitcode(_wait(_fork(job, place, None))):
        raise SystemExit(f"{job.name} fails without being killed")
    return _content(job, place), time.monotonic() - begun


def _until_it_ends(job: Job, place: Path, rng: random.Random, where: Counter[str]) -> int:
    """Begin a job again and again until it ends by itself; return how often it was killed."""
    killed, most = 0, rng.randint(1, 8)
    while True:
        last = killed == most
        write = None if last or rng.random() < 0.5 else rng.randint(1, 40)
        note = place.with_name("note")
        note.unlink(missing_ok=True)
        process = _fork(job, place, write, note)
        if not last and write is None:
            time.sleep(rng.uniform(0.0, 1.2))
            stage = _stage(place)
            os.kill(process, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(_wait(process))
        if code == 0:
            return killed
        if code > 0:
            raise SystemExit(f"{job.name} failed instead of going on: {place}")
        killed += 1
        inside = note.read_text() if note.exists() else ""
        where[f"{job.name}: inside {inside}" if inside else f"{job.name}: {stage}"] += 1


def _fork(job: Job, place: Path, write: int | None, note: Path | None = None) -> int:
    """A process that does a job, and kills itself inside its n-th write if asked; returns its id."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        if write is not None and note is not None:
            _kill_inside(write, note)
        job.work(place)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _kill_inside(number: int, note: Path) -> None:
    """Have the n-th write of this process write half, or not be renamed or synchronised, and the process be killed."""
    count = 0
    write, sync, rename = os.write, os.fsync, os.replace

    def due(what: str, name: str) -> bool:
        nonlocal count
        count += 1
        if count == number:
            note.write_text(f"{what} of {name}")
        return count == number

    def half(descriptor: int, data: Any) -> int:
        if due("an append", _name(descriptor)):
            write(descriptor, bytes(data)[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(descriptor, data)

    def unsynced(descriptor: int) -> None:
        name = _name(descriptor)
        if due("a synchronisation", name):
            if name.endswith("tmp"):
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    def unnamed(source: Any, target: Any, **rest: Any) -> None:
        if due("a replacement", Path(target).name):
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target, **rest)

    os.write, os.fsync, os.replace = half, unsynced, unnamed


def _name(descriptor: int) -> str:
    name = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
    return "tmp" if name.endswith(".tmp") else name if "." in name else "folder"


def _stage(place: Path) -> str:
    """How far a job is, by what lies in its directory."""
    if (place / "transfer").exists():
        return "transfer"
    records = sorted(place.rglob("chunks.log"), key=lambda file: file.stat().st_mtime)
    if not records:
        return "before the first record"
    try:
        lines = records[-1].read_bytes().splitlines()
        return (
            "after " + json.loads(lines[-1].partition(b" ")[2])["key"].partition("/")[0].partition("-lr")[0]
        )
    except (IndexError, ValueError):
        return "at the first record"


def _wait(process: int) -> int:
    return os.waitpid(process, 0)[1]


def _content(job: Job, place: Path) -> dict[str, Any]:
    """The files of a finished job, without times."""
    found: dict[str, Any] = {}
    for pattern in job.files.strip("{}").split(","):
        for file in sorted(place.glob(pattern)):
            text = file.read_text(encoding="utf-8")
            found[str(file.relative_to(place))] = _without_times(
                json.loads(text) if file.suffix == ".json" else text
            )
    return found


def _without_times(data: Any) -> Any:
    if isinstance(data, dict):
        return {
            key: _without_times(value) for key, value in data.items() if key not in TIMES | {"name", "run"}
        }
    if isinstance(data, list):
        return [_without_times(value) for value in data]
    if isinstance(data, str) and data.startswith("rank,"):
        rows = list(csv.reader(io.StringIO(data)))
        skip = rows[0].index("seconds")
        return [[cell for column, cell in enumerate(row) if column != skip] for row in rows]
    return data


def _differing(expected: dict[str, Any], place: Path, job: Job) -> str:
    found = _content(job, place)
    return ", ".join(name for name in {*expected, *found} if expected.get(name) != found.get(name))


if __name__ == "__main__":
    sys.exit(main())
