"""Repair expressions that lack the target or the prediction, under which nothing can be learned."""

from __future__ import annotations

import numpy as np

from automl_loss import Expression, PluginError, Primitive, PrimitiveSet

REQUIRED = ("y", "f")
JOINTS = ("add", "sub", "mul", "div")


def is_complete(expression: Expression) -> bool:
    """Return whether the expression contains both y and f."""
    return all(expression.contains(name) for name in REQUIRED)


def repair(expression: Expression, primitives: PrimitiveSet, rng: np.random.Generator) -> Expression:
    """Put y and f into an expression that lacks one of them.

    A random terminal is replaced by a random one of add, sub, mul, div of (y, f) in random order. The
    height may grow by one.

    Args:
        expression: any tree of the set.
        primitives: the set; of the four functions, those that it has are used.
        rng: not drawn from when the expression is complete.

    Returns:
        An expression that contains y and f: the same one when it did already.

    Raises:
        PluginError: the set has no function to combine y and f.
    """
    if is_complete(expression):
        return expression
    leaves = [i for i, node in enumerate(expression.nodes()) if not node.children]
    first, second = rng.permutation(REQUIRED)
    joints = _joints(primitives)
    joint = joints[rng.integers(len(joints))]
    pair = Expression(joint, (Expression(primitives[first]), Expression(primitives[second])))
    return expression.replace(leaves[rng.integers(len(leaves))], pair)


def _joints(primitives: PrimitiveSet) -> list[Primitive]:
    unsayable = [f"terminal {name}" for name in REQUIRED if name not in primitives]
    joints = [primitives[name] for name in JOINTS if name in primitives]
    if not joints:
        unsayable.append(f"function of {', '.join(JOINTS)}")
    if unsayable:
        raise PluginError(
            f"primitive set {type(primitives).__name__}: a loss must contain y and f, but the set has no "
            f"{' and no '.join(unsayable)}; add what is missing, or use another set"
        )
    return joints
