"""Write `report.html` and `figures/` into a run directory."""

from __future__ import annotations

from pathlib import Path

from automl_loss.record.atomic import replace_text, writing


def write_report(directory: Path, *, trust: bool = False) -> Path:
    """Draw the figures of a run and write its report, in place of an earlier one.

    Only the run directory is read, and only `report.html` and `figures/` in it are changed. A run that is going
    on or was interrupted gives a report of its record so far. A landscape that `autoloss landscape` drew is shown,
    too.

    Args:
        directory: the run directory.
        trust: whether a primitive set may be imported that the run's recipe names by path, though the run was not
            started here. Otherwise the report of such a run shows its losses as text.

    Returns:
        The path of `report.html`.

    Raises:
        AutolossError: it is no run directory, one of its files is broken, or the report cannot be written.
    """
    from automl_loss.after.landscape import FILE, read_landscape
    from automl_loss.report.figures import draw_figures
    from automl_loss.report.landscape import draw_landscape
    from automl_loss.report.page import render_page
    from automl_loss.report.run_view import RunView

    directory = Path(directory)
    run = RunView.read(directory, trust=trust)
    drawings = draw_figures(run)
    folder = run.paths.figures
    with writing(folder):
        folder.mkdir(exist_ok=True)
        for drawing in drawings:
            (folder / f"{drawing.name}.png").write_bytes(drawing.png)
            (folder / f"{drawing.name}.svg").write_text(drawing.svg, encoding="utf-8")
    if (run.paths.landscape / FILE).exists():
        drawings += draw_landscape(read_landscape(directory))
    page = run.paths.report
    replace_text(page, render_page(run, drawings))
    return page
