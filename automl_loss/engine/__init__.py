"""The engine: trains many candidates at once.

`engine` is what evaluators use, and `several_tasks` the same for several tasks; both keep the protocol
`automl_loss.TrainingEngine`. Rooms: `data`, `network`, `training`, `tuning`, `kernels`, `metrics`. `population` is
losses on raw outputs, over the kernels; `scale_matching` and `filter_measurements` look at losses without training.
"""
