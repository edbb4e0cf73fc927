"""The search: ask -> filter -> evaluate -> record -> tell.

`run` drives a whole run, `loop` is the search proper over `filters`, `budget`, `guard` and `racing`; `cost` estimates
what a recipe would spend. Import what is needed from the modules: they load torch and optuna.
"""
