"""What a run keeps on disk: its directory, the ledger, chunk records, leaderboard, and readers of all of them.

Import what is needed from the modules: `ledger` and `study` load optuna.
"""
