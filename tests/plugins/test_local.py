from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_loss.plugins.local import file_of, module_name


@given(
    st.lists(
        st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), min_size=1
    )
)
def test_the_name_of_a_module_says_where_its_file_lies(parts: list[str]) -> None:
    file = Path("/nowhere", *parts).resolve()
    name = module_name(file)
    assert name.rpartition(".")[0] == "automl_loss.plugins.local"
    assert name.rpartition(".")[2].isidentifier()
    assert file_of(name) == file


def test_files_of_one_name_in_two_folders_are_two_modules(tmp_path: Path) -> None:
    values = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"VALUE = {folder!r}")
        values.append(importlib.import_module(module_name(tmp_path / folder / "mine.py")).VALUE)
    assert values == ["a", "b"]


def test_a_file_imports_what_lies_beside_it_and_leaves_the_path_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "beside_mine.py").write_text("VALUE = 3")
    (tmp_path / "mine.py").write_text("from beside_mine import VALUE")
    before = list(sys.path)
    try:
        assert importlib.import_module(module_name(tmp_path / "mine.py")).VALUE == 3
    finally:
        sys.modules.pop("beside_mine", None)
    assert sys.path == before


def test_a_class_of_a_file_unpickles_in_a_process_that_never_heard_of_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class Mine:\n    def __init__(self, x):\n        self.x = x\n")
    module = importlib.import_module(module_name(tmp_path / "mine.py"))
    program = "import pickle, sys; mine = pickle.load(sys.stdin.buffer); print(type(mine).__name__, mine.x)"
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(module.Mine(7)), capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "Mine 7"


def test_a_missing_file_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        importlib.import_module(module_name(tmp_path / "absent.py"))
