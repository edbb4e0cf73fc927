"""Style of the figures: colours by role, a plain frame, and one SVG that follows the page's light or dark theme."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1f2328"
"""Colour of text and axes."""
FAINT = "#8b949e"
"""Colour of the background data, such as all candidates."""
LINE = "#d0d7de"
"""Colour of grid lines."""
PAPER = "#ffffff"
"""Background colour of a figure."""

ROLES = {
    "found": "#ee7733",
    "task_loss": "#0077bb",
    "handcrafted": "#009988",
    "task_loss_on_validation": "#33bbee",
    "task_loss_on_both": "#ee3377",
}
"""Colours of the contestants, from Paul Tol's vibrant scheme, which colour-blind people can distinguish."""
MARKERS = {
    "found": "o",
    "task_loss": "s",
    "handcrafted": "^",
    "task_loss_on_validation": "v",
    "task_loss_on_both": "X",
}
DASHES = {"found": "-", "task_loss": "--", "handcrafted": "-."}
STACK = (FAINT, "#88ccee", "#ddcc77", "#cc6677", "#aa4499", "#44aa99", "#999933", "#6699cc")
"""Colours of stacked parts, from his muted scheme; the first is for trained candidates."""

_WIDTH = 5.8
_PAGE_COLOURS = {
    INK: "currentColor",
    LINE: "var(--line)",
    PAPER: "var(--card)",
    ROLES["task_loss"]: "var(--task)",
}


@dataclass(frozen=True)
class Drawing:
    """A finished figure.

    Args:
        name: stem of its files' names.
        title: short title of the figure.
        caption: how to read it, and its limitations.
        svg: a whole SVG file on white.
        png: the same figure as PNG.
    """

    name: str
    title: str
    caption: str
    svg: str
    png: bytes

    @property
    def inline(self) -> str:
        """Return the SVG as an element of the page, in the page's own colours and with unique ids."""
        return inline(self.svg, self.name, self.title)


@contextmanager
def applied(name: str) -> Iterator[None]:
    """Apply this style within the block; global settings are restored.

    Args:
        name: the figure's name, from which ids in the SVG are derived, so that they are the same whenever it is drawn.
    """
    settings: Any = {
        "svg.hashsalt": name,
        "svg.fonttype": "path",
        "font.family": "DejaVu Sans",
        "font.size": 9.5,
        "mathtext.fontset": "cm",
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "axes.titlesize": 9.5,
        "axes.titlelocation": "left",
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "grid.color": LINE,
        "grid.linewidth": 0.6,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "legend.handlelength": 1.8,
        "lines.linewidth": 1.8,
        "figure.facecolor": PAPER,
        "axes.facecolor": "none",
        "savefig.facecolor": PAPER,
    }
    with mpl.rc_context(settings):
        yield


def new_figure(height: float = 3.4, width: float = _WIDTH) -> Figure:
    """Make an empty figure; sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def legend_above(figure: Figure, axes: Axes, columns: int = 3) -> None:
    """Put a legend outside of the axes, where it hides no data."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=columns, columnspacing=1.4, borderaxespad=0.2
    )


def finish(figure: Figure, name: str, title: str, caption: str) -> Drawing:
    """Render a figure as SVG and PNG."""
    text, picture = io.StringIO(), io.BytesIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    # The layout is computed; computing it again for the PNG would double the time.
    figure.set_layout_engine("none")
    figure.savefig(picture, format="png", dpi=150)
    return Drawing(name, title, caption, text.getvalue(), picture.getvalue())


def inline(svg: str, name: str, title: str, *, natural_size: bool = False) -> str:
    """Convert an SVG file to an element of an HTML page.

    Args:
        svg: as matplotlib writes it.
        name: prefix of every id, as ids are shared by the whole page.
        title: text for screen readers.
        natural_size: keep the size rather than fill the available width.
    """
    element = svg[svg.index("<svg") :]
    element = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', element)
    element = re.sub(r'(href="#|url\(#)', rf"\1{name}-", element)
    for colour, ours in _PAGE_COLOURS.items():
        element = element.replace(colour, ours)
    head, rest = element.split(">", 1)
    if not natural_size:
        head = re.sub(r'\s(?:width|height)="[^"]*"', "", head)
    label = title.replace("&", "&amp;").replace('"', "&quot;")
    return f'{head} role="img" aria-label="{label}">{rest}'
