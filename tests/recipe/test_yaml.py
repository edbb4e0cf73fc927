"""Reading and writing YAML with places."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_loss.errors import RecipeError
from automl_loss.recipe.faults import Faults
from automl_loss.recipe.yaml import dump, parse, parse_value


def faults_of(text: str) -> list[str]:
    """Every problem of a text, whether raised at once or noted."""
    faults = Faults()
    try:
        parse(text, "r.yaml", faults)
        faults.raise_all()
    except RecipeError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("5E+4", 50000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.inf", float("-inf")),
        ("+1", 1),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("n", "n"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'null'", "null"),
        ("'1e-3'", "1e-3"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2020-01-01", "2020-01-01"),
        ("1e", "1e"),
        ("=", "="),
        ("[250, 1e-3, {a: no}]", [250, 0.001, {"a": "no"}]),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: Any) -> None:
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


def test_every_key_and_value_keeps_its_line_and_column() -> None:
    document = parse("a: 1\nb:\n  c:   [x, {d: 2}]\n", "r.yaml", Faults())
    assert document.data == {"a": 1, "b": {"c": ["x", {"d": 2}]}}
    assert document.keys["b", "c"].text == "r.yaml:3:3"
    assert document.values["b", "c"].text == "r.yaml:3:8"
    assert document.values["b", "c", 1, "d"].text == "r.yaml:3:16"
    assert document.key_place(("b", "missing")).text == "r.yaml:3:3"


def test_a_duplicate_key_is_an_error_at_its_second_place() -> None:
    assert faults_of("a: 1\nb: {c: 1,\n    c: 2}\na: 3\n") == [
        "r.yaml:3:5: b.c: duplicate key; it was first given in line 2.",
        "r.yaml:4:1: a: duplicate key; it was first given in line 1.",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1, 2\nb: 3\n", "r.yaml:2:2: not valid YAML: expected ',' or ']'"),
        ("a: 1\n\tb: 2\n", "r.yaml:2:1: not valid YAML: found character '\\t'"),
        ("a: 'x\n", "r.yaml:2:1: not valid YAML: found unexpected end of stream"),
        ("a: 1\n---\nb: 2\n", "r.yaml:2:1: not valid YAML: but found another document"),
        ("a: *b\n", "r.yaml:1:4: not valid YAML: found undefined alias"),
        ("a: 1\nb: \x07\n", "r.yaml:2:4: character '\\x07' is not allowed"),
        ("", "r.yaml:1:1: a recipe is a mapping such as `task: {name: digits}`, got nothing."),
        ("- a\n", "r.yaml:1:1: a recipe is a mapping such as `task: {name: digits}`, got a list."),
        ("word\n", "r.yaml:1:1: a recipe is a mapping such as `task: {name: digits}`, got a single value."),
        ("[" * 5000, "r.yaml:1:1: nested too deeply"),
        (
            "a: !!python/object/apply:os.system [ls]\n",
            "r.yaml:1:4: a: tag `!!python/object/apply:os.system` is not accepted",
        ),
        ("a: !mine 5\n", "r.yaml:1:4: a: tag `!mine` is not accepted"),
        ("a: !!set {x}\n", "r.yaml:1:4: a: tag `!!set` is not accepted"),
        ("a: !!int x\n", "r.yaml:1:4: a: 'x' cannot be read as int"),
        ("a: .nan\n", "r.yaml:1:4: a: not-a-number is not accepted"),
        ("a: 99999999999999999999\n", "r.yaml:1:4: a: expected an integer within 64 bits."),
        (f"a: {'9' * 5000}\n", "r.yaml:1:4: a: '9999"),
        ('a: "\\ud800"\n', "r.yaml:1:4: a: expected Unicode text"),
        ("5: 1\n", "r.yaml:1:1: keys must be text, got '5'; quote it"),
        ("? [a]\n: 1\n", "r.yaml:1:3: keys must be text, got a collection"),
        (
            "x: &x {a: 1}\ny:\n  <<: *x\n",
            "r.yaml:3:3: y: merge keys (`<<`) are not accepted; write the keys out.",
        ),
        ("a: &a [*a]\n", "r.yaml:1:4: a[0]: an alias refers to a value that contains it."),
    ],
)
def test_what_is_no_plain_yaml_is_refused_at_its_place(text: str, problem: str) -> None:
    found = faults_of(text)
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_an_alias_repeats_its_value() -> None:
    assert parse("a: &x {b: [1]}\nc: *x\n", "r.yaml", Faults()).data == {"a": {"b": [1]}, "c": {"b": [1]}}


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    (found,) = faults_of("\n".join(lines))
    assert "more than 20,000 values" in found


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(
        ["no", "1e-3", "1e5", "null", "~", "", "0o17", "<<", "=", "- a", "#", "2020-01-01", "a: b", " x "]
    )
)
_KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["on", "1e-3", "null", "<<"]
)
_DATA = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(_KEYS, _DATA, max_size=4))
def test_what_is_dumped_is_parsed_back_equal(data: dict[str, Any]) -> None:
    faults = Faults()
    parsed = parse(dump(data), "r.yaml", faults).data
    assert not faults.found
    assert parsed == data
    assert repr(parsed) == repr(data)  # 1, 1.0 and True are equal, but not the same


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!#|>'\"%@,? \n\t1.~<\x00\ufeff"), max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert all(problem for problem in faults_of(text))
