"""A comparison as CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
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
    """One line a cell."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(data["cells"])
    return stream.getvalue()


def to_latex(data: Mapping[str, Any]) -> str:
    """Mean and standard deviation over units; what the primary family supports is marked against the control."""
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
