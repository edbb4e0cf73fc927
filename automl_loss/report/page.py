"""Render the page: collect the template's values from a run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from automl_loss.losses import SymbolicLoss, formula
from automl_loss.plugins.outcome import Status
from automl_loss.report.names import ROLE_NAMES
from automl_loss.report.run_view import RunView
from automl_loss.report.style import ROLES, Drawing
from automl_loss.report.typeset import typeset

_LEADERS = 10
_LEVEL = 0.05

_MEANING = {
    "multiclass": "f is the softmax probability of a class, y is 1 for the true class and else 0; L is summed over "
    "the classes.",
    "binary": "f is the sigmoid of the raw output, y is the target, 0 or 1.",
    "regression": "f is the output and y the target, both standardised; L is summed over the outputs.",
}
_RAW_MEANING = {
    "multiclass": "p is the softmax probability of the true class.",
    "binary": "p is the probability of the true class.",
    "regression": "r = f − y, both standardised; L is summed over the outputs.",
}


@dataclass(frozen=True)
class Row:
    """A contestant in the table of the comparison; all cells but the colour are text."""

    role: str
    loss: str
    colour: str
    test: str
    last: str
    lr: str
    difference: str
    interval: str
    p: str


def render_page(run: RunView, drawings: Sequence[Drawing]) -> str:
    """Render the report as one HTML file, which loads no other file."""
    environment = Environment(
        loader=PackageLoader("automl_loss.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    result, loss = run.result, run.loss
    return environment.get_template("report.html.j2").render(
        run=run,
        unit=run.unit,
        facts=_facts(run),
        verdict=_verdict(run),
        good=_beats(run),
        warning=_last_step_warning(run) if _beats(run) else None,
        formula=None if loss is None else typeset(loss),
        too_large=isinstance(loss, SymbolicLoss),
        plain_formula=None if loss is None else formula(loss),
        meaning=_meaning(run),
        rows=[_row(run, role, entry) for role, entry in run.contestants().items()],
        own_rates=any(entry["lr_tried"] for entry in run.contestants().values()),
        test_method=None if result is None else result["test"]["difference"]["test"],
        statuses=_statuses(run),
        leaders=run.ranked[:_LEADERS],
        drawings=drawings,
        versions={} if result is None else result["versions"],
    )


def _verdict(run: RunView) -> str:
    if run.result is not None:
        return str(run.result["test"]["verdict"])
    if not run.trials:
        return "No result yet: the run has not finished its first generation."
    best = (
        f" Best so far in the search: {run.ranked[0].expression}."
        if run.ranked
        else " No candidate has trained yet."
    )
    return f"No result yet: the run is going on, or was interrupted before its final comparison.{best}"


def _facts(run: RunView) -> dict[str, str]:
    """Return the names of the run's task, model, strategy and evaluator, and its seed."""
    labels = {}
    for section in ("task", "model", "strategy", "evaluator"):
        chosen = run.recipe.get(section) or {}
        labels[section] = str(chosen.get("name") or chosen.get("import") or "–")
    return {**labels, "seed": str(run.recipe.get("seed", "–"))}


def _meaning(run: RunView) -> str:
    if run.loss is None or run.problem is None:
        return ""
    meaning = _MEANING if run.loss.space == "prediction" else _RAW_MEANING
    scaled = "" if run.loss.scale == 1.0 else f" The scale {run.loss.scale:.4g} multiplies it."
    return f"{meaning[run.problem.kind]}{scaled}"


def _beats(run: RunView) -> bool:
    """Return whether the test supports that the returned loss is better than the task loss."""
    difference = None if run.result is None else run.result["test"]["difference"]
    if difference is None or difference["mean"] is None or difference["p_value"] >= _LEVEL:
        return False
    return bool((difference["mean"] < 0) == run.lower_is_better)


def _last_step_warning(run: RunView) -> str | None:
    """Return a warning if the loss is worse than the task loss at the last step of training; else `None`."""
    if run.result is None:
        return None
    last, unit = run.result["test"]["last_step"], run.unit
    difference = last["difference"]
    if difference["mean"] is None or difference["p_value"] >= _LEVEL:
        return None
    if (difference["mean"] < 0) == run.lower_is_better:
        return None
    return (
        f"This needs the stopping rule: at the last step the loss is worse than the task loss, "
        f"{unit.summary(last['learned'])} against {unit.summary(last['task_loss'])}. Stop at the best validation, "
        f"as the run did, or train for fewer steps."
    )


def _row(run: RunView, role: str, entry: Mapping[str, Any]) -> Row:
    unit, difference = run.unit, entry.get("difference")
    cells = {"difference": "–", "interval": "–", "p": "–"}
    if difference is not None and difference["mean"] is not None:
        low, high = difference["ci95"]
        cells = {
            "difference": unit.change(difference["mean"]),
            "interval": unit.interval(low, high),
            "p": f"{difference['p_value']:.2g}",
        }
    return Row(
        role=ROLE_NAMES[role],
        loss=entry["loss"],
        colour="var(--task)" if role == "task_loss" else ROLES[role],
        test=unit.summary(entry),
        last=unit.summary(entry["last_step"]),
        lr="per task" if entry["lr"] is None else f"{entry['lr']:.3g}",
        **cells,
    )


def _statuses(run: RunView) -> list[tuple[str, int, Markup]]:
    """Return name, number of candidates and advice of each status that occurred."""
    counts = Counter(trial.status for trial in run.candidates)
    return [
        (status.value, counts[status.value], _code(status.advice))
        for status in Status
        if counts[status.value]
    ]


def _code(text: str) -> Markup:
    """Convert text to HTML, with parts in backticks set as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
