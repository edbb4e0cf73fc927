# ruff: noqa: E501  (a table: one fault a line)
"""Faults of plugins: for each a tiny class, and how a run with it must end."""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import indent
from typing import Any

SECTIONS = {
    "strategy": "strategy", "evaluator": "evaluator", "task": "task", "model": "model", "executor": "executor",
    "primitive_set": "primitives",
}  # fmt: skip
GROUPS = {
    "strategy": "strategies", "evaluator": "evaluators", "task": "tasks", "model": "models", "executor": "executors",
    "primitive_set": "primitive_sets",
}  # fmt: skip
_BASES = {
    "strategy": "Search", "evaluator": "Train", "task": "Rows", "model": "Net", "executor": "Here",
    "primitive_set": "Words",
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """A faulty plugin, and how a run with it ends.

    Args:
        kind: of the plugin; `import` for a module named by import path.
        name: of the fault.
        source: of the module.
        ending: `plugin`, `recipe` or `evaluation` error; `warning`; `outcome`; or `result`.
        texts: parts of the message; of an outcome, its status and parts of its message.
        early: whether it must be known before a run directory is made.
        sections: of the recipe, beside the plugin's own.
    """

    kind: str
    name: str
    source: str
    ending: str
    texts: tuple[str, ...]
    early: bool = False
    sections: dict[str, Any] = field(default_factory=dict)


FAULTS: list[Fault] = []


def add(kind: str, name: str, body: str, ending: str, *texts: str, early: bool = False, before: str = "",
        **sections: Any) -> None:  # fmt: skip
    """Enter a class of a kind whose body is changed; `before` stands above it in the module."""
    source = (
        f'from support.sound import *\n\n{before}\n\nclass Mine({_BASES[kind]}):\n    """Mine."""\n\n'
        f"    plugin_api = {2 if kind == 'executor' else 1}\n\n{indent(body, '    ')}\n"
    )
    if ending == "plugin":
        label = kind.replace("_", " ")
        texts = (f"{label} Mine ('mine' of acme 1.0)", *texts)
    FAULTS.append(Fault(kind, name, source, ending, texts, early, sections))


def importing(name: str, source: str, ending: str, *texts: str, early: bool = True, **sections: Any) -> None:
    """Enter a module `thing_NAME` that a recipe names by import path."""
    module = f"thing_{name.replace('-', '_')}"
    filled = {key: _filled(value, module) for key, value in sections.items()}
    FAULTS.append(Fault("import", name, source, ending, texts, early, filled))


def _filled(value: Any, module: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, module) for key, each in value.items()}
    return value.replace("MODULE", module) if isinstance(value, str) else value


# Strategies: candidates

CANDIDATES = "def candidates(self):\n    return {}"


def asks(name: str, listed: str, ending: str, *texts: str, **more: Any) -> None:
    add("strategy", name, CANDIDATES.format(listed), ending, *texts, **more)


def first(name: str, changes: str, ending: str, *texts: str, **more: Any) -> None:
    asks(name, f"[self.candidate(1, {changes}), self.candidate(2)]", ending, *texts, **more)


asks("numpy-ids", "[self.candidate(np.int64(1)), self.candidate(np.int32(2))]", "result")
asks("whole-float-ids", "[self.candidate(1.0), self.candidate(np.float32(2))]", "result")
asks("half-ids", "[self.candidate(1.5)]", "plugin", "candidate with id 1.5; give an integer")
asks("nan-id", "[self.candidate(float('nan'))]", "plugin", "with id nan; give an integer")
asks("text-id", "[self.candidate('1')]", "plugin", "with id '1', which is no number")
asks("true-id", "[self.candidate(True)]", "plugin", "with id True, which is no number")
asks("tensor-id", "[self.candidate(torch.tensor(1))]", "plugin", "with id tensor(1)", "`.item()`")
asks("no-id", "[self.candidate(None)]", "plugin", "with id None, which is no number")
asks("negative-id", "[self.candidate(-1)]", "plugin", "with id -1; give an integer of at least 0")
asks("same-id-twice", "[self.candidate(1), self.candidate(1)]", "plugin", "asked for candidates [1, 1]")
asks("ids-from-zero", "[self.candidate(0)]", "plugin", "asked for candidates [0]")
asks("a-generator", "(self.candidate(i) for i in (1, 2))", "plugin", "returned <generator", "expected a list")
asks("a-tuple", "(self.candidate(1),)", "plugin", "from ask; expected a list of candidates")
asks("losses-alone", "[square()]", "plugin", "a list with SymbolicLoss", "expected a list of candidates")
asks(
    "object-parents",
    "[self.candidate(1, parents=(object(),))]",
    "plugin",
    "parent <object",
    "which is no number",
)
asks("candidates-as-parents", "[self.candidate(1), self.candidate(2, parents=(self.candidate(1),))]", "plugin",
     "candidate 2 with parent Candidate(id=1")  # fmt: skip
asks("none-as-parents", "[self.candidate(1, parents=None)]", "plugin", "parents = None; give a tuple of ids")
asks("numpy-parents", "[self.candidate(1), self.candidate(2, parents=np.array([1]))]", "result")
asks("a-set-as-parents", "[self.candidate(1, parents={1})]", "plugin", "parents = {1}; give a tuple of ids")
first("numpy-lr", "overrides={'lr': np.float32(0.125)}", "result")
first("numpy-tuning-steps", "overrides={'tuning_steps': np.int64(2)}", "result")
first("nan-lr", "overrides={'lr': float('nan')}", "plugin", "override lr = nan; give a finite number above 0")
first(
    "infinite-lr",
    "overrides={'lr': float('inf')}",
    "plugin",
    "override lr = inf; give a finite number above 0",
)
first("lr-minus-one", "overrides={'lr': -1}", "plugin", "override lr = -1; give a finite number above 0")
first(
    "zero-lr-factor", "overrides={'lr_factor': 0}", "plugin", "override lr_factor = 0; give a finite number"
)
first(
    "tensor-lr", "overrides={'lr': torch.tensor(0.1)}", "plugin", "override lr = tensor(0.1000)", "`.item()`"
)
first("text-lr", "overrides={'lr': '0.1'}", "plugin", "override lr = '0.1', which is no number")
first(
    "unknown-override",
    "overrides={'learning_rate': 0.1}",
    "plugin",
    "an override 'learning_rate'; ",
    "known are lr",
)
first("misspelt-override", "overrides={'lr_facter': 2.0}", "plugin", "did you mean 'lr_factor'?")
first("overrides-as-list", "overrides=[('lr', 0.1)]", "plugin", "overrides = [('lr', 0.1)]; give a mapping")
first("half-tuning-steps", "overrides={'tuning_steps': 2.5}", "plugin", "tuning_steps = 2.5; give an integer")
first("object-generation", "generation='first'", "plugin", "generation 'first', which is no number")
first("numpy-generation", "generation=np.int64(0)", "result")
first("rejected-without-words", "rejected=True", "plugin", "rejected = True; give a sentence")
first("rejected-with-words", "rejected='too long'", "outcome", "rejected", "too long")
first("scale-zero", "loss=square().with_scale(0.0)", "outcome", "rejected", "its scale is 0.0")
first("scale-nan", "loss=square().with_scale(float('nan'))", "outcome", "rejected", "its scale is nan")
first("scale-negative", "loss=square().with_scale(-1.0)", "outcome", "rejected", "its scale is -1.0")
first("infinite-weight", "loss=square(float('inf'))", "outcome", "rejected", "one of its weights is inf")
first("nan-weight", "loss=square(float('nan'))", "outcome", "rejected", "one of its weights is nan")
first("numpy-weights", "loss=square(np.float32(1.5))", "result")

# Strategies: methods

add("strategy", "init-raises", "def __init__(self, *given):\n    1 / 0", "plugin", "failed in set-up: ZeroDivision",
    early=True)  # fmt: skip
add("strategy", "init-of-other-arguments", "def __init__(self, config):\n    pass", "plugin", "failed in set-up: Type",
    early=True)  # fmt: skip
add(
    "strategy",
    "ask-raises",
    "def ask(self):\n    raise LookupError('lost')",
    "plugin",
    "in ask of generation 0",
    "lost",
)
add("strategy", "ask-exits", "def ask(self):\n    raise SystemExit(3)", "plugin", "SystemExit: 3")
add("strategy", "ask-recurses", "def ask(self):\n    return self.ask()", "plugin", "RecursionError")
add(
    "strategy",
    "tell-raises",
    "def tell(self, outcomes):\n    raise KeyError('rank')",
    "plugin",
    "tell of generation 0",
)
add(
    "strategy",
    "tell-of-other-arguments",
    "def tell(self):\n    pass",
    "plugin",
    "tell of generation 0: TypeError",
)
add("strategy", "check-returns-nothing", "@classmethod\ndef check(cls, config, problem):\n    return None", "plugin",
    "returned None from check; expected a list", early=True)  # fmt: skip
add("strategy", "check-returns-a-text", "@classmethod\ndef check(cls, config, problem):\n    return 'no'", "plugin",
    "returned 'no' from check", early=True)  # fmt: skip
add("strategy", "check-raises", "@classmethod\ndef check(cls, config, problem):\n    raise OSError('x')", "plugin",
    "failed in check: OSError: x", early=True)  # fmt: skip
add("strategy", "repr-raises", "def ask(self):\n    class Odd:\n        def __repr__(self):\n            1 / 0\n    return Odd()",
    "plugin", "whose repr fails (ZeroDivisionError)")  # fmt: skip
add(
    "strategy",
    "empty-error",
    "def ask(self):\n    raise ValueError",
    "plugin",
    "ask of generation 0: ValueError",
)
add("strategy", "asks-nothing", "def ask(self):\n    return []", "valid", "asked for no candidate at all")

# Strategies: losses of their own

LOSS = """
class Own(Loss):
    weights, scale, space = (), 1.0, "prediction"

    def value(self, prediction, target, weights=None):
        return (prediction - target) ** 2

    @property
    def key(self):
        return "own"

    complexity = 1

    def with_weights(self, weights):
        return self

    def with_scale(self, scale):
        return self

    def to_json(self):
        return {"kind": "own"}

    def to_source(self):
        return "return (prediction - target) ** 2"


class Odd(Own):
"""


def loses(name: str, body: str, ending: str, *texts: str) -> None:
    asked = CANDIDATES.format("[self.candidate(1, loss=Odd()), self.candidate(2)]")
    add("strategy", name, asked, ending, *texts, before=LOSS + indent(body, "    "))


loses("loss-raises", "def value(self, prediction, target, weights=None):\n    raise ValueError('odd')", "plugin",
      "failed in the loss of candidate 1: ValueError: odd")  # fmt: skip
loses("loss-gives-a-number", "def value(self, prediction, target, weights=None):\n    return 1.0", "plugin",
      "whose value on 4 rows is 1.0; give a tensor")  # fmt: skip
loses("loss-is-reduced", "def value(self, prediction, target, weights=None):\n    return (prediction - target).mean()",
      "plugin", "of shape (); give one of shape (4, 3), unreduced")  # fmt: skip
loses("loss-gives-integers", "def value(self, prediction, target, weights=None):\n    return (prediction > 0).long()",
      "plugin", "of type torch.int64; give floats")  # fmt: skip
loses("loss-key-is-no-text", "key = 7", "plugin", "a loss whose key is 7; give a text")
loses(
    "loss-key-raises",
    "@property\ndef key(self):\n    raise KeyError('k')",
    "plugin",
    "the loss of candidate 1: KeyError",
)
loses(
    "loss-json-is-an-object",
    "def to_json(self):\n    return {'kind': object()}",
    "plugin",
    "`to_json` is no plain data",
)
loses("loss-weights-is-a-number", "weights = 3.0", "plugin", "a loss whose weights are 3.0; give a tuple")
loses(
    "loss-scale-is-a-tensor", "scale = torch.tensor(1.0)", "plugin", "a loss of scale tensor(1.)", "no number"
)
loses("loss-has-no-complexity", "complexity = None", "plugin", "a loss of complexity None")

# Evaluators

CHANGED = "def changed(self, outcomes):\n    return {}"


def gives(
    name: str, listed: str, ending: str, *texts: str, before: str = "from dataclasses import replace"
) -> None:
    add("evaluator", name, CHANGED.format(listed), ending, *texts, before=before)


gives("numpy-fitness", "[replace(o, fitness=np.float32(o.fitness)) for o in outcomes]", "result")
gives("numpy-outcome-ids", "[replace(o, id=np.int64(o.id)) for o in outcomes]", "result")
gives(
    "numpy-metrics",
    "[replace(o, metrics={'a': np.float64(1), 'b': np.int32(2)}) for o in outcomes]",
    "result",
)
gives(
    "numpy-steps",
    "[replace(o, steps=np.int64(3), seconds=np.float32(1), cost=np.float64(1)) for o in outcomes]",
    "result",
)
gives("nan-metric", "[replace(o, metrics={'a': float('nan')}) for o in outcomes]", "result")
gives(
    "tensor-fitness",
    "[replace(o, fitness=torch.tensor(0.5)) for o in outcomes]",
    "plugin",
    "fitness tensor(0.5000)",
    "no number",
)
gives(
    "text-fitness",
    "[replace(o, fitness='0.5') for o in outcomes]",
    "plugin",
    "fitness '0.5', which is no number",
)
gives(
    "true-fitness",
    "[replace(o, fitness=True) for o in outcomes]",
    "plugin",
    "fitness True, which is no number",
)
gives(
    "nan-fitness",
    "[replace(o, fitness=np.nan) for o in outcomes]",
    "plugin",
    "status evaluated and fitness nan",
)
gives(
    "object-metrics",
    "[replace(o, metrics={'a': object()}) for o in outcomes]",
    "plugin",
    "metric 'a' = <object",
)
gives(
    "metrics-as-a-list",
    "[replace(o, metrics=[1]) for o in outcomes]",
    "plugin",
    "metrics [1]; give a mapping",
)
gives(
    "numbered-metrics",
    "[replace(o, metrics={1: 2.0}) for o in outcomes]",
    "plugin",
    "metrics {1: 2.0}; give a mapping",
)
gives(
    "text-rungs", "[replace(o, rungs=('a',)) for o in outcomes]", "plugin", "a rung 'a', which is no number"
)
gives(
    "nan-cost",
    "[replace(o, cost=float('nan')) for o in outcomes]",
    "plugin",
    "cost nan; give a finite number",
)
gives(
    "negative-steps",
    "[replace(o, steps=-1) for o in outcomes]",
    "plugin",
    "steps -1; give a finite number of at least 0",
)
gives(
    "status-as-text",
    "[replace(o, status='evaluated', cost=1.0) for o in outcomes]",
    "plugin",
    "status 'evaluated'; give a member",
)
gives(
    "message-as-number", "[replace(o, message=3) for o in outcomes]", "plugin", "the message 3; give a text"
)
gives("loss-as-text", "[replace(o, loss='f') for o in outcomes]", "plugin", "'f' as its loss; give the Loss")
gives(
    "loss-of-scale-zero",
    "[replace(o, loss=o.loss.with_scale(0.0)) for o in outcomes]",
    "plugin",
    "a loss of scale 0.0",
)
gives(
    "paused-as-text",
    "[replace(o, paused=('a',)) for o in outcomes]",
    "plugin",
    "paused runs that are no bytes",
)
gives("source-as-object", "[replace(o, source_id=object()) for o in outcomes]", "plugin", "source_id <object")
gives("outcomes-as-mapping", "{o.id: o for o in outcomes}", "plugin", "expected a list of outcomes")
gives(
    "outcomes-in-reverse", "outcomes[::-1]", "plugin", "got candidates [1, 2]", "and returned outcomes [2, 1]"
)
add("evaluator", "evaluate-raises", "def evaluate(self, candidates, context):\n    raise IndexError('gone')", "plugin",
    "failed in the evaluation of the task loss: IndexError: gone")  # fmt: skip
add("evaluator", "init-raises", "def __init__(self, config):\n    raise ValueError('no')", "plugin", "failed in set-up",
    early=True)  # fmt: skip
STAGE = """
def stage(engine, chunk):
    runs = engine.train([Lane(c.loss, {lr}, engine.search_seed(0)) for c in chunk])
    return [Outcome(c.id, Status.EVALUATED, r.fitness, c.loss) for c, r in zip(chunk, runs)]
"""
MAPS = "def evaluate(self, candidates, context):\n    return list(context.map(partial(stage, context.engine), candidates))"
for word, lr in (
    ("minus-one", "-1.0"),
    ("nan", "float('nan')"),
    ("a-tensor", "torch.tensor(0.1)"),
    ("zero", "0"),
):
    add("evaluator", f"trains-at-lr-{word}", MAPS, "plugin", "a learning rate must be a finite number above 0",
        before=STAGE.format(lr=lr))  # fmt: skip
add("evaluator", "trains-at-a-numpy-lr", MAPS, "result", before=STAGE.format(lr="np.float32(0.05)"))
add("evaluator", "engine-at-lr-minus-one", "def evaluate(self, candidates, context):\n    context.engine.with_lr(-1)",
    "plugin", "a learning rate must be a finite number above 0 but got -1")  # fmt: skip
add("evaluator", "stage-is-no-function", "def evaluate(self, candidates, context):\n    return list(context.map(7, candidates))",
    "plugin", "TypeError: 'int' object is not callable")  # fmt: skip

# Tasks

TRAINING = "def training(self):\n    rows = self.rows(1)\n    x, y = rows.x, rows.y\n    return {}"


def trains(name: str, rows: str, ending: str, *texts: str, **more: Any) -> None:
    add("task", name, TRAINING.format(rows), ending, *texts, early=ending != "result", **more)


trains(
    "rows-as-lists",
    "Split(x.tolist(), y.tolist())",
    "plugin",
    "training inputs that are a list; give a numpy array",
)
trains(
    "targets-as-list",
    "Split(x, y.tolist())",
    "plugin",
    "training targets that are a list; give a numpy array",
)
trains("rows-as-tensors", "Split(torch.as_tensor(x), torch.as_tensor(y))", "result")
trains("rows-in-float64", "Split(x.astype(float), y.astype(np.uint8))", "result")
trains(
    "rows-need-gradients",
    "Split(torch.as_tensor(x).requires_grad_(), y)",
    "plugin",
    "require gradients",
    "detach",
)
trains(
    "negative-labels", "Split(x, 2 * y - 1)", "plugin", "targets from -1 to 1", "class indices from 0 to 1"
)
trains("labels-from-one", "Split(x, y + 1)", "plugin", "targets from 1 to 2", "class indices from 0 to 1")
trains(
    "labels-as-floats", "Split(x, y.astype(float))", "plugin", "targets of dtype float64; give class indices"
)
trains(
    "labels-one-hot",
    "Split(x, np.eye(2, dtype=int)[y])",
    "plugin",
    "targets of shape (40, 2); give (rows,) class indices",
)
trains(
    "labels-as-text",
    "Split(x, y.astype(str))",
    "plugin",
    "targets of dtype <U21; give an array of real numbers",
)
trains("nan-training-rows", "Split(np.where(x > 2, np.nan, x).astype(np.float32), y)", "plugin",
       "training inputs that are not finite as float32: nan in row")  # fmt: skip
trains("inputs-beyond-float32", "Split(x * 1e300, y)", "plugin", "not finite as float32")
trains("complex-inputs", "Split(x + 1j, y)", "plugin", "training inputs of dtype complex")
trains("object-inputs", "Split(x.astype(object), y)", "plugin", "training inputs of dtype object")
trains("masked-inputs", "Split(np.ma.masked_greater(x, 1), y)", "plugin", "masked array with masked values")
trains("no-rows", "Split(x[:0], y[:0])", "plugin", "gave no training rows; give at least one")
trains("fewer-targets", "Split(x, y[:-1])", "plugin", "40 training inputs and targets of shape (39,)")
trains("another-shape", "Split(x[:, :3], y)", "plugin", "inputs of shape (40, 3); its problem says (rows, 4)")
trains("no-split", "(x, y)", "plugin", "as training rows; give an automl_loss.Split(x, y)")
add("task", "splits-is-a-tuple", "def splits(self, seed):\n    return self.rows(1), self.rows(2)", "plugin",
    "as its splits; give an automl_loss.Splits", early=True)  # fmt: skip
add("task", "splits-raises", "def splits(self, seed):\n    raise KeyError('column')", "plugin", "in set-up: KeyError",
    early=True)  # fmt: skip
add("task", "test-raises", "def test(self, seed):\n    raise OSError('no file')", "plugin",
    "failed in the making of its test rows: OSError: no file", early=True)  # fmt: skip
add("task", "nan-test-rows", "def test(self, seed):\n    rows = self.rows(3)\n    rows.x[2, 1] = np.nan\n    return rows", "verdict",
    "not finite on 1 test row")  # fmt: skip
add("task", "test-labels-out-of-range", "def test(self, seed):\n    rows = self.rows(3)\n    return Split(rows.x, rows.y + 5)",
    "plugin", "test targets from 5 to 6", early=True)  # fmt: skip
add("task", "test-rows-are-training-rows", "def test(self, seed):\n    return self.rows(1)", "plugin",
    "gave 40 of 40 test rows that are training rows, too", early=True)  # fmt: skip
add("task", "half-the-test-rows-are-training-rows",
    "def test(self, seed):\n    a, b = self.rows(1), self.rows(3)\n    return Split(np.concatenate([a.x[:20], b.x[:20]]),"
    " np.concatenate([a.y[:20], b.y[:20]]))", "plugin", "gave 20 of 40 test rows that are training rows", early=True)  # fmt: skip
add("task", "validation-rows-are-training-rows", "def splits(self, seed):\n    return Splits(self.rows(1), self.rows(1))",
    "plugin", "gave 40 of 40 validation rows that are training rows", early=True)  # fmt: skip
add("task", "test-rows-are-validation-rows", "def test(self, seed):\n    return self.rows(2)", "plugin",
    "gave 40 of 40 test rows that are validation rows", early=True)  # fmt: skip
add("task", "a-few-test-rows-are-training-rows",
    "def test(self, seed):\n    a, b = self.rows(1), self.rows(3)\n    b.x[:2], b.y[:2] = a.x[:2], a.y[:2]\n    return b",
    "notice", "task mine: there are 2 of 40 test rows that are training rows")  # fmt: skip
add("task", "other-rows-each-time",
    "calls = 0\n\ndef training(self):\n    self.calls += 1\n    return self.rows(10 + self.calls)", "plugin",
    "gave other training rows when it was asked again", early=True)  # fmt: skip
add(
    "task",
    "problem-is-none",
    "def problem(self):\n    return None",
    "plugin",
    "gave problem None",
    early=True,
)
add("task", "problem-of-unknown-kind", "def problem(self):\n    return Problem('ranking', (4,), 1, 'mse', 'mse')", "plugin",
    "a problem of kind 'ranking'; known are multiclass", early=True)  # fmt: skip
add("task", "binary-of-two-outputs",
    "def problem(self):\n    return Problem('binary', (4,), 2, 'binary_cross_entropy', 'error')", "plugin",
    "a binary problem with output_dim 2", early=True)  # fmt: skip
add(
    "task",
    "problem-of-numpy-shapes",
    "def problem(self):\n    return Problem.classification((np.int64(4),), 2)",
    "result",
)
add(
    "task", "problem-shape-as-list", "def problem(self):\n    return Problem.classification([4], 2)", "result"
)
add("task", "problem-shape-of-texts", "def problem(self):\n    return Problem.classification(('4',), 2)", "plugin",
    "input_shape holds '4', which is no number", early=True)  # fmt: skip
add("task", "problem-of-unknown-task-loss",
    "def problem(self):\n    return Problem('binary', (4,), 1, 'hinge', 'error')", "plugin", "task_loss 'hinge'", early=True)  # fmt: skip
add("task", "problem-of-unknown-metric",
    "def problem(self):\n    return Problem.classification((4,), 2, 'accurracy')", "recipe", "no metric 'accurracy'", early=True)  # fmt: skip
add("task", "notices-is-a-text", "def notices(self):\n    return 'hello'", "plugin", "gave notices 'hello'")
add("task", "notices-raises", "def notices(self):\n    raise ValueError('x')", "plugin", "ValueError: x")
add("task", "exchangeable-raises", "@property\ndef exchangeable(self):\n    raise ValueError('x')", "plugin", "ValueError: x",
    finalists={"count": 1, "seeds": 1, "steps": 4, "lr_factors": [1.0], "handcrafted": 0, "redraw": True})  # fmt: skip
add("task", "regression-targets-flat",
    "def problem(self):\n    return Problem.regression((4,))", "plugin", "training targets of shape (40,); give (rows, 1)",
    early=True)  # fmt: skip
add("task", "augment-raises", "def training(self):\n    rows = self.rows(1)\n    return Split(Kept(rows.x), rows.y)", "plugin",
    "failed in", "no colours", before="""
class Kept:
    def __init__(self, stored):
        self.stored, self.shape = stored, stored.shape

    def __len__(self):
        return len(self.stored)

    def __getitem__(self, rows):
        return Kept(self.stored[rows])

    def prepare(self, stored, dtype):
        return stored.to(dtype)

    def augment(self, stored, rng):
        raise ValueError("no colours")
""")  # fmt: skip

# Models

NET = "def net(self, inputs, outputs):\n    return {}"
MODULE = "class Odd(nn.Linear):\n    def forward(self, x):\n        return {}"


def builds(name: str, module: str, ending: str, *texts: str, before: str = "") -> None:
    add(
        "model",
        name,
        NET.format(module),
        ending,
        *texts,
        early=ending != "result" and ending != "warning",
        before=before,
    )


def computes(name: str, value: str, ending: str, *texts: str) -> None:
    builds(name, "Odd(inputs, outputs)", ending, *texts, before=MODULE.format(value))


builds("builds-nothing", "None", "plugin", "built None; `build` must return a torch.nn.Module")
builds("builds-a-class", "nn.Linear", "plugin", "must return a torch.nn.Module")
builds("builds-a-function", "lambda x: x", "plugin", "must return a torch.nn.Module")
builds("no-parameters", "nn.Flatten()", "plugin", "no parameters that require a gradient")
builds(
    "frozen-parameters",
    "nn.Linear(inputs, outputs).requires_grad_(False)",
    "plugin",
    "no parameters that require",
)
builds("lazy-parameters", "nn.LazyLinear(outputs)", "plugin", "parameters have no shape yet (weight, bias)")
builds(
    "other-output-shape", "nn.Linear(inputs, outputs + 1)", "plugin", "gave outputs of shape (2, 4); expected"
)
builds(
    "other-input-shape",
    "nn.Linear(inputs + 1, outputs)",
    "plugin",
    "failed on 2 training rows of shape (13,)",
)
builds("on-no-device", "nn.Linear(inputs, outputs, device='meta')", "plugin", "NotImplementedError")
builds("in-float64", "nn.Linear(inputs, outputs).double()", "result")
builds("nan-parameters", "nn.Linear(inputs, outputs) if False else self.nan(nn.Linear(inputs, outputs))\n\ndef nan(self, net):\n"
       "    nn.init.constant_(net.weight, float('nan'))\n    return net", "plugin", "initial parameters that are not finite")  # fmt: skip
builds("numpy-initialised", "self.drawn(nn.Linear(inputs, outputs))\n\ndef drawn(self, net):\n    with torch.no_grad():\n"
       "        net.weight[:] = torch.tensor(np.random.normal(size=net.weight.shape))\n    return net",
       "plugin", "other initial parameters when it is built again under one seed")  # fmt: skip
builds("another-width-each-time", "nn.Sequential(nn.Linear(inputs, next(WIDTHS)), nn.LazyLinear(outputs))[:1]", "plugin",
       "another architecture when it is built again", before="from itertools import count\nWIDTHS = count(3)")  # fmt: skip
builds("another-architecture-each-time", "Sum(inputs, next(WIDTHS))", "plugin", "another architecture when it is built again",
       before="from itertools import count\nWIDTHS = count(3)\n\nclass Sum(nn.Linear):\n    def forward(self, x):\n"
       "        return super().forward(x).sum(-1, keepdim=True)")  # fmt: skip
computes("outputs-a-tuple", "(super().forward(x),)", "plugin", "gave a tuple; expected one tensor")
computes("outputs-a-mapping", "{'logits': super().forward(x)}", "plugin", "gave a dict; expected one tensor")
computes(
    "outputs-of-numpy", "super().forward(x).detach().numpy()", "plugin", "gave a ndarray; expected one tensor"
)
computes("outputs-without-gradient", "super().forward(x).detach()", "plugin", "outputs that have no gradient")
computes("outputs-nan", "super().forward(x) * float('nan')", "plugin", "outputs that are not finite")
computes(
    "outputs-one-for-all-rows",
    "super().forward(x).mean(0, keepdim=True)",
    "plugin",
    "gave outputs of shape (1, 3) for 2 rows",
)
computes("outputs-flat", "super().forward(x).flatten()", "plugin", "gave outputs of shape (6,)")
computes("forward-raises", "1 / 0", "plugin", "ZeroDivisionError")
computes("forward-exits", "exit(3)", "plugin", "SystemExit: 3")
add(
    "model",
    "init-raises",
    "def __init__(self, config):\n    raise ValueError('no')",
    "plugin",
    "failed in set-up",
    early=True,
)

# Primitive sets

WORD = "@property\ndef {}(self):\n    return {}"


def words(name: str, part: str, value: str, ending: str, *texts: str) -> None:
    add("primitive_set", name, WORD.format(part, value), ending, *texts, early=True)


words(
    "functions-as-texts",
    "functions",
    "('add', 'sub')",
    "plugin",
    "gave functions ('add', 'sub'); expected a tuple",
)
words("functions-as-none", "functions", "None", "plugin", "gave functions None; expected a tuple")
words("terminals-raise", "terminals", "1 / 0", "plugin", "failed in set-up: ZeroDivisionError")
words("a-name-twice", "functions", "standard_primitives('add', 'add')", "plugin", "the primitive 'add' twice")
words(
    "terminals-among-functions",
    "functions",
    "standard_primitives('add', 'y')",
    "plugin",
    "gave 'y' among its functions",
)

# Executors

MAP = "def map(self, function, chunks, *, deadline=None):\n{}"


def maps(name: str, body: str, ending: str, *texts: str) -> None:
    add("executor", name, MAP.format(indent(body, "    ")), ending, *texts)


maps("map-raises", "raise OSError('no cluster')", "plugin", "failed in `map`: OSError: no cluster")
maps("map-returns-nothing", "return None", "plugin", "failed in `map`: TypeError")
maps(
    "results-without-index",
    "for chunk in chunks:\n    yield function(chunk)",
    "plugin",
    "pairs of a chunk's index",
)
maps("fewer-results", "return iter(())", "plugin", "gave no more results while")
maps(
    "nothing-as-result",
    "for i, chunk in enumerate(chunks):\n    yield i, None",
    "plugin",
    "gave None as the result of chunk 0",
)
maps(
    "an-index-beyond",
    "for i, chunk in enumerate(chunks):\n    yield i + 7, function(chunk)",
    "plugin",
    "a result for chunk 7",
)
maps("an-index-twice", "for i, chunk in enumerate(chunks):\n    yield 0, function(chunk)\n    yield 0, function(chunk)",
     "plugin", "a result for chunk 0 a second time")  # fmt: skip
maps(
    "a-text-as-index",
    "for i, chunk in enumerate(chunks):\n    yield str(i), function(chunk)",
    "plugin",
    "for chunk '0'",
)
maps("numpy-index", "for i, chunk in enumerate(chunks):\n    yield np.int64(i), function(chunk)", "result")
maps("map-exits", "raise SystemExit(2)\nyield", "plugin", "failed in `map`: SystemExit: 2")
add(
    "executor",
    "close-raises",
    "def close(self):\n    raise OSError('still busy')",
    "warning",
    "failed in `close`",
    "still busy",
)
add("executor", "init-raises", "def __init__(self, config, threads=1):\n    raise OSError('none')", "plugin",
    "failed in set-up: OSError: none", early=True)  # fmt: skip
add("executor", "workers-is-a-text", "workers = 'many'", "result")

# What plugins change of the process

CHANGES = {
    "default-dtype": ("torch.set_default_dtype(torch.float64)", "torch's default dtype"),
    "default-device": ("torch.set_default_device('meta')", "torch's default device"),
    "threads": ("torch.set_num_threads(torch.get_num_threads() + 1)", "torch's number of threads"),
    "gradient-mode": ("torch.set_grad_enabled(False)", "torch's gradient mode"),
    "deterministic-flags": ("torch.use_deterministic_algorithms(True)", "torch's deterministic or precision flags"),
    "python-random": ("random.seed(3)", "Python's random state"),
    "numpy-random": ("np.random.seed(3)", "numpy's random state"),
    "torch-random": ("torch.manual_seed(3)", "torch's random state"),
    "numpy-errors": ("np.seterr(all='raise')", "numpy's handling of floating-point errors"),
    "warning-filters": ("import warnings; warnings.simplefilter('ignore')", "the warning filters"),
    "locale": ("import locale; locale.setlocale(locale.LC_ALL, OTHER)", "the locale"),
    "folder": ("import os; os.chdir('/')", "the working directory"),
    "environment": ("import os; os.environ['MINE'] = '1'", "the environment variables"),
    "signals": ("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)", "the signal handlers"),
    "recursion-limit": ("import sys; sys.setrecursionlimit(5000)", "the recursion limit"),
    "garbage-collector": ("import gc; gc.disable()", "the garbage collector"),
    "streams": ("import io, sys; sys.stdout = io.StringIO()", "sys.stdout or sys.stderr"),
}  # fmt: skip
_OTHER = "import locale as _locale\nOTHER = 'C' if _locale.setlocale(_locale.LC_ALL) != 'C' else 'C.UTF-8'"
for word, (code, said) in CHANGES.items():
    add("strategy", f"ask-changes-{word}", f"def candidates(self):\n    {code}\n    return super().candidates()", "warning",
        "strategy Mine ('mine' of acme 1.0) changed", said, before=_OTHER)  # fmt: skip
for kind, method, call in (
    ("strategy", "tell(self, outcomes)", "super().tell(outcomes)"),
    ("evaluator", "evaluate(self, candidates, context)", "super().evaluate(candidates, context)"),
    ("task", "splits(self, seed)", "super().splits(seed)"),
    ("task", "test(self, seed)", "super().test(seed)"),
    ("model", "build(self, input_shape, output_dim)", "super().build(input_shape, output_dim)"),
    ("primitive_set", "__init__(self, config=None)", "super().__init__(config)"),
    ("executor", "close(self)", "super().close()"),
):
    done = "" if "__init__" in method else "return "
    add(kind, f"{method.partition('(')[0].strip('_')}-changes-default-dtype",
        f"def {method}:\n    torch.set_default_dtype(torch.float64)\n    {done}{call}", "warning", "changed torch's default dtype")  # fmt: skip
add("strategy", "import-changes-default-dtype", "pass", "warning", "strategy 'mine' of acme 1.0 changed torch's default dtype",
    before="torch.set_default_dtype(torch.float64)")  # fmt: skip

# Objects by import path

METRIC = {"name": "wine", "metric": {"import": "MODULE:metric"}}
NETWORK = {"import": "MODULE:Net"}
importing("metric-raises", "def metric(raw, target):\n    raise ValueError('odd')", "evaluation", "metric 'thing_metric_raises:metric'",
          "ValueError: odd", task=METRIC)  # fmt: skip
importing(
    "metric-exits",
    "def metric(raw, target):\n    raise SystemExit(1)",
    "evaluation",
    "SystemExit: 1",
    task=METRIC,
)
importing(
    "metric-of-texts",
    "def metric(raw, target):\n    return '0.5'",
    "evaluation",
    "it returned '0.5'",
    task=METRIC,
)
importing(
    "metric-of-many",
    "def metric(raw, target):\n    return raw",
    "evaluation",
    "It must return one number",
    task=METRIC,
)
importing(
    "metric-of-nothing",
    "def metric(raw, target):\n    return None",
    "evaluation",
    "It must return one number",
    task=METRIC,
)
importing("metric-is-a-number", "metric = 3", "recipe", "is a int; expected a function", task=METRIC)
importing("metric-of-numpy", "import numpy as np\ndef metric(raw, target):\n    return np.float32((raw.argmax(-1) != target).float().mean())",
          "result", task=METRIC, early=False)  # fmt: skip
importing("metric-writes-into-its-arguments", "def metric(raw, target):\n    v = (raw.argmax(-1) != target).float().mean()\n"
          "    raw.zero_(); target.zero_()\n    return v", "result", task=METRIC, early=False)  # fmt: skip
importing("metric-is-missing", "x = 1", "recipe", "has no 'metric'", task=METRIC)
importing(
    "metric-breaks-at-import", "import no_such_module_here", "evaluation", "no_such_module_here", task=METRIC
)
importing("network-is-missing", "x = 1", "recipe", "model.import", "has no 'Net'", model=NETWORK)
importing(
    "network-is-no-module",
    "class Net:\n    pass",
    "recipe",
    "not derived from torch.nn.Module",
    model=NETWORK,
)
importing("network-raises", "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        1 / 0", "evaluation",
          "ZeroDivisionError", model=NETWORK)  # fmt: skip
importing("network-takes-other-options", "from torch import nn\nclass Net(nn.Module):\n    def __init__(self, depth):\n        pass",
          "recipe", "missing a required argument: 'depth'", model=NETWORK)  # fmt: skip
importing("network-fails-in-training-mode", "from torch import nn\nclass Net(nn.Linear):\n    def __init__(self, in_features, num_classes):\n"
          "        super().__init__(in_features, num_classes)\n    def forward(self, x):\n        assert not self.training\n"
          "        return super().forward(x)", "evaluation", "failed on 2 training rows", "AssertionError", model=NETWORK)  # fmt: skip
importing("network-of-other-outputs", "from torch import nn\ndef Net(in_features):\n    return nn.Linear(in_features, 7)", "evaluation",
          "expected (2, 3)", model=NETWORK)  # fmt: skip
importing(
    "task-is-no-task",
    "class Mine:\n    pass",
    "plugin-by-path",
    "is no task: expected a subclass",
    task={"import": "MODULE:Mine"},
)
importing("task-is-missing", "", "plugin-by-path", "has no 'Mine'", task={"import": "MODULE:Mine"})
importing(
    "task-breaks-at-import", "def broken(:", "plugin-by-path", "SyntaxError", task={"import": "MODULE:Mine"}
)
importing("import-changes-default-dtype", "import torch\ntorch.set_default_dtype(torch.float64)\nfrom torch import nn\n"
          "def Net(in_features, num_classes):\n    return nn.Linear(in_features, num_classes)", "warning",
          "changed torch's default dtype", model=NETWORK, early=False)  # fmt: skip
