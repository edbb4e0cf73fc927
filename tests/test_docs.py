"""Examples in docs/ are recipes that load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from automl_loss import load_recipe

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = [
    pytest.param(block, id=f"{file.stem}-{i}")
    for file in sorted(DOCS.glob("*.md"))
    for i, block in enumerate(re.findall(r"```yaml\n(.*?)```", file.read_text(encoding="utf-8"), re.DOTALL))
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_is_a_recipe(example: str, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(example)
    assert load_recipe(file).task.name
