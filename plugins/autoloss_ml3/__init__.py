"""Strategy `ml3`: the loss is a small network, and tuning finds all of it."""
