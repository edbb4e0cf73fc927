"""Examples in docs/ are recipes that load; those of the plugin guide are run by test_plugin_guide.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from automl_loss import load_recipe
from automl_loss.comparison.recipe import load_comparison

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = [
    pytest.param(block, id=f"{file.stem}-{i}")
    for file in sorted(DOCS.glob("*.md"))
    if file.stem != "plugins"
    for i, block in enumerate(re.findall(r"```yaml\n(.*?)```", file.read_text(encoding="utf-8"), re.DOTALL))
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_is_a_recipe(example: str, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(example)
    if "compare:" in example:
        assert load_comparison(file).cells
    else:
        assert load_recipe(file).task.name
