"""Text and numbers of a loss cannot become code in the exported module."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from automl_loss.errors import ExpressionError, PluginError
from automl_loss.expression import Expression, Primitive, PrimitiveSet, parse, standard_primitives, to_source
from automl_loss.expression.python_source import check_sources
from automl_loss.losses import (
    HandcraftedLoss,
    Loss,
    NeuralLoss,
    Problem,
    SymbolicLoss,
    catalogue,
    render_module,
)
from automl_loss.losses.source import docstring, is_class_name, number_source, numbers_source, whole_source

PROBLEM = Problem.classification((4,), 3)
MARK = "SIDE_EFFECT"
PAYLOADS = (
    f'"""\n{MARK} = 1\n"""',
    f"'''\n{MARK} = 1\n'''",
    f'\\"""\n{MARK} = 1\n"""',
    f'\\\\"""\n{MARK} = 1\n',
    f'""\\"\n{MARK} = 1',
    "\\",
    '"',
    '""',
    '"' * 5,
    "\\N{DIGIT ONE}\\x41\\u0041\\",
    "\\N{no such name}",
    "\ud800",
    "\x00\r\f\x1b[2J\u2028\u202e\x85",
    "{name} {0} {reduction!r} %s",
    f"\n\nimport os\n{MARK} = os.getpid()\n",
    f"\n    {MARK} = 1\n",
)
TEXTS = st.sampled_from(PAYLOADS) | st.text(max_size=40) | st.text("\"'\\\n{}\r \t#", max_size=30)
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def shape(text: str) -> list[str]:
    """The tree of a module without the texts of its docstring: what must not depend on any text."""
    tree = ast.parse(text)
    assert [type(node).__name__ for node in tree.body] == ["Expr", "Import", "ClassDef"]
    docs = tree.body[0]
    assert isinstance(docs, ast.Expr)
    assert isinstance(docs.value, ast.Constant)
    docs.value.value = ""
    return [type(node).__name__ for node in ast.walk(tree)]


def imported(text: str, folder: Path) -> ModuleType:
    file = folder / "exported.py"
    file.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("exported", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    exec(compile(text, str(file), "exec"), module.__dict__)
    return module


def assert_text_is_only_a_docstring(text: str, plain: str, folder: Path) -> None:
    assert shape(text) == shape(plain)
    module = imported(text, folder)
    names = {name for name in vars(module) if not name.startswith("__")}
    assert names == {"torch", "LearnedLoss"}
    raw, target = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    assert module.LearnedLoss()(raw, target).ndim == 0


@quick
@given(name=TEXTS, origin=TEXTS)
def test_a_neural_losss_name_and_the_origin_stay_in_the_docstring(
    tmp_path: Path, name: str, origin: str
) -> None:
    loss = NeuralLoss(name, (1,), (0.5, 1.0, 2.0))
    plain = render_module(replace(loss, name="plain"), PROBLEM, origin="plain")
    text = render_module(loss, PROBLEM, origin=origin)
    assert_text_is_only_a_docstring(text, plain, tmp_path)


@dataclass(frozen=True)
class Hostile(Loss):
    """A plugin's loss whose key is any text."""

    text: str
    weights: tuple[float, ...] = ()
    scale: float = 1.0
    space: Any = field(default="prediction")

    def value(self, prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        return prediction - target

    @property
    def key(self) -> str:
        return self.text

    @property
    def complexity(self) -> int:
        return 1

    def with_weights(self, weights: tuple[float, ...]) -> Hostile:
        return self

    def with_scale(self, scale: float) -> Hostile:
        return replace(self, scale=scale)

    def to_json(self) -> dict[str, Any]:
        return {}

    def to_source(self) -> str:
        return "return prediction - target"


@quick
@given(key=TEXTS)
def test_the_key_of_a_plugins_loss_stays_in_the_docstring(tmp_path: Path, key: str) -> None:
    plain = render_module(Hostile("plain"), PROBLEM)
    assert_text_is_only_a_docstring(render_module(Hostile(key), PROBLEM), plain, tmp_path)


@quick
@given(name=TEXTS)
def test_the_name_of_a_plugins_primitive_stays_in_the_docstring(tmp_path: Path, name: str) -> None:
    def module(name: str) -> str:
        word = Primitive(name, 1, torch.tanh, "torch.tanh({0})")
        return render_module(SymbolicLoss(Expression(word, (parse("f"),))), PROBLEM)

    assert_text_is_only_a_docstring(module(name), module("plain"), tmp_path)


@settings(max_examples=300, deadline=None)
@given(text=TEXTS)
def test_a_docstring_reads_back_as_the_text(text: str) -> None:
    assert ast.literal_eval(f'"""x{docstring(text)}"""') == f"x{text}"
    assert docstring(text).replace("\n", "").isprintable()


class Sneaky(float):
    def __repr__(self) -> str:
        return f"__import__('os').system('{MARK}')"


@pytest.mark.parametrize("value", ["1.0", "__import__('os')", True, None, [1.0], float("nan"), float("inf")])
def test_a_scale_that_is_no_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^scale: "):
        render_module(Hostile("h", scale=value), PROBLEM)


def test_numbers_are_converted_before_they_are_written() -> None:
    assert number_source(Sneaky(2.5), "scale") == "2.5"
    assert number_source(np.float32(0.5), "scale") == "0.5"
    assert numbers_source((np.float64(1.0), Sneaky(3.0)), "weights") == "1.0, 3.0"
    text = render_module(Hostile("h", scale=Sneaky(2.0)), PROBLEM)
    assert "scale = 2.0\n" in text
    assert MARK not in text
    for loss in (
        SymbolicLoss(parse("mul(y, prior)"), (Sneaky(0.5),) * 3, Sneaky(2.0), prior=(Sneaky(0.25),) * 3),
        NeuralLoss("n", (np.int64(1),), (Sneaky(0.5),) * 3, Sneaky(1.0)),  # type: ignore[arg-type]
        HandcraftedLoss(
            "logit_adjusted_ce", "multiclass", {"tau": Sneaky(1.5)}, Sneaky(1.0), (Sneaky(0.5),) * 3
        ),
    ):
        assert MARK not in render_module(loss, PROBLEM)
    assert MARK not in to_source(parse("mul(y, f)"), [Sneaky(0.5)] * 3)


@pytest.mark.parametrize(
    "outputs", ["3", "3): pass\nimport os\n#", 3.0, True, 0, -1, None, [3], float("nan")]
)
def test_a_number_of_outputs_that_is_no_whole_number_is_refused(outputs: Any) -> None:
    with pytest.raises(ValueError, match=r"^output_dim: must be a whole number of 1 or more but is"):
        render_module(SymbolicLoss(parse("sub(y, f)")), replace(PROBLEM, output_dim=outputs))
    assert whole_source(np.int64(3), "n") == "3"


@pytest.mark.parametrize(
    "name",
    ["", "a b", "1a", "class", "None", "torch", "len", "__doc__", "é", "ｔｏｒｃｈ", 'X:\n    """', "X(y)"],
)
def test_what_is_no_name_for_a_class_is_refused(name: str) -> None:
    assert not is_class_name(name)
    with pytest.raises(ValueError, match="is no name for the class"):
        render_module(SymbolicLoss(parse("sub(y, f)")), PROBLEM, name=name)


def test_an_unknown_kind_of_problem_is_refused() -> None:
    with pytest.raises(ValueError, match="one of multiclass, binary, regression, but got 'x'"):
        render_module(Hostile("h"), replace(PROBLEM, kind="x"))  # type: ignore[arg-type]


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_weights_and_priors_that_are_not_finite_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=r"^weights\[1\]: only finite numbers"):
        render_module(NeuralLoss("n", (1,), (0.5, weight, 1.0)), PROBLEM)
    with pytest.raises(ValueError, match=r"^prior\[2\]: only finite numbers"):
        render_module(SymbolicLoss(parse("prior"), prior=(0.5, 0.5, weight)), PROBLEM)


@dataclass(frozen=True)
class Sourced(Hostile):
    source: str = ""

    def to_source(self) -> str:
        return self.source


@pytest.mark.parametrize(
    "source",
    [
        "return (",
        'x = """\n"""; return x\n"""',
        "return x\x00",
        "return " + "(" * 300 + "1" + ")" * 300,
    ],
)
def test_a_plugins_source_that_is_no_function_body_is_the_plugins_fault(source: str) -> None:
    with pytest.raises(
        PluginError, match=r"Sourced.to_source` is not the body of a Python function.*It must"
    ):
        render_module(Sourced("h", source=source), PROBLEM)


@pytest.mark.parametrize(
    "source", ["", "{1}", "{nothing}", "torch.tanh({0}", "{0}; import os", "{", "x = {0}"]
)
def test_a_primitive_without_one_python_expression_is_named(source: str) -> None:
    word = Primitive("odd", 1, torch.tanh, source)
    with pytest.raises(ExpressionError, match="primitive 'odd' cannot be written as Python: its source is"):
        to_source(Expression(word, (parse("f"),)))


@pytest.mark.parametrize("source", ["", "torch.tanh({0}", "{2}"])
def test_a_primitive_set_without_sources_is_refused_before_the_search(source: str) -> None:
    class Sourceless(PrimitiveSet):
        """One function that cannot be exported."""

        functions = (*standard_primitives("add"), Primitive("odd", 1, torch.tanh, source))
        terminals = standard_primitives("y", "f")

    with pytest.raises(PluginError, match="primitive set Sourceless: primitive 'odd' cannot be written"):
        check_sources(Sourceless())


def test_two_primitives_of_one_name_keep_their_own_source() -> None:
    one, other = (Primitive("same", 1, torch.tanh, text) for text in ("torch.tanh({0})", "torch.sin({0})"))
    texts = [to_source(Expression(word, (parse("f"),))) for word in (one, other)]
    assert texts == ["return torch.tanh(f)", "return torch.sin(f)"]


def test_a_template_that_is_no_call_is_put_in_parentheses() -> None:
    half = Primitive("half", 1, lambda x: x / 2, "{0} / 2")
    cube = Primitive("cube", 1, lambda x: x**3, "{0} ** 3")
    assert to_source(Expression(cube, (Expression(half, (parse("f"),)),))) == "return (f / 2) ** 3"


@pytest.mark.parametrize("text", ["1e300", "mul(1e300, f)", "max(f, 1e39)", "add(1e308, 1e308)", "-1e300"])
def test_constants_beyond_single_precision_are_infinite_in_the_module_too(text: str) -> None:
    tree = parse(text)
    weights = (10.0,) * tree.size
    f, y = torch.tensor([0.5, 1.0]), torch.tensor([0.0, 1.0])
    lines = "\n".join(f"    {line}" for line in to_source(tree, weights).splitlines())
    scope: dict[str, Any] = {"torch": torch}
    exec(f"def loss(y, f):\n{lines}", scope)
    expected = tree.evaluate({"y": y, "f": f}, torch.tensor(weights))
    torch.testing.assert_close(scope["loss"](y, f), expected, equal_nan=True)
    assert expected.isinf().all()


def test_every_handcrafted_loss_has_a_module_of_the_expected_shape() -> None:
    for problem in (PROBLEM, Problem.classification((4,), 2), Problem.regression((4,))):
        for loss in catalogue(problem):
            assert shape(render_module(loss, problem))[:4] == ["Module", "Expr", "Import", "ClassDef"]
