"""Loss files that are damaged, or were made to do harm: each is one error that names the file and the field."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from automl_loss.api import load_loss, read_loss
from automl_loss.cli import main
from automl_loss.errors import AutolossError, PluginError
from automl_loss.expression import parse
from automl_loss.losses import NeuralLoss, Problem, SymbolicLoss, loss_from_json
from automl_loss.losses.loss_file import LossFile

FIRST_VERSION = Path(__file__).parents[1] / "data" / "first-version"
SYMBOLIC: dict[str, Any] = json.loads((FIRST_VERSION / "best_loss.json").read_text())
NEURAL = {
    **SYMBOLIC,
    "loss": {"kind": "neural", "name": "ml3", "hidden": [2], "weights": [0.5] * 6, "scale": 1.0},
}
PRIOR = SYMBOLIC["problem"]["class_prior"]
HANDCRAFTED = {
    **SYMBOLIC,
    "loss": {
        "kind": "handcrafted",
        "name": "gce",
        "problem": "multiclass",
        "parameters": {"q": 0.5},
        "scale": 1.0,
        "prior": PRIOR,
    },
}
MISSING = object()
HUGE = 10**400


def changed(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The data with a field, `loss.weights.0`, set to a value or taken away."""
    data = copy.deepcopy(data)
    *way, last = path.split(".")
    node: Any = data
    for name in way:
        node = node[int(name) if isinstance(node, list) else name]
    if value is MISSING:
        del node[last]
    else:
        node[int(last) if isinstance(node, list) else last] = value
    return data


def refused(folder: Path, content: bytes) -> str:
    """The message of the error for a file of that content."""
    file = folder / "best_loss.json"
    file.write_bytes(content)
    with pytest.raises(AutolossError) as caught:
        load_loss(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert message.isprintable()
    assert len(message) < 2_000
    assert "Restore it from a copy" in message
    assert caught.value.exit_code == 1
    return message


FIELDS = [
    (SYMBOLIC, "schema", 2, "schema: is 2, and this version reads 1"),
    (SYMBOLIC, "schema", "1", "schema: must be a whole number"),
    (SYMBOLIC, "schema", True, "schema: must be a whole number from 1 to 2,147,483,648 but is true"),
    (SYMBOLIC, "loss", MISSING, "loss: is missing"),
    (SYMBOLIC, "loss", [1, 2], "loss: must be a mapping of names to values but is a list of 2 items"),
    (SYMBOLIC, "loss", None, "loss: must be a mapping of names to values but is null"),
    (SYMBOLIC, "loss.kind", "spectral", "loss.kind: unknown kind of loss 'spectral'; accepted are"),
    (SYMBOLIC, "loss.kind", ["symbolic"], "loss.kind: unknown kind of loss a list of 1 items"),
    (SYMBOLIC, "loss.expression", MISSING, "loss.expression: is missing"),
    (SYMBOLIC, "loss.expression", 5, "loss.expression: must be a text but is 5"),
    (SYMBOLIC, "loss.expression", "square(sub(y f))", "loss.expression: column 14 of 'square"),
    (SYMBOLIC, "loss.weights", [1.0] * 3, "loss.weights: must be 4 numbers, one for each node"),
    (SYMBOLIC, "loss.weights", "1234", "loss.weights: must be a list of numbers but is '1234'"),
    (SYMBOLIC, "loss.weights", {"0": 1.0}, "loss.weights: must be a list of numbers but is a mapping of 1"),
    (SYMBOLIC, "loss.weights.2", True, "loss.weights[2]: must be a number but is true"),
    (SYMBOLIC, "loss.weights.2", "1.0", "loss.weights[2]: must be a number but is '1.0'"),
    (SYMBOLIC, "loss.weights.2", float("nan"), "loss.weights[2]: must be a finite number but is nan"),
    (
        SYMBOLIC,
        "loss.weights.2",
        HUGE,
        "loss.weights[2]: must be a number in double precision but is a whole",
    ),
    (SYMBOLIC, "loss.scale", float("nan"), "loss.scale: must be a finite number but is nan"),
    (SYMBOLIC, "loss.scale", float("-inf"), "loss.scale: must be a finite number but is -inf"),
    (SYMBOLIC, "loss.scale", "2", "loss.scale: must be a number but is '2'"),
    (SYMBOLIC, "loss.scale", None, "loss.scale: must be a number but is null"),
    (SYMBOLIC, "loss.activation", "relu", "loss.activation: must be one of 'identity', 'softplus'"),
    (SYMBOLIC, "loss.weighted", 1, "loss.weighted: must be true or false but is 1"),
    (
        SYMBOLIC,
        "loss.prior",
        [0.5, 0.5],
        "loss.prior: must have as many shares as the problem has classes, 3",
    ),
    (SYMBOLIC, "loss.prior", [0.5, 0.5, 1.5], "loss.prior[2]: must be a share from 0 to 1 but is 1.5"),
    (SYMBOLIC, "loss.colour", "red", "loss: unknown field 'colour'; there are activation, "),
    (SYMBOLIC, "colour", "red", "the file: unknown field 'colour'; there are loss, origin,"),
    (SYMBOLIC, "origin", ["x"], "origin: must be a text"),
    (SYMBOLIC, "primitives", "evomal", "primitives: must be a mapping"),
    (SYMBOLIC, "primitives.name", 3, "primitives.name: must be a text"),
    (SYMBOLIC, "problem", [], "problem: must be a mapping of names to values but is a list of 0 items"),
    (
        SYMBOLIC,
        "problem.kind",
        "ranking",
        "problem.kind: must be one of 'multiclass', 'binary', 'regression'",
    ),
    (SYMBOLIC, "problem.kind", "regression", "problem.task_loss: must be one of 'mse'"),
    (SYMBOLIC, "problem.output_dim", "3", "problem.output_dim: must be a whole number from 2 to 1,000,000"),
    (SYMBOLIC, "problem.output_dim", 3.0, "problem.output_dim: must be a whole number"),
    (SYMBOLIC, "problem.output_dim", HUGE, "problem.output_dim: must be a whole number"),
    (SYMBOLIC, "problem.output_dim", 4, "problem.class_prior: must have a share for each of the 4 classes"),
    (SYMBOLIC, "problem.input_shape", 13, "problem.input_shape: must be a list of whole numbers but is 13"),
    (SYMBOLIC, "problem.input_shape", [1] * 17, "problem.input_shape: must be a list of at most 16"),
    (SYMBOLIC, "problem.input_shape", [0], "problem.input_shape[0]: must be a whole number from 1 to"),
    (SYMBOLIC, "problem.task_loss", "gce2", "problem.task_loss: must be one of 'cross_entropy'"),
    (SYMBOLIC, "problem.metric", "a\x1b[2J", "problem.metric: must be a text of printable characters"),
    (SYMBOLIC, "problem.class_prior.1", float("inf"), "problem.class_prior[1]: must be a finite number"),
    (SYMBOLIC, "problem.extra", 1, "problem: unknown field 'extra'"),
    (NEURAL, "loss.name", 5, "loss.name: must be a text but is 5"),
    (NEURAL, "loss.name", 'x"""\nimport os', "loss.name: must be a text of printable characters"),
    (NEURAL, "loss.hidden", ["2"], "loss.hidden[0]: must be a whole number from 1 to 1,000,000 but is '2'"),
    (NEURAL, "loss.hidden", [2, 3], "loss.weights: layers 2-2-3-1 need 13 weights but got 6"),
    (NEURAL, "loss.hidden", [10**6] * 64, "loss.weights: layers"),
    (NEURAL, "loss.hidden", [1] * 65, "loss.hidden: must be a list of at most 64 numbers but has 65"),
    (HANDCRAFTED, "loss.name", "gce2", "loss.name: must be one of 'cross_entropy'"),
    (HANDCRAFTED, "loss.parameters", [0.5], "loss.parameters: must be a mapping"),
    (HANDCRAFTED, "loss.parameters.q", "0.5", "loss.parameters.q: must be a number but is '0.5'"),
    (HANDCRAFTED, "loss.parameters.q", -1.0, "loss.parameters: gce takes q in (0, inf) but got -1"),
    (HANDCRAFTED, "loss.parameters.r\n\x1b", 1, "loss.parameters: unknown field 'r\\n\\x1b'"),
    (HANDCRAFTED, "loss.problem", "binary", "loss.problem: is 'binary', but problem.kind is 'multiclass'"),
]


@pytest.mark.parametrize(("data", "path", "value", "said"), FIELDS, ids=range(len(FIELDS)))
def test_a_wrong_field_is_named_with_its_value(
    tmp_path: Path, data: dict[str, Any], path: str, value: Any, said: str
) -> None:
    text = json.dumps(changed(data, path, value if value is not HUGE else "HUGE"))
    text = text.replace('"HUGE"', "1" + "0" * 400)
    assert said in refused(tmp_path, text.encode())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1, column 1: it is not JSON"),
        (json.dumps(SYMBOLIC).encode()[:100], "it is not JSON"),
        (json.dumps(SYMBOLIC).encode()[:-1], "it is not JSON"),
        (b"\xff\xfe\x00", "it is not text in UTF-8: byte 0 is 0xff"),
        ("\ufeff{}".encode(), "it is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[1, 2]", "the file: must be a mapping of names to values but is a list of 2 items"),
        (b"null", "the file: must be a mapping"),
        (b'{"loss": 1, "loss": 2}', "the name 'loss' occurs twice"),
        (b'{"schema": ' + b"1" * 5000 + b"}", "digits"),
        (b'"\\ud800"', "the file: must be a mapping"),
    ],
    ids=range(12),
)
def test_what_is_no_json_of_a_loss_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refused(tmp_path, content)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "best_loss.json"
    with file.open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(AutolossError, match="larger than 67,108,864 bytes"):
        read_loss(file)


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(AutolossError, match="it is not a regular file"):
            read_loss(place)


@pytest.mark.parametrize("count", [1_000, 20_000])
def test_a_deep_expression_is_read_and_evaluated(tmp_path: Path, count: int) -> None:
    loss = {**SYMBOLIC["loss"], "expression": "tanh(" * count + "sub(y, f)" + ")" * count, "weights": []}
    (tmp_path / "best_loss.json").write_text(json.dumps({**SYMBOLIC, "loss": loss}))
    read, _ = read_loss(tmp_path)
    assert read.complexity == count + 3


def test_a_primitive_of_a_missing_set_is_a_fault_of_plugins(tmp_path: Path) -> None:
    data = changed(changed(SYMBOLIC, "loss.expression", "cube(f)"), "primitives.name", "absent-set")
    (tmp_path / "best_loss.json").write_text(json.dumps(changed(data, "loss.weights", [])))
    with pytest.raises(PluginError, match="absent-set"):
        read_loss(tmp_path)
    data = changed(data, "primitives.name", "evomal")
    (tmp_path / "best_loss.json").write_text(json.dumps(data))
    with pytest.raises(
        AutolossError, match=r"best_loss.json: .*loss.expression: column 1 .*no primitive 'cube'"
    ):
        read_loss(tmp_path)


@pytest.mark.parametrize("data", [SYMBOLIC, NEURAL, HANDCRAFTED], ids=["symbolic", "neural", "handcrafted"])
def test_a_whole_file_is_read_as_it_was_written(tmp_path: Path, data: dict[str, Any]) -> None:
    (tmp_path / "best_loss.json").write_text(json.dumps(data))
    loss, problem = read_loss(tmp_path)
    assert loss.to_json() == data["loss"]
    assert problem == Problem("multiclass", (13,), 3, "cross_entropy", "error", tuple(PRIOR))
    older = {key: value for key, value in data.items() if key in ("loss", "problem")}
    assert LossFile.from_bytes(json.dumps(older).encode()).loss() == loss


def test_a_recorded_candidate_that_diverged_is_read() -> None:
    weights = (float("nan"), 1.0, float("inf"))
    for loss in (NeuralLoss("n", (1,), weights), SymbolicLoss(parse("sub(y, f)"), weights)):
        read = loss_from_json(json.loads(json.dumps(loss.to_json())))
        assert repr(read.weights) == repr(loss.weights)


@pytest.mark.parametrize("command", ["export", "report", "retrain", "landscape"])
def test_every_command_names_the_file_and_the_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    for file in FIRST_VERSION.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    result = json.loads((tmp_path / "result.json").read_text())
    result["test"]["returned"] = "found"
    (tmp_path / "result.json").write_text(json.dumps(result))
    (tmp_path / "best_loss.json").write_text(json.dumps(changed(SYMBOLIC, "loss.scale", "2")))
    assert main([command, str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "best_loss.json: " in said
    assert "loss.scale: must be a number but is '2'" in " ".join(said.split())
    assert "Traceback" not in said
    assert "bug" not in said


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,x,abc", "row 1, column fitness: must be a number or empty but is 'abc'"),
        ('"', "not a leaderboard"),
    ],
)
def test_top_names_the_row_and_the_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, said: str
) -> None:
    header = "rank,status,fitness,complexity,lr,seconds,expression"
    (tmp_path / "leaderboard.csv").write_text(f"{header if row != chr(34) else ''}\n{row}\n")
    assert main(["top", str(tmp_path)]) == 1
    said_ = " ".join(capsys.readouterr().err.split())
    assert said in said_
    assert "leaderboard.csv" in said_


@pytest.mark.parametrize(("to", "code"), [("latex", 1), ("sympy", 1), ("python", 0), ("json", 0)])
def test_a_loss_that_is_too_large_for_a_form_is_refused_with_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str, code: int
) -> None:
    loss = {**SYMBOLIC["loss"], "expression": "log(" * 1000 + "f" + ")" * 1000, "weights": []}
    (tmp_path / "best_loss.json").write_text(json.dumps({**SYMBOLIC, "loss": loss}))
    assert main(["export", str(tmp_path), "--to", to]) == code
    printed = capsys.readouterr()
    if code:
        assert "1,001 nodes and height 1,000" in printed.err
        assert "ython" in printed.err


def test_sympy_export_has_the_activation_and_the_scale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loss = {**SYMBOLIC["loss"], "activation": "softplus", "weights": [], "scale": 2.0}
    (tmp_path / "best_loss.json").write_text(json.dumps({**SYMBOLIC, "loss": loss}))
    assert main(["export", str(tmp_path), "--to", "sympy"]) == 0
    assert capsys.readouterr().out.strip() == "2.0*log(1 + exp(((y - f)**2)))"
