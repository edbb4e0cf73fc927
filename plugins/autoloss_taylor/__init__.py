"""Strategy `taylorglo`: losses as Taylor polynomials, their parameters found by CMA-ES."""
