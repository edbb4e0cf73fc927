"""Programs joined into one table."""

from __future__ import annotations

import numpy as np

from automl_loss.engine.kernels import _flat
from automl_loss.engine.kernels._flat import FlatPrograms
from automl_loss.expression import Opcode, Program, compile_program, parse, standard_primitives


def flat(*texts: str, softplus: bool = False) -> FlatPrograms:
    programs: list[Program] = []
    for text in texts:
        program = compile_program(parse(text, standard_primitives()), softplus=softplus)
        assert program is not None
        programs.append(program)
    return _flat.flatten(programs)


def tunable(text: str) -> list[bool]:
    """For each instruction, whether dL/df depends on its weight."""
    table = flat(text).table
    return [bool(live and (sloped or curved)) for sloped, live, curved in table[:, _flat.SLOPED :]]


def opcodes(programs: FlatPrograms) -> list[Opcode]:
    return [Opcode(code) for code in programs.table[:, _flat.OPCODE]]


def test_arguments_come_before_their_readers_and_weights_keep_their_columns() -> None:
    programs = flat("mul(sub(y, f), log(0.5))")
    assert opcodes(programs) == [Opcode.CONSTANT, Opcode.LOG, Opcode.F, Opcode.Y, Opcode.SUB, Opcode.MUL]
    assert programs.table[:, _flat.WEIGHT].tolist() == [5, 4, 3, 2, 1, 0]
    assert programs.table[5, [_flat.LEFT, _flat.RIGHT]].tolist() == [4, 1]
    assert programs.table[4, [_flat.LEFT, _flat.RIGHT]].tolist() == [3, 2]
    assert programs.table[1, [_flat.LEFT, _flat.RIGHT]].tolist() == [0, 1]
    assert programs.constants.tolist() == [0.5, 0, 0, 0, 0, 0]


def test_losses_follow_each_other() -> None:
    programs = flat("f", "mul(y, f)", "y")
    assert programs.offsets.tolist() == [0, 1, 4, 5]
    assert (len(programs), programs.longest, programs.weights) == (3, 3, 3)
    assert programs.table.dtype == np.int32


def test_power_and_the_activation_are_instructions_without_weights_of_their_own() -> None:
    programs = flat("power(y, f)", softplus=True)
    assert opcodes(programs)[2:] == [Opcode.LOG, Opcode.MUL, Opcode.EXP, Opcode.SOFTPLUS]
    assert programs.table[:, _flat.WEIGHT].tolist() == [2, 1, -1, -1, 0, -1]
    assert programs.table[3, [_flat.LEFT, _flat.RIGHT]].tolist() == [0, 2]


def test_nothing_under_a_sign_is_differentiated() -> None:
    programs = flat("mul(sign(mul(y, f)), f)")
    names = [opcode.name for opcode in opcodes(programs)]
    assert names == ["F", "F", "Y", "MUL", "SIGN", "MUL"]
    assert programs.table[:, _flat.LIVE].tolist() == [1, 0, 0, 0, 1, 1]
    assert programs.table[:, _flat.SLOPED].tolist() == [1, 1, 0, 1, 0, 1]


def test_a_weight_is_tunable_where_the_slope_depends_on_it() -> None:
    # f y sub | y square y mul | add: the slope is that of -f alone.
    assert tunable("add(mul(y, square(y)), sub(y, f))") == [True, False, True, *[False] * 4, True]
    assert tunable("mul(y, log(f))") == [True] * 4
    assert tunable("div(y, f)") == tunable("div(f, y)") == [True] * 3
    assert tunable("min(y, f)") == [True, False, True]
    assert not any(tunable("square(power(y, y))"))
