"""The engine: trains many candidates at once.

`Engine` is what evaluators use. Below it: `network` (flat parameters, one or many networks), `population` (losses on
raw outputs) over `kernels` (their derivatives), `training`, `optimizers`, `metagradient` and `tuning`, `probes` (scale
matching, filters' measurements), `states`, `data`, `metrics`, `corruption`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_loss.engine.engine import Engine as Engine
    from automl_loss.engine.source import EngineSource as EngineSource
    from automl_loss.engine.training import Trained as Trained

__all__ = ["Engine", "EngineSource", "Trained"]


def __getattr__(name: str) -> Any:
    """Load torch only when the engine is used."""
    if name in ("Engine", "EngineSource"):
        from automl_loss.engine import engine

        return getattr(engine, name)
    if name == "Trained":
        from automl_loss.engine.training import Trained

        return Trained
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
