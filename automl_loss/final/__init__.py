"""Training runs outside the generations of a search: learning rates, finalists, retraining, and the verdict.

`lane_runs` trains lanes on the executor and records them; `learning_rate`, `finalists` and `retraining` say which
lanes; `statistics`, `verdict` and `result` say what came of them. Import from the modules: they load torch.
"""
