"""Write a comparison as CSV, LaTeX and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_COLUMNS = (
    *(
        "task",
        "model",
        "seed",
        "strategy",
        "status",
        "test",
        "validation",
        "last",
        "task_loss",
        "fitness",
        "search_fitness",
    ),
    *("lr", "candidates", "evaluated", "steps", "seconds", "expression", "message"),
)
_ESCAPES = {"\\": r"\textbackslash{}", **{character: f"\\{character}" for character in "_%&#${}"}}


def to_csv(data: Mapping[str, Any]) -> str:
    """Write one line for each cell."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(data["cells"])
    return stream.getvalue()


def to_latex(data: Mapping[str, Any]) -> str:
    """Write mean and standard deviation over units; differences that the primary family supports are marked."""
    settings: Sequence[Mapping[str, Any]] = data["settings"]
    names = list(settings[0]["means"]) if settings else []
    lines = [
        "% needs booktabs",
        rf"\begin{{tabular}}{{ll{'r' * len(names)}}}",
        r"\toprule",
        " & ".join(["task", "metric", *map(_escaped, names)]) + r" \\",
        r"\midrule",
    ]
    for setting in settings:
        cells = [_escaped(f"{setting['task']}, {setting['model']}"), _escaped(setting["metric"])]
        cells += [_cell(setting["means"][name], _mark(data, setting, name)) for name in names]
        lines.append(" & ".join(cells) + r" \\")
    control = _escaped(data["control"])
    note = (
        rf"\multicolumn{{{2 + len(names)}}}{{l}}{{\footnotesize $-$, $+$: worse, better than {control} "
        rf"(p by Holm $<$ 0.05); no mark: no difference supported.}} \\"
    )
    return "\n".join([*lines, r"\bottomrule", note, r"\end{tabular}", ""])


def to_markdown(data: Mapping[str, Any]) -> str:
    """Write conclusions, means over units, both families of tests, results over all settings, and Kendall's tau."""
    settings: Sequence[Mapping[str, Any]] = data["settings"]
    names = list(settings[0]["means"]) if settings else []
    means = [
        [f"{s['task']}, {s['model']}", s["metric"], *(_plain(s["means"][name]) for name in names)]
        for s in settings
    ]
    head = (
        "task, model",
        "strategy",
        "against",
        "difference",
        "95 % interval",
        "p",
        "p by Holm",
        "units",
        "verdict",
    )
    parts = [
        f"# {data['name']}",
        "\n".join(f"- {line}" for line in data["sentences"]),
        f"## {data['judge'].capitalize()} metric, mean ± standard deviation over units",
        _grid(["task, model", "metric", *names], means),
        f"## Primary family: {data['control']} against the others, Holm over the family",
        _grid(head, map(_test_row, data["primary"])),
        "## Exploratory: every strategy against the task loss",
        _grid(head, map(_test_row, data["exploratory"])),
        "## Over settings: metric relative to the task loss's",
        _grid(
            ["strategy", "interquartile mean", "95 % interval"],
            map(_over_row, data["over_tasks"]["methods"].items()),
        ),
        _grid(
            ["against", "p", "p by Holm", "better", "equal", "worse", "probability of improvement"],
            map(_rival_row, data["over_tasks"]["against_control"]),
        ),
        "## Kendall's tau with the judged metric, over cells",
        _grid(
            ["task, model", "cells", "search's fitness", "final round's"], map(_tau_row, data["kendall_tau"])
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(summary: Mapping[str, Any]) -> str:
    if summary["mean"] is None:
        return "–"
    return f"{summary['mean']:.4g}" + ("" if summary["std"] is None else f" ± {summary['std']:.2g}")


def _test_row(row: Mapping[str, Any]) -> list[str]:
    interval = "–" if row["ci95"] is None else f"{row['ci95'][0]:+.3g} to {row['ci95'][1]:+.3g}"
    difference = "–" if row["mean"] is None else f"{row['mean']:+.3g}"
    return [
        f"{row['task']}, {row['model']}", row["strategy"], row["against"], difference, interval,
        f"{row['p']:.2g}", f"{row['p_holm']:.2g}", str(row["units"]), row["verdict"],
    ]  # fmt: skip


def _over_row(item: tuple[str, Mapping[str, Any]]) -> list[str]:
    name, method = item
    low, high = method["ci95"]
    return [name, f"{method['interquartile_mean']:.3f}", f"{low:.3f} to {high:.3f}"]


def _rival_row(row: Mapping[str, Any]) -> list[str]:
    chances = (f"{row['bayesian_signed_rank'][key]:.3g}" for key in ("better", "equal", "worse"))
    return [row["against"], f"{row['p']:.2g}", f"{row['p_holm']:.2g}", *chances,
            f"{row['probability_of_improvement']:.2f}"]  # fmt: skip


def _tau_row(row: Mapping[str, Any]) -> list[str]:
    taus = ("–" if row[key] is None else f"{row[key]:.2f}" for key in ("search_fitness", "fitness"))
    return [f"{row['task']}, {row['model']}", str(row["cells"]), *taus]


def _mark(data: Mapping[str, Any], setting: Mapping[str, Any], name: str) -> str:
    for row in data["primary"]:
        if (row["task"], row["model"], row["against"]) == (setting["task"], setting["model"], name):
            return {"better": "$^{-}$", "worse": "$^{+}$"}.get(row["verdict"], "")
    return ""


def _cell(summary: Mapping[str, Any], mark: str) -> str:
    if summary["mean"] is None:
        return "--"
    spread = "" if summary["std"] is None else rf" $\pm$ {summary['std']:.2g}"
    return f"{summary['mean']:.4g}{spread}{mark}"


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)
