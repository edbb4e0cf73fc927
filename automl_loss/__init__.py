"""automl-loss finds loss functions.

Given a task and a model, it searches for a loss under which that model, trained from scratch, does better on
unseen data. `run` is the entry; the classes are what plugins derive from. Importing this imports neither
torch nor optuna: `__init__.pyi` names the public objects, and each is loaded when it is first asked for (PEP 562).
"""

from __future__ import annotations

from typing import Any

import lazy_loader

from automl_loss.tolerant_metadata import tolerate

tolerate()
_load, _, _public = lazy_loader.attach_stub(__name__, __file__)
__all__ = sorted([*_public, "__version__"])


def __getattr__(name: str) -> Any:
    """Load a public name."""
    if name == "__version__":
        from importlib.metadata import version

        return version("automl-loss")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _load(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
