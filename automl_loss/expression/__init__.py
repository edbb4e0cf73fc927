"""The loss language: expressions over primitives.

`Expression` is the immutable tree, which `parse` reads and `str` writes; `canonical_key` identifies equal ones;
`compile_program`, `to_source`, `to_sympy` and `to_latex` convert it; `standard_primitives` is the
vocabulary; `taylor_expression` builds a Taylor polynomial. Importing this imports neither torch nor SymPy.
"""

from automl_loss.expression.canonical import canonical, canonical_key
from automl_loss.expression.compile import compile_program
from automl_loss.expression.expression import Expression
from automl_loss.expression.latex import to_latex
from automl_loss.expression.parser import parse
from automl_loss.expression.primitive import Opcode, Primitive, PrimitiveSet
from automl_loss.expression.program import Program
from automl_loss.expression.python_source import to_source
from automl_loss.expression.sympy_form import to_sympy
from automl_loss.expression.taylor import taylor_expression, taylor_powers
from automl_loss.expression.vocabulary import constant, standard_primitives

__all__ = [
    "Expression",
    "Opcode",
    "Primitive",
    "PrimitiveSet",
    "Program",
    "canonical",
    "canonical_key",
    "compile_program",
    "constant",
    "parse",
    "standard_primitives",
    "taylor_expression",
    "taylor_powers",
    "to_latex",
    "to_source",
    "to_sympy",
]
