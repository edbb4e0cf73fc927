"""Training base networks: lanes, the loop, optimisers, the stopping rule, paused runs."""
