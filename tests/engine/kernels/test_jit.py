"""Compiled code is kept for the next process where it can be, and works where it cannot."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from automl_loss.engine.kernels import _flat, _jit

USE = """
import json, torch
from automl_loss.engine.kernels import kernel_for, _entries
from automl_loss.expression import parse, standard_primitives
from automl_loss.losses.symbolic import SymbolicLoss

loss = SymbolicLoss(parse("mul(y, f)", standard_primitives()))
ones = torch.ones(1, 2, 3)
assert torch.equal(kernel_for([loss]).value(ones, ones, torch.ones(1, 3)), ones)
stats = _entries.value.stats
print(json.dumps({"hits": sum(stats.cache_hits.values()), "misses": sum(stats.cache_misses.values())}))
"""


def _use(directory: Path) -> dict[str, int]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(directory)}
    done = subprocess.run(
        [sys.executable, "-c", USE], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    stats: dict[str, int] = json.loads(done.stdout)
    return stats


@pytest.mark.slow
def test_the_second_process_loads_what_the_first_compiled(tmp_path: Path) -> None:
    assert _use(tmp_path) == {"hits": 0, "misses": 1}
    assert _use(tmp_path) == {"hits": 1, "misses": 0}


def test_without_a_place_for_the_cache_it_compiles_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    _jit._note_missing_cache.cache_clear()
    namespace: dict[str, object] = {}
    # Numba finds no directory for functions that come from no file.
    exec("def double(x):\n    return x + x\n\ndef triple(x):\n    return x + x + x", namespace)
    with caplog.at_level(logging.WARNING, logger=_jit.__name__):
        double, triple = (_jit.entry(namespace[name]) for name in ("double", "triple"))  # type: ignore[type-var]
    assert double(2.0) == 4.0
    assert triple(2.0) == 6.0
    assert [record.getMessage().count("NUMBA_CACHE_DIR") for record in caplog.records] == [1]


def test_the_fingerprint_follows_the_sources() -> None:
    assert _jit.fingerprint(_jit, _flat) == _jit.fingerprint(_jit, _flat)
    assert _jit.fingerprint(_jit, _flat) != _jit.fingerprint(_jit)
