"""The search: ask -> filter -> evaluate -> record -> tell, then the final round and retraining.

`run` drives it, in a `run_directory`; `loop` is the search proper, over `filters` and `recorded_map`; `ledger` (on
`study` and `journal`) records; `lanes`, `learning_rate`, `finalists` and `retraining` train what is chosen; `verdict`
and `result` say what came of it. Import what is needed from the modules: they load torch and optuna.
"""
