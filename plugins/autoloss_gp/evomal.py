"""Strategy `evomal`, the default: evolved expressions with gradient-tuned weights."""

from __future__ import annotations

from autoloss_gp.evolution import GeneticProgramming


class EvoMAL(GeneticProgramming):
    """Genetic programming over symbolic losses whose node weights the evaluator tunes (Raymond et al., TPAMI 2023).

    The outer loop of EvoMAL, arXiv 2209.08907, with the defaults of the paper; `initial: random` is the paper's start.
    """

    plugin_api = 1
    default_evaluator = "bilevel"
