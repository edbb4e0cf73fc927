"""Genetic programming over symbolic losses: strategies evomal, gp-lfl and random, primitive set evomal."""
