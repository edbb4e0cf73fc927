"""Analyse the finished cells of a comparison: means, tests and conclusions, as the data of `comparison.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from automl_loss.comparison.cell import DONE, NO_CANDIDATE, CellRecord
from automl_loss.comparison.recipe import Comparison
from automl_loss.final import statistics
from automl_loss.final.statistics import UnitTest, corrected_t, holm, wilcoxon

SCHEMA = 1
TASK_LOSS = "task loss"
"""Label under which every table shows the task loss, which every cell trains at its own best rate."""
CLAIM_UNITS = 10
"""Number of units below which no conclusion is drawn."""


@dataclass(frozen=True)
class Setting:
    """A task and a model, with one value for each strategy and unit; lower is better.

    Args:
        task: label of the task.
        model: label of the model.
        metric: name of the metric.
        lower_is_better: the metric's own sense; `values` are converted so that lower is better.
        ratio: number of rows judged on over the number of rows learned from; 0 where units share no rows.
        values: value by strategy and seed, the task loss included. All finite.
        diverged: by strategy, the seeds where a retraining run diverged. Their value is the worst of any strategy in
            the unit: leaving them out would favour strategies that diverge.
    """

    task: str
    model: str
    metric: str
    lower_is_better: bool
    ratio: float
    values: Mapping[str, Mapping[int, float]]
    diverged: Mapping[str, tuple[int, ...]]

    @property
    def name(self) -> str:
        """Task and model, for tables."""
        return f"{self.task}, {self.model}"

    def pairs(self, one: str, other: str) -> list[float]:
        """Return the differences of two strategies on the units that both have."""
        mine, theirs = self.values[one], self.values[other]
        return [mine[seed] - theirs[seed] for seed in mine if seed in theirs]

    def shown(self, value: float) -> float:
        """Convert a value to the metric's own sense."""
        return value if self.lower_is_better else 1.0 - value


def settings_of(comparison: Comparison, records: Sequence[CellRecord]) -> list[Setting]:
    """Return the settings that have a finished cell."""
    found = []
    for task in comparison.tasks:
        for model in comparison.models:
            own = [r for r in records if (r.cell.task, r.cell.model) == (task, model)]
            done = [r for r in own if r.status == DONE and r.data is not None]
            if done:
                found.append(_setting(task, model, own, done, comparison))
    return found


def _setting(
    task: str, model: str, own: Sequence[CellRecord], done: Sequence[CellRecord], comparison: Comparison
) -> Setting:
    first = done[0].data
    assert first is not None
    lower, rows = bool(first["lower_is_better"]), first["rows"]

    def inner(value: float | None) -> float:
        if value is None:  # a retraining run diverged
            return math.inf
        return value if lower else 1.0 - value

    usual = {r.cell.seed: inner(r.data["task_loss"]) for r in reversed(done) if r.data is not None}
    values: dict[str, dict[int, float]] = {name: {} for name in comparison.strategies}
    for record in own:
        if record.data is None:
            continue
        if record.status == DONE:
            values[record.cell.strategy][record.cell.seed] = inner(record.data["test"])
        elif record.status == NO_CANDIDATE and record.cell.seed in usual:
            # A strategy that finds no loss gets the task loss's value.
            values[record.cell.strategy][record.cell.seed] = usual[record.cell.seed]
    # A method learns its network on the training rows and its loss on the validation rows.
    ratio = 0.0 if rows["drawn_afresh"] else rows["test"] / max(1, rows["train"] + rows["validation"])
    values[TASK_LOSS] = dict(sorted(usual.items()))
    diverged = {name: tuple(s for s, v in each.items() if math.isinf(v)) for name, each in values.items()}
    return Setting(task, model, str(first["metric"]), lower, ratio, _finite(values), diverged)


def _finite(values: Mapping[str, Mapping[int, float]]) -> dict[str, dict[int, float]]:
    """Replace each infinite value by the worst finite value of its unit."""
    worst: dict[int, float] = {}
    for each in values.values():
        for seed, value in each.items():
            if math.isfinite(value):
                worst[seed] = max(value, worst.get(seed, value))
    return {
        name: {seed: v if math.isfinite(v) else worst[seed] for seed, v in each.items() if seed in worst}
        for name, each in values.items()
    }


def _best_tried(data: Mapping[str, Any]) -> float | None:
    """Return the task loss's best validation metric over rates at the retraining length, in the metric's own sense."""
    tried = [value for _, value in data["task_loss_lr_tried"] if value is not None]
    return (min if data["lower_is_better"] else max)(tried, default=None)


def analyse(comparison: Comparison, records: Sequence[CellRecord]) -> dict[str, Any]:
    """Return the content of `comparison.json`."""
    settings = settings_of(comparison, records)
    control = comparison.control
    others = [name for name in comparison.strategies if name != control]
    primary = _primary(settings, control, others)
    units = len(comparison.seeds)
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "name": comparison.name,
        "control": control,
        "judge": comparison.judge,
        "strategies": list(comparison.strategies),
        "tasks": list(comparison.tasks),
        "models": list(comparison.models),
        "seeds": list(comparison.seeds),
        "cells": [_cell(record, comparison.judge) for record in records],
        "settings": [_described(setting, comparison) for setting in settings],
        "primary": primary,
        "exploratory": _against_task_loss(settings, comparison.strategies),
        "over_tasks": _over_tasks(settings, control, others),
        "kendall_tau": _taus(settings, records),
        "power": {
            "units": units,
            "family": len(primary),
            "smallest_wilcoxon_p": statistics.smallest_wilcoxon_p(units),
            "smallest_wilcoxon_p_over_tasks": statistics.smallest_wilcoxon_p(len(settings)),
            "units_needed": statistics.units_needed(len(primary)),
            "tasks_needed": statistics.units_needed(len(others)),
        },
    }
    data["sentences"] = sentences(data)
    return data


def _cell(record: CellRecord, judge: str) -> dict[str, Any]:
    cell, data = record.cell, dict(record.data or {})
    if judge == "validation" and record.status == DONE:
        data |= {"validation": data["test"], "test": None}
    kept = ("message", "test", "validation", "last", "task_loss", "fitness", "search_fitness", "task_loss_fitness",
            "lr", "steps", "expression", "is_task_loss")  # fmt: skip
    return {
        "strategy": cell.strategy, "task": cell.task, "model": cell.model, "seed": cell.seed, "status": record.status,
        **{key: data.get(key) for key in kept},
        "seconds": data.get("search", {}).get("seconds"),
        "candidates": data.get("search", {}).get("candidates"),
        "evaluated": data.get("search", {}).get("evaluated"),
    }  # fmt: skip


def _described(setting: Setting, comparison: Comparison) -> dict[str, Any]:
    means = {}
    for name in (*comparison.strategies, TASK_LOSS):
        own = [setting.shown(value) for value in setting.values[name].values()]
        means[name] = {
            "mean": fmean(own) if own else None,
            "std": stdev(own) if len(own) > 1 else None,
            "units": len(own),
            "diverged": len(setting.diverged[name]),
        }
    return {
        "task": setting.task,
        "model": setting.model,
        "metric": setting.metric,
        "lower_is_better": setting.lower_is_better,
        "judged_to_training_rows": setting.ratio,
        "means": means,
    }


def _test(setting: Setting, one: str, other: str) -> UnitTest:
    pairs = setting.pairs(one, other)
    return wilcoxon(pairs) if setting.ratio == 0 and len(pairs) > 1 else corrected_t(pairs, setting.ratio)


def _comparisons(settings: Sequence[Setting], pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Test pairs of strategies in every setting, corrected by Holm as one family."""
    found = [
        (setting, one, other, _test(setting, one, other)) for setting in settings for one, other in pairs
    ]
    corrected = holm([test.p for *_, test in found])
    rows = []
    for (setting, one, other, test), p_holm in zip(found, corrected, strict=True):
        base = fmean(setting.values[other].values()) if setting.values[other] else math.nan
        rows.append({
            "task": setting.task, "model": setting.model, "strategy": one, "against": other, **test.to_json(),
            "relative": test.mean / base if base and math.isfinite(test.mean) else None,
            "mean": test.mean if math.isfinite(test.mean) else None,
            "p_holm": p_holm, "verdict": _verdict(test, p_holm),
        })  # fmt: skip
    return rows


def _verdict(test: UnitTest, p: float) -> str:
    if test.units < CLAIM_UNITS:
        return "too few units"
    if p >= statistics.LEVEL:
        return "no difference supported"
    return "better" if test.mean < 0 else "worse"


def _primary(settings: Sequence[Setting], control: str, others: Sequence[str]) -> list[dict[str, Any]]:
    return _comparisons(settings, [(control, other) for other in others])


def _against_task_loss(settings: Sequence[Setting], strategies: Sequence[str]) -> list[dict[str, Any]]:
    return _comparisons(settings, [(name, TASK_LOSS) for name in strategies])


def _over_tasks(settings: Sequence[Setting], control: str, others: Sequence[str]) -> dict[str, Any]:
    """Compare methods over all settings, by values relative to the task loss's mean in each."""
    relative: dict[str, dict[str, list[float]]] = {}
    for name in (control, *others):
        relative[name] = {}
        for setting in settings:
            base = fmean(setting.values[TASK_LOSS].values()) or 1.0
            relative[name][setting.name] = [value / base for value in setting.values[name].values()]
    whole = {name: each for name, each in relative.items() if each and all(each.values())}
    data: dict[str, Any] = {
        "settings": [setting.name for setting in settings],
        "methods": {},
        "against_control": [],
    }
    for name, each in whole.items():
        low, high = statistics.stratified_interval(
            each,
            lambda drawn: statistics.interquartile_mean([v for values in drawn.values() for v in values]),
            {setting.name: setting.ratio for setting in settings},
        )
        data["methods"][name] = {
            "interquartile_mean": statistics.interquartile_mean(
                [v for values in each.values() for v in values]
            ),
            "ci95": [low, high],
            "means": {setting: fmean(values) for setting, values in each.items()},
        }
    if control not in whole or len(settings) < 2:
        return data
    rivals = [name for name in others if name in whole]
    mine = [fmean(values) for values in whole[control].values()]
    tests = [
        wilcoxon([a - fmean(b) for a, b in zip(mine, whole[name].values(), strict=True)]) for name in rivals
    ]
    for name, test, p_holm in zip(rivals, tests, holm([test.p for test in tests]), strict=True):
        theirs = [fmean(values) for values in whole[name].values()]
        data["against_control"].append({
            "against": name, **test.to_json(), "p_holm": p_holm,
            "bayesian_signed_rank": statistics.bayesian_signed_rank(mine, theirs),
            "probability_of_improvement": statistics.probability_of_improvement(whole[control], whole[name]),
        })  # fmt: skip
    return data


def _taus(settings: Sequence[Setting], records: Sequence[CellRecord]) -> list[dict[str, Any]]:
    """Correlate (Kendall's tau) the fitness that methods choose by with the metric they are judged on, by setting.

    Both are differences from the unit's task loss; the correlation is over the cells of a setting.
    """
    rows = []
    for setting in settings:
        pairs: dict[str, list[tuple[float, float]]] = {"search_fitness": [], "fitness": []}
        for record in records:
            data = record.data
            if record.status != DONE or data is None or (record.cell.task, record.cell.model) != (
                setting.task, setting.model,
            ):  # fmt: skip
                continue
            for key, found in pairs.items():
                usual = data["task_loss_fitness"] if key == "search_fitness" else _best_tried(data)
                if None not in (data[key], usual, data["test"], data["task_loss"]):
                    found.append((data[key] - usual, data["test"] - data["task_loss"]))
        rows.append({
            "task": setting.task, "model": setting.model, "cells": len(pairs["fitness"]),
            **{key: statistics.kendall_tau(*zip(*found, strict=True)) if found else None
               for key, found in pairs.items()},
        })  # fmt: skip
    return rows


def sentences(data: Mapping[str, Any]) -> list[str]:
    """Write the conclusions as sentences; they name no winner that a test does not support."""
    lines = []
    open_ = sum(cell["status"] == "open" for cell in data["cells"])
    failed = [cell for cell in data["cells"] if cell["status"] == "failed"]
    if open_:
        lines.append(f"{open_} of {len(data['cells'])} cells are not finished: what follows is preliminary.")
    if failed:
        lines.append(
            f"{len(failed)} cells failed and are missing from every table; `comparison.json` says why."
        )
    power = data["power"]
    lines += [
        f"{setting['task']}, {setting['model']}: training under {name} diverged in {summary['diverged']} unit(s), "
        f"which count as the worst of their unit."
        for setting in data["settings"]
        for name, summary in setting["means"].items()
        if summary["diverged"]
    ]
    if power["units"] < CLAIM_UNITS:
        lines.append(f"{power['units']} unit(s): a claim needs {CLAIM_UNITS} at least, so none is made.")
    control = data["control"]
    for row in data["primary"]:
        if row["verdict"] in ("better", "worse"):
            low, high = row["ci95"] or (math.nan, math.nan)
            interval = f", 95 % interval {low:+.3g} to {high:+.3g}" if row["ci95"] else ""
            lines.append(
                f"{control} is {row['verdict']} than {row['against']} on {row['task']}, {row['model']}: difference "
                f"{row['mean']:+.3g} (lower is better){interval}, p = {row['p']:.2g}, by Holm {row['p_holm']:.2g}."
            )
    settled = sum(row["verdict"] in ("better", "worse") for row in data["primary"])
    if data["primary"]:
        lines.append(
            f"{settled} of {len(data['primary'])} differences to {control} are supported at {statistics.LEVEL:g}, Holm "
            f"over the whole family. With {power['units']} units Wilcoxon's test cannot go below p = "
            f"{power['smallest_wilcoxon_p']:.2g}, and needs {power['units_needed']} for this family; the corrected t "
            f"test has no such floor. Over {len(data['settings'])} settings the floor is "
            f"{power['smallest_wilcoxon_p_over_tasks']:.2g}, and {power['tasks_needed']} settings are needed."
        )
    return lines
