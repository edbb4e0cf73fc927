"""Parsing in a child process: arrays come back, and whatever ends the child is an error that names the file."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from automl_loss import DataError, EvaluationError, parse_in_child, parsing_memory

PARSERS = """
import ctypes, os, sys, time
import numpy as np


def sound(path, count, kind):
    return {"a": np.arange(count, dtype=kind), "the b": np.array([["x", "yz"]]), "none": np.empty((0, 3))}


def lines(path):
    return {"lines": np.array(open(path).read().splitlines())}


def crash(path):
    ctypes.string_at(0)


def abort(path):
    os.abort()


def leave(path):
    os._exit(0)


def leave_with_code(path):
    sys.stderr.write("first\\nwhat it said last\\n")
    sys.stderr.flush()
    os._exit(7)


def exits(path):
    sys.exit("no")


def hang(path):
    time.sleep(60)


def hog(path):
    return {"a": np.ones(2**28)}


def panic(path):
    class PanicException(BaseException):
        pass
    raise PanicException("index out of bounds")


def objects(path):
    return {"a": np.array([{}, []], dtype=object)}


def wrong(path):
    raise ValueError("line 3 has no end.\\nand more")
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "parsers_for_tests.py").write_text(PARSERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "data.bin"
    path.write_text("one\ntwo")
    return path


def test_arrays_come_back_by_name_as_they_were(file: Path) -> None:
    found = parse_in_child("parsers_for_tests:sound", file, [5, "int16"])
    assert list(found) == ["a", "the b", "none"]
    assert found["a"].dtype == np.int16
    assert found["a"].tolist() == list(range(5))
    assert found["the b"].tolist() == [["x", "yz"]]
    assert found["none"].shape == (0, 3)
    found["a"][0] = 9  # it may be written to
    assert parse_in_child("parsers_for_tests:lines", file)["lines"].tolist() == ["one", "two"]


@pytest.mark.parametrize(
    ("parser", "said"),
    [
        ("crash", r"ended the process that did by signal SIGSEGV"),
        ("abort", r"by signal SIGABRT"),
        ("leave", r"with exit code 0 \(it left no message\)"),
        ("leave_with_code", r"with exit code 7 \(what it said last\)"),
        ("exits", r"SystemExit: no"),
        ("panic", r"PanicException: index out of bounds"),
        ("objects", r"ValueError: Object arrays cannot be saved"),
        ("wrong", r"ValueError: line 3 has no end\. Mend"),
    ],
)
def test_whatever_ends_the_parser_is_an_error_that_names_the_file(file: Path, parser: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as raised:
        parse_in_child(f"parsers_for_tests:{parser}", file)
    assert str(raised.value).startswith(f"{file} cannot be read: ")
    assert str(raised.value).endswith("Mend the file, or get it again.")
    assert raised.value.exit_code == 2
    assert isinstance(raised.value, EvaluationError)


def test_a_hang_ends_within_its_limit(file: Path) -> None:
    started = time.monotonic()
    with pytest.raises(DataError, match=rf"{re.escape(str(file))} was not read within 3 s"):
        parse_in_child("parsers_for_tests:hang", file, timeout_s=3)
    assert time.monotonic() - started < 50


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on address space is Linux's")
def test_memory_beyond_the_limit_is_an_error_that_says_how_much_there_is(file: Path) -> None:
    with pytest.raises(DataError, match=r"needs more than 0\.5 GiB of memory"):
        parse_in_child("parsers_for_tests:hog", file, memory_bytes=2**29)


def test_a_file_may_take_half_of_the_memory() -> None:
    assert parsing_memory() > 2**28


def test_a_script_without_a_main_guard_may_parse_in_a_child(file: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom automl_loss import parse_in_child\n"
        f"print('once', parse_in_child('parsers_for_tests:lines', Path({str(file)!r}))['lines'].tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "once ['one', 'two']\n"
