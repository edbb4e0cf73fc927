"""The loss landscape of a run: what lies around networks trained under its loss and under the task loss.

Both losses at the learning rates that retraining chose, on equal seeds of their own. Surfaces are drawn around the
first network of each loss; flatness is averaged over all. Only training and validation rows are looked at.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor

from automl_loss.after.finished_run import FinishedRun
from automl_loss.after.surface import Flatness, Floats, filter_normalised, flatness, measure_along, plane
from automl_loss.engine.data.rows import Rows
from automl_loss.engine.engine import Engine
from automl_loss.engine.network.network import State
from automl_loss.engine.population import Population
from automl_loss.engine.training.lane import Lane
from automl_loss.errors import AutolossError, EvaluationError
from automl_loss.losses.base import Loss
from automl_loss.losses.handcrafted import task_loss
from automl_loss.record.atomic import replace_text, writing
from automl_loss.record.run_directory import RunPaths
from automl_loss.search.from_recipe import make_single_engine
from automl_loss.seeds import generator, stream

FILE = "landscape.json"
SCHEMA = 1
QUANTITIES = ("training_loss", "validation_task_loss", "validation_metric")
"""The network's own loss on training rows, and task loss and metric on validation rows."""
_FLATNESS = ("validation_task_loss", "validation_metric")
_STAGE = "landscape"


@dataclass(frozen=True)
class LandscapeSettings:
    """What is drawn, and how finely.

    Args:
        grid: points along each side of a surface.
        span: the surface reaches from -span to span; at 1, a filter is changed by its own norm.
        rows: most training and most validation rows to look at.
        seeds: networks trained under each loss.
        directions: random directions that flatness is averaged over.
        radius: of the ball in which flatness is measured, in the same unit as span.
        radii: distances at which it is measured.
        steps: length of training; `None`: retraining's.
    """

    grid: int = 31
    span: float = 1.0
    rows: int = 500
    seeds: int = 3
    directions: int = 20
    radius: float = 0.5
    radii: int = 10
    steps: int | None = None


def landscape(
    run: FinishedRun, settings: LandscapeSettings, say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Train, look around, and write `landscape/landscape.json` into the run directory, in place of an earlier one.

    Args:
        run: whose loss is laid beside the task loss.
        settings: what is drawn.
        say: told what is being done.

    Returns:
        The content of the file. A surface is a list of rows, the first direction down and the second across;
        values that are not finite are null.

    Raises:
        EvaluationError: no network could be trained under one of the losses.
        AutolossError: the file cannot be written.
    """
    started = time.perf_counter()
    engine = make_single_engine(run.recipe, run.name)
    steps = settings.steps or run.recipe.retraining.steps
    view = _View(engine, settings.rows)
    test = run.result["test"]
    pairs: dict[str, tuple[Loss, float]] = {
        run.returned: (run.loss, test["learned"]["lr"]),
        "task_loss": (task_loss(engine.problem), test["task_loss"]["lr"]),
    }
    networks = {}
    for role, (loss, lr) in pairs.items():
        say(f"{loss.key}: {settings.seeds} networks, {steps:,} steps each at learning rate {lr:.3g}")
        minima = _train(engine, loss, lr, steps, settings.seeds)
        say(
            f"{loss.key}: surface of {settings.grid} x {settings.grid} points, flatness of {len(minima)} networks"
        )
        networks[role] = {"loss": loss.key, "lr": lr, **_around(engine, view, loss, minima, settings)}
    data = {
        "schema": SCHEMA,
        "run": run.name,
        "seed": run.recipe.seed,
        "task": run.recipe.task.label,
        "model": run.recipe.model.label,
        "metric": engine.metric.name,
        "lower_is_better": engine.metric.lower_is_better,
        "task_loss": engine.problem.task_loss,
        "settings": {**asdict(settings), "steps": steps},
        "rows": {"training": len(view.training), "validation": len(view.validation)},
        "parameters": engine.network.parameters,
        "axis": np.linspace(-settings.span, settings.span, settings.grid).tolist(),
        "networks": networks,
        "seconds": time.perf_counter() - started,
    }
    folder = RunPaths(run.directory).landscape
    with writing(folder):
        folder.mkdir(exist_ok=True)
    replace_text(folder / FILE, json.dumps(data, indent=1, allow_nan=False) + "\n")
    return data


def read_landscape(directory: Path) -> dict[str, Any]:
    """What `landscape` wrote into a run directory.

    Raises:
        AutolossError: there is no such file, or it is another thing.
    """
    file = RunPaths(directory).landscape / FILE
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise ValueError(f"its schema is {data['schema']!r}, and this version reads {SCHEMA}")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise AutolossError(
            f"{file}: this is no landscape ({type(error).__name__}: {error}). Make one: autoloss landscape {directory}"
        ) from error
    return data


@dataclass(frozen=True)
class Minimum:
    """A trained network.

    Args:
        state: of width 1, at `step`.
        step: that the stopping rule chose.
        fitness: validation metric there, lower is better.
        seed: of its initial weights and batches.
    """

    state: State
    step: int
    fitness: float
    seed: int


def _train(engine: Engine, loss: Loss, lr: float, steps: int, seeds: int) -> list[Minimum]:
    lanes = [Lane(loss, lr, stream(engine.seed, _STAGE, i)) for i in range(seeds)]
    schedule = replace(engine.schedule, steps=steps, rungs=(), keep=True)
    minima = [
        Minimum(run.network, run.best_step, run.fitness, lane.seed)
        for lane, run in zip(lanes, engine.train(lanes, schedule), strict=True)
        if run.network is not None and run.fitness is not None
    ]
    if not minima:
        raise EvaluationError(
            f"all {seeds} networks diverged under {loss.key} at learning rate {lr:.3g} within {steps:,} steps; "
            f"choose fewer steps, such as those of retraining."
        )
    return minima


class _View:
    """The rows that are looked at, as a network sees them, neither augmented nor shuffled."""

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine = engine
        self.training = self._chosen(engine.train_rows, most, "training")
        self.validation = self._chosen(engine.validation_rows, most, "validation")

    def _chosen(self, rows: Rows, most: int, name: str) -> Rows:
        if len(rows) > most:
            rng = generator(self._engine.seed, _STAGE, "rows", name)
            chosen = torch.as_tensor(np.sort(rng.choice(len(rows), size=most, replace=False)))
            rows = replace(rows, stored=rows.stored[chosen], target=rows.target[chosen])
        return Rows(rows.x, rows.target)

    def measure(self, loss: Loss) -> Callable[[State], Mapping[str, Tensor]]:
        """The quantities of networks that were trained under a loss."""
        own, usual = _Value(self._engine, loss), _Value(self._engine, self._usual)

        def quantities(state: State) -> Mapping[str, Tensor]:
            outputs = self._engine.network.outputs
            training = outputs(state, self.training.stored)
            validation = outputs(state, self.validation.stored)
            values = (
                own(training, self.training.target),
                usual(validation, self.validation.target),
                self._engine.metric.values(validation, self.validation.target),
            )
            return dict(zip(QUANTITIES, values, strict=True))

        return quantities

    @cached_property
    def _usual(self) -> Loss:
        return task_loss(self._engine.problem)


class _Value:
    """One loss on any number of networks."""

    def __init__(self, engine: Engine, loss: Loss) -> None:
        self._engine = engine
        self._loss = loss
        self._populations: dict[int, Population] = {}

    def __call__(self, raw: Tensor, target: Tensor) -> Tensor:
        width = len(raw)
        if width not in self._populations:
            self._populations[width] = self._engine.population([self._loss] * width)
        with torch.no_grad():
            return self._populations[width].value(raw, target)


def _around(
    engine: Engine, view: _View, loss: Loss, minima: Sequence[Minimum], settings: LandscapeSettings
) -> dict[str, Any]:
    """Surfaces around the first network and flatness of all, as plain data."""
    network, metric, seed = engine.network, engine.metric, engine.seed
    measure = view.measure(loss)
    # The same draws for every loss: the two surfaces differ in their centres and filter norms alone.
    axes = filter_normalised(network, minima[0].state, 2, generator(seed, _STAGE, "plane"))
    points = plane(settings.span, settings.grid)
    surfaces = measure_along(minima[0].state, axes, points, engine.width, measure)
    shown = {
        **surfaces,
        "validation_metric": np.vectorize(metric.shown, otypes=[float])(surfaces["validation_metric"]),
    }
    radii = [settings.radius * k / settings.radii for k in range(1, settings.radii + 1)]
    flat = [
        flatness(
            network, minimum.state, radii, settings.directions, generator(seed, _STAGE, "ball", i),
            engine.width, measure,
        )
        for i, minimum in enumerate(minima)
    ]  # fmt: skip
    return {
        "scale": loss.scale,
        "networks": [
            {"seed": m.seed, "best_step": m.step, "validation": metric.shown(m.fitness)} for m in minima
        ],
        "diverged": settings.seeds - len(minima),
        "surfaces": {name: _grid(values, settings.grid) for name, values in shown.items()},
        "flatness": {
            "radii": radii,
            **{name: _flatness_json([one[name] for one in flat]) for name in _FLATNESS},
        },
    }


def _grid(values: Floats, size: int) -> list[list[float | None]]:
    return [[_finite(value) for value in row] for row in values.reshape(size, size).tolist()]


def _flatness_json(networks: Sequence[Flatness]) -> dict[str, Any]:
    """Of one quantity; a rise is counted in the sense in which more is worse."""
    figures = [one.figure for one in networks]
    whole = all(math.isfinite(figure) for figure in figures)
    return {
        "values": [_finite(figure) for figure in figures],
        "mean": fmean(figures) if whole else None,
        "std": (stdev(figures) if len(figures) > 1 else 0.0) if whole else None,
        "rise": [[_finite(value) for value in one.rise] for one in networks],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
