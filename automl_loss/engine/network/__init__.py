"""Base networks: flat parameters, one or many networks at once, the user's own modules."""
