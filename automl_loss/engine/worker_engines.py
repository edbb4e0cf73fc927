"""Keep the engines of a worker process, so that each is made once and not with every chunk that is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_loss.engine.settings import TrainingSettings

if TYPE_CHECKING:
    from automl_loss.engine.engine import Engine
    from automl_loss.engine.engine_spec import EngineSpec


class WorkerEngines:
    """As many engines as a run has: one for each task, and for each setting of training that the run uses.

    A worker that is handed an engine of another run forgets the earlier run's.
    """

    def __init__(self) -> None:
        self._run = ""
        self._engines: dict[tuple[str, TrainingSettings], Engine] = {}

    def get(self, spec: EngineSpec, token: str) -> Engine:
        """The engine of a token under the settings of `spec`; engines of one token share their data.

        Args:
            spec: what the engine is made from.
            token: tells the run's engines apart by their data and network.
        """
        from automl_loss.engine.engine import Engine

        if spec.run != self._run:
            self._run, self._engines = spec.run, {}
        key = (token, spec.training)
        if key not in self._engines:
            same_data = next((engine for (other, _), engine in self._engines.items() if other == token), None)
            if same_data is None:
                self._engines[key] = Engine(spec, token)
            else:
                self._engines[key] = same_data.with_training(**dict(spec.training))
        return self._engines[key]


_HERE = WorkerEngines()


def engine_here(spec: EngineSpec, token: str) -> Engine:
    """The engine of a token in this process."""
    return _HERE.get(spec, token)
