"""Strategy `ml3`, whose loss is a small network, learned by tuning alone."""
