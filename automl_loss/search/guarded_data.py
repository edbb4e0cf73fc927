"""Tasks and models under guard: what they raise, give amiss or change of the process is told as theirs, and early."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from automl_loss.losses.problem import Problem
from automl_loss.plugins.model import ModelFactory
from automl_loss.plugins.process_state import TORCH_RANDOM
from automl_loss.plugins.task import Split, Splits, Task
from automl_loss.search.identity import Identity, short
from automl_loss.search.numbers import Refused
from automl_loss.search.split_check import NotFinite, checked_problem, checked_split

if TYPE_CHECKING:
    from torch import nn


class GuardedTask(Task):
    """A task whose problem and rows are checked whenever it gives them.

    Rows must be the same whenever they are given for a seed: worker processes ask for their own.

    Args:
        identity: who it is.
        task: makes it.

    Raises:
        PluginError: it cannot be made.
    """

    def __init__(self, identity: Identity, task: Callable[[], Task]) -> None:
        self.identity = identity
        with identity.guard("set-up"):
            self._task = task()
        super().__init__(self._task.config)
        self.folder = self._task.folder
        self.drawn_afresh = bool(self._task.drawn_afresh)  # type: ignore[misc]  # of this task alone
        self._given: dict[tuple[str, int], int] = {}
        self._notices: list[str] = []

    def problem(self) -> Problem:
        """See `Task.problem`.

        Raises:
            PluginError: it raised something, or gave no sound problem.
        """
        with self.identity.guard("set-up"):
            found = self._task.problem()
        try:
            return checked_problem(found)
        except Refused as error:
            raise self.identity.refuse(f"gave {error}.") from error

    def splits(self, seed: int) -> Splits:
        """See `Task.splits`.

        Raises:
            PluginError: it raised something, or gave no sound rows.
        """
        with self.identity.guard("set-up"):
            found: Any = self._task.splits(seed)
        if not isinstance(found, Splits):
            raise self.identity.refuse(
                f"gave {short(found)} as its splits; give an automl_loss.Splits(train, validation)."
            )
        train, validation = (
            self._checked(split, part, seed)
            for split, part in ((found.train, "training"), (found.validation, "validation"))
        )
        same = train is found.train and validation is found.validation
        return found if same else Splits(train, validation)

    def test(self, seed: int) -> Split:
        """See `Task.test`.

        Raises:
            PluginError: it raised something, or gave no sound rows.
        """
        with self.identity.guard("the making of its test rows"):
            found = self._task.test(seed)
        return self._checked(found, "test", seed)

    @property
    def exchangeable(self) -> bool:
        """See `Task.exchangeable`."""
        with self.identity.guard("set-up"):
            return bool(self._task.exchangeable)

    def notices(self) -> list[str]:
        """See `Task.notices`.

        Raises:
            PluginError: it raised something, or gave no list of texts.
        """
        with self.identity.guard("set-up"):
            found: Any = self._task.notices()
        if not isinstance(found, list | tuple) or not all(isinstance(text, str) for text in found):
            raise self.identity.refuse(f"gave notices {short(found)}; give a list of sentences.")
        return [*found, *self._notices]

    def _checked(self, split: Any, part: str, seed: int) -> Split:
        problem = self.problem()
        with self.identity.guard("set-up"):
            try:
                sound = checked_split(split, problem, part)
            except NotFinite as error:
                if part != "test":
                    raise self.identity.refuse(f"gave {error}; give finite numbers.") from error
                # No choice depends on test rows: their metric is not finite, and the verdict says on how many.
                self._notices.append(
                    f"task {self.identity.name}: {error}; such rows are part of the verdict."
                )
                sound = error.split
            except Refused as error:
                raise self.identity.refuse(f"gave {error}.") from error
            digest = _digest(sound)
        if self._given.setdefault((part, seed), digest) != digest:
            raise self.identity.refuse(
                f"gave other {part} rows when it was asked again under seed {seed}; draw from "
                f"`automl_loss.generator(seed, ...)` alone, and hand out copies of what it keeps."
            )
        return sound


def _digest(split: Split) -> int:
    """Return a checksum of a split's rows, in their order."""
    x: Any = split.x if isinstance(split.x, np.ndarray) else np.asarray(split.x.stored)
    rows, targets = (np.ascontiguousarray(part).data for part in (x, split.y))
    return zlib.crc32(targets, zlib.crc32(rows))


class GuardedModel(ModelFactory):
    """A model factory whose networks are modules; the engine checks what they compute.

    Args:
        identity: who it is.
        model: makes it.

    Raises:
        PluginError: it cannot be made.
    """

    def __init__(self, identity: Identity, model: Callable[[], ModelFactory]) -> None:
        self.identity = identity
        with identity.guard("set-up"):
            self._model = model()
        super().__init__(self._model.config)

    def build(self, input_shape: tuple[int, ...], output_dim: int) -> nn.Module:
        """See `ModelFactory.build`.

        Raises:
            PluginError: it raised something, or gave no module.
        """
        from torch import nn
        from torch.nn.parameter import is_lazy

        # Networks are made under a seed of torch's generator, which the engine puts back.
        with self.identity.guard("set-up", but=(TORCH_RANDOM,)):
            module: Any = self._model.build(input_shape, output_dim)
        if not isinstance(module, nn.Module):
            raise self.identity.refuse(f"built {short(module)}; `build` must return a torch.nn.Module.")
        lazy = [name for name, value in module.named_parameters() if is_lazy(value)]
        if lazy:
            raise self.identity.refuse(
                f"built a network whose parameters have no shape yet ({', '.join(lazy[:3])}); run it once on "
                f"`torch.zeros(2, *input_shape)` in `build`."
            )
        return module
