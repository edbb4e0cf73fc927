"""Strategy `evomal`, the default, which evolves expressions with gradient-tuned weights."""

from __future__ import annotations

from autoloss_gp.evolution import GeneticProgramming


class EvoMAL(GeneticProgramming):
    """Genetic programming over symbolic losses with gradient-tuned weights on the nodes (EvoMAL, TPAMI 2023).

    This is the outer loop of Raymond et al., arXiv 2209.08907, with its defaults except for the first
    generation: `initial: random` is theirs. The evaluator tunes the weights.
    """

    plugin_api = 1
    default_evaluator = "bilevel"
