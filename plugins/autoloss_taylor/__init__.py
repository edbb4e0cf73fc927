"""Strategy `taylorglo`, which finds the parameters of losses that are Taylor polynomials by CMA-ES."""
