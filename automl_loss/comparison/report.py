"""Write the results of a comparison: `comparison.json`, `.csv`, `.tex`, `.md`, figures, and an HTML page."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automl_loss.comparison.analysis import analyse, settings_of
from automl_loss.comparison.cell import CellRecord, read_cell
from automl_loss.comparison.recipe import Comparison, load_comparison
from automl_loss.comparison.tables import to_csv, to_latex, to_markdown
from automl_loss.recipe import recipe_data
from automl_loss.record.atomic import replace_text, writing
from automl_loss.record.run_directory import CELLS, RunPaths
from automl_loss.record.trust import require_trust

_TEMPLATE = Path(__file__).parent / "templates" / "comparison.html"


def write_comparison_anew(directory: Path, *, trust: bool = False) -> Path:
    """Analyse the finished cells of a comparison's directory again, also of one that is running or was interrupted.

    Args:
        directory: of the comparison.
        trust: whether code that its recipe names may run, though the comparison was not started here.

    Returns:
        The path of its `report.html`.

    Raises:
        RecipeError: its recipe names code that is not trusted.
        AutolossError: it is not a comparison's directory, or its recipe or a cell cannot be read.
    """
    recipe = RunPaths(directory).recipe
    require_trust(directory, recipe_data(recipe), trust=trust)
    comparison = load_comparison(recipe)
    records = [read_cell(cell, directory / CELLS) for cell in comparison.cells]
    write_comparison(comparison, records, directory)
    return RunPaths(directory).report


def write_comparison(comparison: Comparison, records: Sequence[CellRecord], folder: Path) -> dict[str, Any]:
    """Analyse the finished cells and write all files; return the content of `comparison.json`."""
    from jinja2 import Environment, StrictUndefined

    from automl_loss.comparison.figures import draw

    data = analyse(comparison, records)
    images = []
    with writing(folder):
        RunPaths(folder).figures.mkdir(exist_ok=True)
    for name, figure, caption in draw(data, settings_of(comparison, records), records):
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=130)
        file = RunPaths(folder).figures / f"{name}.png"
        with writing(file):
            file.write_bytes(stream.getvalue())
        images.append((name, caption, base64.b64encode(stream.getvalue()).decode()))
    replace_text(folder / "comparison.json", json.dumps(data, indent=2, allow_nan=False) + "\n")
    replace_text(folder / "comparison.csv", to_csv(data))
    replace_text(folder / "comparison.tex", to_latex(data))
    replace_text(folder / "comparison.md", to_markdown(data))
    tests = [
        (f"Primary family: {data['control']} against the others", data["primary"],
         "Fixed beforehand; p-values by Holm over the whole family. Differences: lower is better."),
        ("Exploratory: every strategy against the task loss", data["exploratory"],
         "The task loss at its own best rate, early-stopped; a family of its own."),
    ]  # fmt: skip
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        _TEMPLATE.read_text(encoding="utf-8")
    )
    text = page.render(
        data=data,
        names=list(data["settings"][0]["means"]) if data["settings"] else [],
        tests=tests,
        figures=images,
        faults=[cell for cell in data["cells"] if cell["status"] in ("failed", "no_candidate")],
    )
    replace_text(RunPaths(folder).report, text)
    return data
