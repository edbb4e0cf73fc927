"""`autoloss recipes`."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from automl_loss.cli.recipes import app
from automl_loss.errors import RecipeError
from automl_loss.recipe import shipped_recipe


def test_list_gives_names_and_first_comment_lines() -> None:
    result = CliRunner().invoke(app, ["list"])
    assert result.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert lines["quickstart"].startswith("Digits with 40 % wrong labels")
    assert "diabetes" in lines


def test_show_prints_the_file_comments_included() -> None:
    result = CliRunner().invoke(app, ["show", "quickstart"])
    assert result.exit_code == 0
    assert result.stdout == shipped_recipe("quickstart").text


def test_show_of_an_unknown_name_is_an_error_of_the_user() -> None:
    result = CliRunner().invoke(app, ["show", "quikstart"])
    assert isinstance(result.exception, RecipeError)
    assert "Did you mean 'quickstart'?" in str(result.exception)


def test_schema_prints_json() -> None:
    result = CliRunner().invoke(app, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["title"] == "automl-loss recipe"
    assert result.stderr == ""
