"""The JSON schema agrees with validation."""

from __future__ import annotations

import json
from typing import Any

import yaml

from automl_loss.recipe.schema import installed_configs, schema


def alternatives(found: dict[str, Any], section: str) -> dict[str, dict[str, Any]]:
    options = found["properties"][section]["anyOf"]
    return {
        option["properties"]["name"]["const"]: option
        for option in options
        if "name" in option.get("properties", {})
    }


def test_every_installed_plugin_is_an_alternative_with_its_options() -> None:
    configs, broken = installed_configs()
    assert broken == []
    found = schema(configs)
    strategies = alternatives(found, "strategy")
    assert {"evomal", "gp-lfl", "random", "handcrafted"} <= set(strategies)
    assert "population" in strategies["evomal"]["properties"]
    assert strategies["evomal"]["required"] == []  # the default
    assert strategies["random"]["required"] == ["name"]
    assert {"label_noise", "metric"} <= set(alternatives(found, "task")["digits"]["properties"])
    assert {"chunk", "threads", "workers"} <= set(alternatives(found, "executor")["local"]["properties"])
    assert found["oneOf"] == [{"required": ["task"]}, {"required": ["tasks"]}]
    assert found["additionalProperties"] is False


def test_every_reference_of_the_schema_resolves_and_it_is_json() -> None:
    found = schema(installed_configs()[0])
    text = json.dumps(found)
    references = {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}
    assert references
    assert references <= set(found["$defs"])


def test_top_level_keys_are_those_that_a_recorded_recipe_writes() -> None:
    from automl_loss.recipe import load_recipe

    written = yaml.safe_load(load_recipe({"task": {"name": "digits"}}).to_yaml(with_folder=True))
    assert set(schema(installed_configs()[0])["properties"]) == {*written, "tasks"}
