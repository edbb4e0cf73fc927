"""The report of a tiny real run, of runs that are not finished, and of what is no run."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.recipes import tiny

from automl_loss import AutolossError, SymbolicLoss, parse
from automl_loss.cli import main
from automl_loss.recipe.yaml import dump
from automl_loss.report import write_report
from automl_loss.report.page import render_page
from automl_loss.report.run_view import RunView

LOADING = {"src", "srcset", "data", "poster", "action"}


class Reader(HTMLParser):
    """What a page says, refers to and would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "xlink:href", *LOADING):
                self.references.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def read(directory: Path) -> Reader:
    return Reader((directory / "report.html").read_text(encoding="utf-8"))


def test_a_run_ends_with_a_report_that_says_its_verdict(finished: Path) -> None:
    verdict = json.loads((finished / "result.json").read_text())["test"]["verdict"]
    assert verdict in read(finished).text


def test_the_page_loads_nothing(finished: Path) -> None:
    page = read(finished)
    assert page.references
    assert all(reference.startswith("#") for reference in page.references)
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    assert "@import" not in page.text
    assert not re.search(r"url\((?!#)", (finished / "report.html").read_text())


def test_ids_are_unique_and_every_reference_has_one(finished: Path) -> None:
    page = read(finished)
    assert len(page.ids) == len(set(page.ids))
    assert {reference.removeprefix("#") for reference in page.references} <= set(page.ids)


def test_every_figure_is_in_the_page_and_in_two_files(finished: Path) -> None:
    names = {path.stem for path in (finished / "figures").glob("*.svg")}
    assert {"test-values", "learning-rates", "loss-by-probability", "fitness-by-generation"} <= names
    assert {path.stem for path in (finished / "figures").glob("*.png")} == names <= set(read(finished).ids)
    for path in (finished / "figures").glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert all(p.read_bytes()[:4] == b"\x89PNG" for p in (finished / "figures").glob("*.png"))


def test_the_table_has_the_means_and_deviations_of_the_test(finished: Path) -> None:
    test = json.loads((finished / "result.json").read_text())["test"]
    for entry in (test["learned"], test["task_loss"]):
        assert f"{100 * entry['mean']:.2f} % ± {100 * entry['std']:.2f}" in read(finished).text


def test_the_command_writes_the_same_report_again_and_nothing_else(
    run_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in run_directory.rglob("*") if path.is_file()}
    (run_directory / "report.html").unlink()
    assert main(["report", str(run_directory)]) == 0
    assert capsys.readouterr().out == f"{run_directory / 'report.html'}\n"
    assert {path: path.read_bytes() for path in run_directory.rglob("*") if path.is_file()} == before


def test_an_unfinished_run_shows_what_there_is(run_directory: Path) -> None:
    (run_directory / "result.json").unlink()
    page = Reader(write_report(run_directory).read_text(encoding="utf-8"))
    assert "No result yet" in page.text
    assert "fitness-by-generation" in page.ids
    assert "test-values" not in page.ids


def test_a_record_whose_last_line_is_being_written_is_read(run_directory: Path) -> None:
    with (run_directory / "journal.log").open("a") as journal:
        journal.write('{"op_code": 4, "wor')
    assert len(RunView.read(run_directory).candidates) > 5
    assert (run_directory / "journal.log").read_text().endswith('{"op_code": 4, "wor')


def test_a_run_that_has_only_begun_has_a_report(run_directory: Path) -> None:
    for name in ("result.json", "leaderboard.csv", "journal.log", "best_loss.json"):
        (run_directory / name).unlink()
    page = Reader(write_report(run_directory).read_text(encoding="utf-8"))
    assert "has not finished its first generation" in page.text
    assert "figure" not in page.tags


def test_a_run_recorded_in_a_database_is_told_by_its_leaderboard(run_directory: Path) -> None:
    (run_directory / "journal.log").unlink()
    with (run_directory / "leaderboard.csv").open() as stream:
        trained = [row for row in csv.DictReader(stream) if row["fitness"] and row["id"] != "0"]
    text = Reader(render_page(RunView.read(run_directory), [])).text
    assert f"The best {len(trained)} of the search" in text


@pytest.mark.parametrize(
    "name", ["result.json", "best_loss.json", "leaderboard.csv", "journal.log", "recipe.yaml"]
)
def test_a_broken_file_is_named_with_a_remedy(run_directory: Path, name: str) -> None:
    (run_directory / name).write_text("[1\n[2\n")
    with pytest.raises(AutolossError, match=rf"{re.escape(name)}: .*cannot be read.*Restore it"):
        write_report(run_directory)


def test_a_result_of_another_schema_is_refused(run_directory: Path) -> None:
    data = json.loads((run_directory / "result.json").read_text())
    (run_directory / "result.json").write_text(json.dumps({**data, "schema": 2}))
    with pytest.raises(AutolossError, match="schema is 2"):
        write_report(run_directory)


def test_what_is_no_run_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(AutolossError, match=r"does not exist.*Name the folder"):
        write_report(tmp_path / "absent")
    (tmp_path / "file").touch()
    with pytest.raises(AutolossError, match="is a file"):
        write_report(tmp_path / "file")
    with pytest.raises(AutolossError, match=r"no recipe\.yaml"):
        write_report(tmp_path)


def test_the_command_fails_where_there_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "absent")]) == 1
    assert "absent: this is no run directory: it does not exist" in capsys.readouterr().err


def test_text_of_the_run_cannot_become_part_of_the_page(run_directory: Path) -> None:
    data = json.loads((run_directory / "result.json").read_text())
    data["test"]["verdict"] = "<script>alert(1)</script>"
    (run_directory / "result.json").write_text(json.dumps(data))
    page = Reader(render_page(RunView.read(run_directory), []))
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text


def test_a_run_that_diverged_has_a_report(run_directory: Path) -> None:
    data = json.loads((run_directory / "result.json").read_text())
    learned = data["test"]["learned"]
    learned.update(mean=None, std=None, values=[None, None])
    learned["lr_tried"] = [[lr, None] for lr, _ in learned["lr_tried"]]
    data["test"]["difference"].update(mean=None, ci95=[None, None], p_value=1.0)
    (run_directory / "result.json").write_text(json.dumps(data))
    text = Reader(write_report(run_directory).read_text(encoding="utf-8")).text
    assert "diverged" in text
    assert "2 diverged runs are not drawn" in text


def test_the_report_says_where_the_time_went_and_an_older_result_has_no_phases(run_directory: Path) -> None:
    page = (run_directory / "report.html").read_text(encoding="utf-8")
    data = json.loads((run_directory / "result.json").read_text(encoding="utf-8"))
    assert f"{data['search']['overhead']:.0%} was overhead" in page
    assert 'id="seconds-by-phase"' in page
    del data["phases"], data["search"]["workers"]
    (run_directory / "result.json").write_text(json.dumps(data))
    page = write_report(run_directory).read_text(encoding="utf-8")
    assert 'id="seconds-by-stage"' in page
    assert 'id="seconds-by-phase"' not in page


def test_a_run_writes_its_report_unless_it_is_told_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "small.yaml"
    recipe.write_text(dump(tiny(strategy={"name": "handcrafted", "losses": ["mae"]})))

    def written(name: str, *words: str) -> bool:
        assert main(["run", str(recipe), "-o", str(tmp_path / name), *words]) == 0
        there = (tmp_path / name / "report.html").exists()
        assert ("report.html" in capsys.readouterr().out) is there
        assert (tmp_path / name / "figures").exists() is there
        return there

    monkeypatch.setenv("AUTOLOSS_REPORT", "0")
    assert not written("by environment")
    assert written("asked for", "--report")
    monkeypatch.delenv("AUTOLOSS_REPORT")
    assert written("default")
    assert not written("left out", "--no-report")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("log(" * 10 + "f" + ")" * 10, "<svg"),
        ("log(" * 50 + "f" + ")" * 50, "too deeply nested to be typeset"),
        ("tanh(" * 3000 + "sub(y, f)" + ")" * 3000, "(3,003 nodes)"),
        ("mul(1e300, " * 20 + "exp(f)" + ")" * 20, "L(y, f) ="),
        ("square(" * 20 + "add(y, mul(1e10, f))" + ")" * 20, "L(y, f) ="),
        ("mul(0, f)", "L(y, f) ="),
        ("1e300", "1e+300"),
    ],
    ids=range(7),
)
def test_a_report_shows_a_deep_or_overflowing_loss(run_directory: Path, text: str, shown: str) -> None:
    best = json.loads((run_directory / "best_loss.json").read_text())
    result = json.loads((run_directory / "result.json").read_text())
    best["loss"] = SymbolicLoss(parse(text)).to_json()
    result["test"]["returned"] = "found"
    (run_directory / "best_loss.json").write_text(json.dumps(best))
    (run_directory / "result.json").write_text(json.dumps(result))
    page = write_report(run_directory).read_text(encoding="utf-8")
    card = page[page.index('<div class="card formula">') :]
    assert shown in card[: card.index("How to use it")]
