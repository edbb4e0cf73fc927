from __future__ import annotations

import sys
from pathlib import Path

import pytest

from automl_loss.errors import EvaluationError, RecipeError
from automl_loss.plugins.import_object import import_object


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "own_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "things.py").write_text("class Outer:\n    class Inner:\n        pass\n")
    (tmp_path / "breaks.py").write_text("raise AssertionError('half written')\n")
    (tmp_path / "exits.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "needs.py").write_text("import a_module_nobody_has\n")
    return tmp_path


def test_names_are_found_in_the_folder_in_the_working_directory_and_among_the_installed(folder, monkeypatch):
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "beside_the_shell.py").write_text("value = 5\n")
    monkeypatch.chdir(folder / "elsewhere")
    assert import_object("own_package.things:Outer", folder).__name__ == "Outer"
    assert import_object("own_package.things:Outer.Inner", folder).__qualname__ == "Outer.Inner"
    assert import_object("beside_the_shell:value", folder) == 5
    assert import_object("pathlib:Path") is Path


@pytest.mark.parametrize("path", ["own_package.things:Outer", "breaks:x", "nowhere:x"])
def test_the_search_path_is_as_before_also_after_a_failure(folder, path):
    before = list(sys.path)
    try:
        import_object(path, folder)
    except (RecipeError, EvaluationError):
        assert path != "own_package.things:Outer"
    assert sys.path == before


@pytest.mark.parametrize("path", ["nocolon", "mod:", ":name", "./net.py:Net", "a b:c"])
def test_what_is_no_import_path_is_refused_with_an_example(path):
    with pytest.raises(RecipeError, match="is not an import path; write 'module:name'"):
        import_object(path)


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("nowhere:x", RecipeError, "no module 'nowhere' for 'nowhere:x'; looked in .*installed packages"),
        ("own_package.no:x", RecipeError, "no module 'own_package.no'"),
        ("own_package.things:Net", RecipeError, "has no 'Net'. It has Outer"),
        ("own_package.things:Outter", RecipeError, "has no 'Outter'. Did you mean 'Outer'"),
        ("breaks:x", EvaluationError, "'breaks' .* fails when imported: AssertionError: half written"),
        ("exits:x", EvaluationError, "fails when imported: SystemExit: 3"),
        (
            "needs:x",
            EvaluationError,
            "needs a module that is not installed: No module named 'a_module_nobody_has'",
        ),
    ],
)
def test_each_way_to_fail_has_its_own_message(folder, path, kind, said):
    with pytest.raises(kind, match=said):
        import_object(path, folder)
