"""Strategy `gp-lfl`, which evolves expressions whose weights stay 1."""

from __future__ import annotations

from autoloss_gp.evolution import GeneticProgramming


class GPLFL(GeneticProgramming):
    """Genetic programming over symbolic losses without tuning: the ablation of evomal (arXiv 2209.08907)."""

    plugin_api = 1
    default_evaluator = "partial-training"
    tuned = False
