"""Evaluate and differentiate base networks with flat parameters, one or many at once; the user's modules, too."""
