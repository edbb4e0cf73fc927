"""Define the recipe sections that belong to no plugin: their keys, types, bounds and defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from automl_loss.engine.settings import StopRule, TrainingSettings, TuningSettings
from automl_loss.plugins.discovery import PluginKind
from automl_loss.plugins.import_path import local_problem

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Section(BaseModel):
    """Base of every section: frozen, strict types, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FilterSettings(Section):
    """Which candidates are not worth training. Cheap ones first; the same for every strategy."""

    equivalence: bool = Field(True, description="a candidate with a known canonical key shares that outcome")
    gradient: bool = Field(True, description="reject a zero or non-finite gradient at the initial network")
    rejection: bool = Field(True, description="reject losses that cannot improve free outputs on 100 samples")
    gradient_equivalence: bool = Field(
        True, description="a candidate whose gradients equal an earlier one's shares that outcome"
    )
    rejection_steps: PositiveInt | None = Field(
        None, description="optimisation steps of the rejection filter; null: 100, for regression 1000"
    )
    rejection_threshold: Finite = Field(0.0, description="improvement of the metric that is asked for")
    after_tuning: bool = Field(False, description="run the rejection filter again on tuned losses")


class Budget(Section):
    """What a search may spend."""

    candidates: PositiveInt = Field(
        500, description="candidates that are tuned or trained; filtered ones are free"
    )
    minutes: PositiveFloat | None = Field(
        None, description="wall time of the whole run, over resumptions; null: no limit"
    )


class Finalists(Section):
    """The best few, trained again on fresh seeds beside the best handcrafted loss."""

    count: PositiveInt = 5
    handcrafted: NonNegativeInt = Field(
        3, description="handcrafted losses among them, the best by one run each; 0 leaves that round out"
    )
    seeds: PositiveInt = 3
    redraw: bool = Field(
        False,
        description="draw training and validation rows anew for each seed: the search has chosen on the old ones",
    )
    steps: PositiveInt = 2000
    lr_factors: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = Field(
        (0.33, 1.0, 3.0, 10.0),
        min_length=1,
        description="each finalist is judged at its best multiple of the lr",
    )


class Retraining(Section):
    """The full training from scratch whose result is judged on the test split."""

    seeds: PositiveInt = 10
    steps: PositiveInt = 2000
    lr: Literal["auto"] | PositiveFloat = Field(
        "auto", description="auto: the found loss and the task loss each at their best rate on validation"
    )
    milestones: tuple[Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)], ...] | None = Field(
        None,
        description="fractions of the steps where lr is multiplied by `training.gamma`; null: training's",
    )


class ExecutorOptions(Section):
    """Options that every executor has, beside the plugin's own."""

    chunk: PositiveInt | None = Field(
        None, description="candidates computed and recorded as one; null: by width"
    )
    threads: PositiveInt = Field(1, le=1024, description="torch threads of each worker")
    timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None,
        description="seconds that one candidate or training run may take, and a strategy's ask or tell; null: no limit",
    )


class LocalPlugin(Section):
    """A plugin from a file or module, without packaging."""

    kind: PluginKind
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="the name recipes use")
    path: str = Field(
        description="./mine.py:Mine or package.module:Mine", json_schema_extra={"pattern": "^.+:[^:]+$"}
    )

    @field_validator("path")
    @classmethod
    def _names_a_class(cls, path: str) -> str:
        problem = local_problem(path)
        if problem:
            raise ValueError(problem)
        return path


class General(Section):
    """All of a recipe but its plugin sections."""

    name: str = Field(
        "run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100, description="the run directory's name"
    )
    seed: NonNegativeInt = Field(
        0, lt=2**63, description="every random number follows from it, the split too"
    )
    filters: FilterSettings = FilterSettings()
    tuning: TuningSettings = TuningSettings()
    training: TrainingSettings = TrainingSettings()
    stop: StopRule = Field("best_validation", description="one rule for every method and stage")
    budget: Budget = Budget()
    finalists: Finalists = Finalists()
    retraining: Retraining = Retraining()
    storage: str | None = Field(
        None, pattern="://", description="an Optuna storage URL; null: a file in the run directory"
    )
    folder: str | None = Field(
        None, description="where relative paths and the user's own modules start; null: where the recipe lies"
    )
    plugins: tuple[LocalPlugin, ...] = Field((), description="local plugins")
    requires: tuple[str, ...] = Field((), description="packages that must be installed, as in `name>=1.2`")
    device: str = Field(
        "cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="torch device: cpu, cuda or cuda:1"
    )
