from __future__ import annotations

import pytest
from support.packages import STRATEGY

from automl_loss import PluginConfig, PrimitiveSet, SearchStrategy
from automl_loss.errors import PluginError
from automl_loss.plugins.contract import check_class
from automl_loss.plugins.discovery import Plugin

MINE = Plugin("strategy", "mine", "acme", "1.0", "acme:Mine")
WORDS = Plugin("primitive_set", "words", "acme", "1.0", "acme:Words")
LOCAL = Plugin("strategy", "mine", "local", "", "/home/ada/mine.py:Mine")


def make(**members: object) -> type:
    """A sound strategy class, but for the members given."""
    scope: dict[str, type] = {}
    exec(STRATEGY.format(name="Mine"), scope)
    return type("Mine", (scope["Mine"],), {"__doc__": "Sound.", **members})


def breach(found: object, plugin: Plugin = MINE) -> str:
    with pytest.raises(PluginError) as caught:
        check_class(plugin, found)
    assert str(caught.value).startswith(str(plugin))
    return str(caught.value)


def test_a_sound_class_passes() -> None:
    sound = make()
    assert check_class(MINE, sound) is sound


@pytest.mark.parametrize("found", [None, 3, make, make()])
def test_only_a_class_is_a_plugin(found: object) -> None:
    if isinstance(found, type):
        found = found(None, None, None, None)
    assert "expected a subclass of automl_loss.SearchStrategy" in breach(found)


def test_a_class_of_no_kind_is_told_its_base() -> None:
    assert "class int is of no plugin kind; expected a subclass of automl_loss.SearchStrategy" in breach(int)


def test_a_class_of_another_kind_is_told_so() -> None:
    assert "class Mine is of kind strategy; expected a subclass of automl_loss.PrimitiveSet" in breach(
        make(), WORDS
    )


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (0, "plugin_api = 0, older than 1, which this automl-loss offers; upgrade acme."),
        (2, "plugin_api = 2, newer than 1, which this automl-loss offers; upgrade automl-loss."),
        ("1", "plugin_api = '1', which is no version; state `plugin_api = 1`."),
        (None, "plugin_api = None, which is no version"),
    ],
)
def test_another_version_of_the_contract_is_refused_with_a_remedy(stated: object, said: str) -> None:
    assert said in breach(make(plugin_api=stated))


def test_an_old_local_plugin_is_for_its_author_to_mend() -> None:
    assert breach(make(plugin_api=0), LOCAL).endswith("upgrade /home/ada/mine.py.")


def test_abstract_methods_left_over_are_listed() -> None:
    class Half(SearchStrategy):
        """Half a strategy."""

        def ask(self):
            return []

    assert "class Half does not define tell" in breach(Half)


def test_a_missing_docstring_and_a_wrong_config_are_told_together() -> None:
    message = breach(make(__doc__=None, Config=dict))
    assert "has no docstring" in message
    assert (
        "has Config = <class 'dict'>, expected a nested `class Config(automl_loss.PluginConfig)`" in message
    )


def test_a_primitive_set_without_config_has_no_options() -> None:
    class Words(PrimitiveSet):
        """No words."""

        functions = terminals = ()

    assert check_class(WORDS, Words).Config is PluginConfig
    assert not hasattr(PrimitiveSet, "Config")
