from __future__ import annotations

from autoloss_gp.primitives import EvoMALPrimitives


def test_the_set_is_the_published_one() -> None:
    primitives = EvoMALPrimitives()
    assert {(word.name, word.arity) for word in primitives.functions} == {
        *((name, 2) for name in ("add", "sub", "mul", "div", "min", "max")),
        *((name, 1) for name in ("sign", "square", "abs", "log", "sqrt", "tanh")),
    }
    assert [word.name for word in primitives.terminals] == ["y", "f", "1", "-1"]
    assert all(word.arity == 0 for word in primitives.terminals)


def test_every_word_has_an_instruction_for_the_kernels() -> None:
    primitives = EvoMALPrimitives()
    assert all(word.opcode is not None for word in (*primitives.functions, *primitives.terminals))
