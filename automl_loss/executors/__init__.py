"""Where chunks of work run: the executor `local`, and adapters to other engines."""
