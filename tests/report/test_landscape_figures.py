from __future__ import annotations

import copy
import struct
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl_loss.report.landscape import draw_landscape, write_landscape_figures


def bowl(height: float, size: int = 7) -> list[list[float | None]]:
    axis = np.linspace(-1, 1, size)
    return [[float(height * (a * a + b * b)) for b in axis] for a in axis]


def network(loss: str, height: float) -> dict[str, Any]:
    rise = {"values": [0.1, 0.2], "mean": 0.15, "std": 0.07, "rise": [[0.05, 0.15], [0.1, 0.3]]}
    surfaces = dict.fromkeys(("training_loss", "validation_task_loss", "validation_metric"), bowl(height))
    return {
        "loss": loss,
        "surfaces": surfaces,
        "flatness": {"radii": [0.25, 0.5], "validation_task_loss": rise, "validation_metric": rise},
    }


@pytest.fixture
def data() -> dict[str, Any]:
    return {
        "metric": "error",
        "lower_is_better": True,
        "rows": {"training": 100, "validation": 36},
        "parameters": 42,
        "settings": {"directions": 3, "seeds": 2, "radius": 0.5},
        "axis": np.linspace(-1, 1, 7).tolist(),
        "networks": {"found": network("abs(sub(f, y))", 1.0), "task_loss": network("cross_entropy", 2.0)},
    }


def test_each_figure_is_written_as_png_and_svg(data: dict[str, Any], tmp_path: Path) -> None:
    files = write_landscape_figures(tmp_path, data)
    assert [file.name for file in files] == ["surfaces.png", "flatness.png"]
    for file in files:
        head = file.read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert min(struct.unpack(">II", head[16:24])) > 400
        ElementTree.parse(file.with_suffix(".svg"))
    assert sorted(file.name for file in (tmp_path / "landscape").iterdir()) == [
        "flatness.png", "flatness.svg", "surfaces.png", "surfaces.svg",
    ]  # fmt: skip


def test_the_same_data_give_the_same_files(data: dict[str, Any]) -> None:
    first, second = draw_landscape(data), draw_landscape(data)
    assert [(one.svg, one.png) for one in first] == [(one.svg, one.png) for one in second]


def test_captions_say_what_was_measured_and_what_it_cannot_tell(data: dict[str, Any]) -> None:
    surfaces, flatness = draw_landscape(data)
    assert "never test rows" in surfaces.caption
    assert "found loss 0.15 ± 0.07, task loss 0.15 ± 0.07" in flatness.caption
    assert "by conjecture only" in flatness.caption


@pytest.mark.parametrize("part", ["a corner", "all", "constant"])
@pytest.mark.parametrize("metric", ["error", "macro_f1", "mse"])
def test_surfaces_that_are_not_finite_or_level_are_drawn_without_a_warning(
    data: dict[str, Any], part: str, metric: str
) -> None:
    spoiled = copy.deepcopy({**data, "metric": metric, "lower_is_better": metric != "macro_f1"})
    for quantity in ("training_loss", "validation_task_loss", "validation_metric"):
        surface: list[list[float | None]] = bowl(1.0)
        if part == "a corner":
            surface[0][0] = None
        else:
            surface = [[None if part == "all" else 0.25] * 7 for _ in range(7)]
        spoiled["networks"]["found"]["surfaces"] = {
            **spoiled["networks"]["found"]["surfaces"],
            quantity: surface,
        }
    spoiled["networks"]["found"]["flatness"]["validation_task_loss"] = {
        "values": [None, None], "mean": None, "std": None, "rise": [[0.1, None], [0.1, 0.2]],
    }  # fmt: skip
    drawings = draw_landscape(spoiled)
    assert [drawing.name for drawing in drawings] == ["surfaces", "flatness"]
    assert "found loss not finite" in drawings[1].caption
