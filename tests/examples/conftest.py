from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

EXTRAS = Path(__file__).parents[2] / "examples" / "autoloss-extras"


@pytest.fixture(scope="session")
def extras() -> Iterator[Path]:
    """The folder of the example, from which its package can be imported though it is not installed."""
    sys.path.insert(0, str(EXTRAS))
    yield EXTRAS
    sys.path.remove(str(EXTRAS))
