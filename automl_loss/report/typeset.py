"""Typeset a formula as SVG, where matplotlib's mathtext supports it."""

from __future__ import annotations

import io
import re

from matplotlib.figure import Figure

from automl_loss.losses import Loss
from automl_loss.report.style import applied, inline

_LINE = 62
"""Characters of LaTeX after which a sum continues on the next line."""

_LONGEST = 3_000
"""Characters of LaTeX up to which a formula is typeset."""

_DEEPEST = 26
"""Open brackets up to which a formula is typeset: mathtext takes about 25 nested calls for each."""

_DEEPER = ("{", r"\left")
_HIGHER = ("}", r"\right")


def typeset(loss: Loss) -> str | None:
    """Return the loss as an SVG element, or `None` when it has no LaTeX, or mathtext cannot typeset it.

    Mathtext supports a part of LaTeX, and only formulas of some length and depth.
    """
    latex = loss.latex
    if latex is None or len(latex) > _LONGEST or depth(latex) > _DEEPEST:
        return None
    head = "L(y, f) = " if loss.space == "prediction" else "L = "
    first, *rest = break_sum(latex)
    lines = [f"${head}{_spaced(first)}$", *(rf"$\qquad {_spaced(line)}$" for line in rest)]
    try:
        with applied("formula"):
            svg = _render("\n".join(lines))
    except (ValueError, RecursionError):
        # The page shows the plain formula.
        return None
    return inline(svg, "formula", "the loss as a formula", natural_size=True)


def depth(latex: str) -> int:
    r"""Return how many brackets are open at once, of braces and of `\left` but for bars.

    Example:
        >>> depth(r"\sqrt{1 + \left(y - f\right)^{2}}")
        2
    """
    deepest = open_ = 0
    for mark in re.findall(r"\\left(?!\|)|\\right(?!\|)|[{}]", latex):
        open_ += 1 if mark in _DEEPER else -1
        deepest = max(deepest, open_)
    return deepest


def break_sum(latex: str) -> list[str]:
    """Break a long sum at its outermost plus and minus signs.

    Example:
        >>> break_sum("a + b")
        ['a + b']
    """
    terms, open_, start = [], 0, 0
    for place, sign in enumerate(latex):
        open_ += any(latex.startswith(mark, place) for mark in _DEEPER)
        open_ -= any(latex.startswith(mark, place) for mark in _HIGHER)
        if open_ == 0 and sign in "+-" and latex[start:place].strip():
            terms.append(latex[start:place])
            start = place
    terms.append(latex[start:])
    lines = [""]
    for term in terms:
        if lines[-1] and len(lines[-1]) + len(term) > _LINE:
            lines.append("")
        lines[-1] += term
    return [line.strip() for line in lines]


def _spaced(latex: str) -> str:
    """Add the space before a function and the full height of bars, which LaTeX adds itself and mathtext does not."""
    latex = re.sub(r"(?<=\w )(\\log|\\tanh|\\min|\\max|\\operatorname)", r"\\,\1", latex)
    return latex.replace(r"\left|", "|").replace(r"\right|", "|")


def _render(text: str) -> str:
    figure = Figure(figsize=(0.1, 0.1))
    figure.text(0.0, 0.0, text, fontsize=14, linespacing=1.7)
    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", bbox_inches="tight", pad_inches=0.05, metadata=metadata)
    return buffer.getvalue()
