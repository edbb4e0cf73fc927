from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from support.expressions import chain, expressions

from automl_loss.expression import (
    Expression,
    Opcode,
    Primitive,
    Program,
    compile_program,
    parse,
    standard_primitives,
)

BY_OPCODE = {word.opcode: word for word in standard_primitives() if word.arity}


def run(program: Program, y: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
    """Execute a program backwards, as `Program` says."""
    values: dict[int, torch.Tensor] = {}
    for i in reversed(range(len(program))):
        opcode = Opcode(program.opcodes[i])
        places = [int(p) for p in (program.left[i], program.right[i]) if p >= 0]
        assert all(place > i for place in places)
        if opcode in (Opcode.Y, Opcode.F):
            values[i] = y if opcode is Opcode.Y else f
        elif opcode is Opcode.CONSTANT:
            values[i] = torch.full_like(f, program.constants[i])
        else:
            values[i] = BY_OPCODE[opcode].function(*(values[place] for place in places))
    return values[0]


@settings(deadline=None)
@given(expressions())
def test_a_program_computes_what_its_expression_does(expression: Expression) -> None:
    y, f = torch.tensor([0.0, 1.0, 0.3]), torch.tensor([0.7, 0.2, -1.5])
    program = compile_program(expression)
    assert program is not None
    assert len(program) == expression.size
    torch.testing.assert_close(run(program, y, f), expression.evaluate({"y": y, "f": f}), equal_nan=True)


def test_instructions_are_in_the_order_of_the_weights() -> None:
    program = compile_program(parse("mul(sub(y, f), 0.5)"), softplus=True)
    assert program is not None
    assert [Opcode(code).name for code in program.opcodes] == ["MUL", "SUB", "Y", "F", "CONSTANT"]
    assert program.left.tolist() == [1, 2, -1, -1, -1]
    assert program.right.tolist() == [4, 3, -1, -1, -1]
    assert program.constants.tolist() == [0, 0, 0, 0, 0.5]
    assert program.softplus
    assert (program.opcodes.dtype, program.constants.dtype) == (np.int32, np.float64)


def test_a_word_without_an_opcode_has_no_program() -> None:
    erf = Primitive("erf", 1, torch.erf)
    assert compile_program(Expression(erf, (parse("f"),))) is None
    assert compile_program(Expression(Primitive("prior", 0))) is None


def test_trees_of_any_height_have_a_program() -> None:
    program = compile_program(chain(3000))
    assert program is not None
    assert len(program) == chain(3000).size
