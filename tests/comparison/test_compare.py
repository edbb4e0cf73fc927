from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, NoReturn

import pytest

from autoloss_tasks.sklearn_tasks import Wine
from automl_loss import AutolossError, Interrupted, RecipeError, ResumeError, compare
from automl_loss.api import Compared
from automl_loss.cli import main
from automl_loss.comparison import runner
from automl_loss.comparison.cell import CellRecord, read_cell
from automl_loss.comparison.recipe import load_comparison
from automl_loss.comparison.report import write_comparison
from automl_loss.search.loop import SearchLoop

DEADLY = """
import os, signal
from automl_loss import SearchStrategy

class Deadly(SearchStrategy):
    "Ends its process."
    plugin_api = 1
    def ask(self):
        os.kill(os.getpid(), signal.SIGKILL)
    def tell(self, outcomes):
        pass
"""


def small(**changes: Any) -> dict[str, Any]:
    return {
        "name": "small",
        "compare": {
            "strategies": [
                {"name": "evomal", "population": 5, "generations": 2},
                {"label": "few", "name": "handcrafted", "losses": ["focal", "mae"]},
            ],
            "tasks": ["wine", {"label": "noisy", "name": "wine", "label_noise": 0.2}],
            "models": ["linear"],
            "seeds": 2,
            "budget": {"candidates": 6},
            "workers": 1,
            **changes,
        },
        "training": {"steps": 15, "lr": 0.05},
        "tuning": {"steps": 5},
        "finalists": {"count": 1, "seeds": 1, "steps": 15, "handcrafted": 0, "lr_factors": [1]},
        "retraining": {"seeds": 2, "steps": 15},
        # The limit that a comparison has by default makes each process of cells start another one.
        "executor": {"workers": 1, "timeout_s": None},
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    return compare(small(), directory=tmp_path_factory.mktemp("compare") / "run")


def test_every_cell_is_a_run_and_files_say_what_came_of_them(finished: Compared) -> None:
    data = json.loads((finished.directory / "comparison.json").read_text())
    assert data == json.loads(json.dumps(finished.data))
    assert [cell["status"] for cell in data["cells"]] == ["done"] * 8
    with (finished.directory / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert {row["strategy"] for row in rows} == {"evomal", "few"}
    first = finished.directory / "cells" / "wine--linear--evomal--0"
    assert json.loads((first / "result.json").read_text())["seed"] == 0
    for name in (
        "test",
        "fitness-by-candidates",
        "fitness-by-steps",
        "fitness-by-seconds",
        "filters",
        "cost",
    ):
        assert (finished.directory / "figures" / f"{name}.png").stat().st_size > 5000
    assert (
        f"| wine, linear | error | {means_of(finished, 'wine')} |"
        in (finished.directory / "comparison.md").read_text()
    )
    assert "tabular" in (finished.directory / "comparison.tex").read_text()
    assert "too few units" in (finished.directory / "report.html").read_text()


def means_of(finished: Compared, task: str) -> str:
    (setting,) = [each for each in finished.data["settings"] if each["task"] == task]
    return " | ".join(f"{each['mean']:.4g} ± {each['std']:.2g}" for each in setting["means"].values())


def test_strategies_are_paired_on_the_same_splits_and_judged_beside_the_same_task_loss(
    finished: Compared,
) -> None:
    by_unit: dict[tuple[str, int], set[float]] = {}
    for cell in finished.data["cells"]:
        by_unit.setdefault((cell["task"], cell["seed"]), set()).add(cell["task_loss"])
    assert all(len(values) == 1 for values in by_unit.values())


def test_a_comparison_judged_on_validation_asks_for_no_test_row(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def forbidden(self: Wine, seed: int) -> NoReturn:
        raise AssertionError("the test rows were asked for")

    monkeypatch.setattr(Wine, "test", forbidden)
    given = small(judge="validation", strategies=["random"], tasks=["wine"], seeds=2, workers=1)
    compared = compare(given, directory=tmp_path)
    data = compared.data
    kept = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("cells/*/cell.json"))]
    means = data["settings"][0]["means"]
    assert means["random"]["mean"] == pytest.approx(sum(cell["test"] for cell in kept) / 2)
    assert means["task loss"]["mean"] == pytest.approx(sum(cell["task_loss"] for cell in kept) / 2)
    assert kept[0]["rows"] == {"train": 79, "validation": 27, "test": 36, "drawn_afresh": False}
    assert data["settings"][0]["judged_to_training_rows"] == pytest.approx(36 / (79 + 27))
    assert {cell["test"] for cell in data["cells"]} == {None}
    assert [cell["validation"] for cell in data["cells"]] == [cell["test"] for cell in kept]
    assert (tmp_path / "figures" / "validation.png").exists()
    assert not (tmp_path / "figures" / "test.png").exists()
    assert "Validation metric" in (tmp_path / "report.html").read_text()


def test_a_unit_whose_training_diverged_counts_as_the_worst_of_its_unit(
    finished: Compared, tmp_path: Path
) -> None:
    comparison = load_comparison(small())
    records = [read_cell(cell, finished.directory / "cells") for cell in comparison.cells]
    first = records[0]
    assert first.data is not None
    records[0] = CellRecord(first.cell, {**first.data, "test": None, "test_values": [None, 0.1]})
    data = write_comparison(comparison, records, tmp_path)
    unit = [r.data for r in records if r.data and (r.cell.task, r.cell.seed) == ("wine", 0)][1:]
    worst = max(value for cell in unit for value in (cell["test"], cell["task_loss"]))
    other = next(r.data for r in records if r.cell.name == "wine--linear--evomal--1")
    assert other is not None
    summary = data["settings"][0]["means"]["evomal"]
    assert summary["mean"] == pytest.approx((worst + other["test"]) / 2)
    assert (summary["units"], summary["diverged"]) == (2, 1)
    assert (
        "wine, linear: training under evomal diverged in 1 unit(s)" in (tmp_path / "report.html").read_text()
    )


@pytest.mark.slow
def test_a_cell_that_ends_its_process_is_a_failed_one_and_harms_no_other(tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text(DEADLY)
    given = small(
        strategies=["random", {"label": "deadly", "name": "deadly"}], tasks=["wine"], seeds=1, workers=2
    )
    path = str(tmp_path / "deadly.py:Deadly")
    compared = compare(
        {**given, "plugins": [{"kind": "strategy", "name": "deadly", "path": path}]},
        directory=tmp_path / "run",
    )
    cells = {cell["strategy"]: cell for cell in compared.data["cells"]}
    assert (cells["random"]["status"], cells["deadly"]["status"]) == ("done", "failed")
    assert "was killed 3 times" in cells["deadly"]["message"]


def test_cells_have_a_generous_limit_of_time_unless_the_recipe_says_otherwise() -> None:
    given = small()
    assert {cell.recipe.executor_options.timeout_s for cell in load_comparison(given).cells} == {None}
    del given["executor"]
    cells = load_comparison(given).cells
    assert {cell.recipe.executor_options.timeout_s for cell in cells} == {600.0}
    assert {cell.recipe.executor.config.workers for cell in cells} == {1}
    given["executor"] = {"workers": 2}
    assert {cell.recipe.executor_options.timeout_s for cell in load_comparison(given).cells} == {600.0}


@pytest.mark.slow
def test_cells_under_a_limit_of_time_give_the_same_numbers(finished: Compared, tmp_path: Path) -> None:
    given = small()
    del given["executor"]
    limited = compare(given, directory=tmp_path)
    assert [cell["test"] for cell in limited.data["cells"]] == [
        cell["test"] for cell in finished.data["cells"]
    ]


@pytest.mark.parametrize("damage", ["half", "flipped bit", "list", "empty", "deep"])
def test_a_damaged_cell_is_named_and_counts_as_open(
    finished: Compared, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    cell = load_comparison(small()).cells[0]
    whole = (finished.directory / "cells" / cell.name / "cell.json").read_bytes()
    assert read_cell(cell, finished.directory / "cells").status == "done"
    (tmp_path / cell.name).mkdir()
    (tmp_path / cell.name / "cell.json").write_bytes(
        {
            "half": whole[: len(whole) // 2],
            "flipped bit": whole.replace(b'"test": 0.', b'"test": 1.', 1),
            "list": b"[]",
            "empty": b"",
            "deep": b"[" * 100_000,
        }[damage]
    )
    assert read_cell(cell, tmp_path).status == "open"
    assert f"{cell.name}/cell.json: this cell's result is damaged" in caplog.text


def test_a_cell_finished_before_an_option_came_to_be_stays_finished(
    finished: Compared, tmp_path: Path
) -> None:
    cell = load_comparison(small()).cells[0]
    data = json.loads((finished.directory / "cells" / cell.name / "cell.json").read_text())
    del data["recipe"]["finalists"]["redraw"]
    del data["digest"]
    (tmp_path / cell.name).mkdir()
    (tmp_path / cell.name / "cell.json").write_text(json.dumps(data))
    assert read_cell(cell, tmp_path).status == "done"
    data["recipe"]["finalists"]["redraw"] = True
    (tmp_path / cell.name / "cell.json").write_text(json.dumps(data))
    with pytest.raises(ResumeError, match="differs in finalists"):
        read_cell(cell, tmp_path)


def test_few_units_claim_nothing_and_say_so(finished: Compared) -> None:
    assert {row["verdict"] for row in finished.data["primary"]} == {"too few units"}
    assert finished.data["power"]["smallest_wilcoxon_p"] == 0.5
    assert "a claim needs 10" in finished.data["sentences"][0]
    assert len(finished.data["primary"]) == 2


def test_finished_cells_are_never_run_again_and_new_ones_are_added(
    tmp_path: Path, finished: Compared
) -> None:
    folder = tmp_path / "run"
    one = small(seeds=1)
    compare(one, directory=folder)
    stamps = {file: file.stat().st_mtime_ns for file in folder.glob("cells/*/result.json")}
    assert len(stamps) == 4
    fresh: list[str] = []
    more = small()
    more["compare"]["strategies"].append({"name": "random", "population": 5, "generations": 2})

    def look(progress: runner.GridProgress) -> None:
        if progress.fresh:
            fresh.append(progress.fresh.cell.name)

    grown = compare(more, look, directory=folder, resume=True)
    assert len(fresh) == 12 - 4
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps
    whole = {(c["strategy"], c["task"], c["seed"]): c["test"] for c in finished.data["cells"]}
    again = {(c["strategy"], c["task"], c["seed"]): c["test"] for c in grown.data["cells"]}
    assert {key: again[key] for key in whole} == whole


def test_an_interrupted_comparison_goes_on(tmp_path: Path, finished: Compared) -> None:
    def stop(progress: runner.GridProgress) -> None:
        if sum(record.status == "done" for record in progress.records) == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="--resume"):
        compare(small(), stop, directory=tmp_path / "run")
    result = compare(small(), directory=tmp_path / "run", resume=True)
    assert [c["test"] for c in result.data["cells"]] == [c["test"] for c in finished.data["cells"]]


def test_the_report_of_a_comparison_that_was_interrupted_can_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(progress: runner.GridProgress) -> None:
        if sum(record.status == "done" for record in progress.records) == 2:
            raise KeyboardInterrupt

    place = tmp_path / "run"
    with pytest.raises(Interrupted):
        compare(small(), stop, directory=place)
    assert main(["report", str(place)]) == 0
    assert capsys.readouterr().out.strip().endswith("report.html")
    data = json.loads((place / "comparison.json").read_text())
    assert [cell["status"] for cell in data["cells"]].count("done") == 2
    assert "6 of 8 cells are not finished" in data["sentences"][0]


def test_ctrl_c_within_a_cell_ends_the_comparison_and_the_cell_goes_on(
    tmp_path: Path, finished: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "run")
    monkeypatch.setattr(SearchLoop, "_finish_generation", interrupt_in_second_generation(SearchLoop))
    with pytest.raises(Interrupted, match="autoloss compare"):
        compare(small(), directory=place)
    monkeypatch.undo()
    assert not list(Path(place).glob("cells/*/cell.json"))
    result = compare(small(), directory=place, resume=True)
    assert [c["test"] for c in result.data["cells"]] == [c["test"] for c in finished.data["cells"]]


def interrupt_in_second_generation(loop: type[SearchLoop]) -> Any:
    """`_finish_generation`, in which Ctrl-C is pressed the second time."""
    original, calls = loop._finish_generation, []

    def finish(self: SearchLoop) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        original(self)

    return finish


def test_a_changed_recipe_is_refused_on_resume(tmp_path: Path) -> None:
    compare(small(seeds=1), directory=tmp_path / "run")
    changed = small(seeds=1)
    changed["training"]["steps"] = 16
    with pytest.raises(ResumeError, match=r"differs in training"):
        compare(changed, directory=tmp_path / "run", resume=True)


def test_two_processes_give_what_one_gives(tmp_path: Path, finished: Compared) -> None:
    two = compare(small(workers=2), directory=tmp_path / "run")
    assert [c["test"] for c in two.data["cells"]] == [c["test"] for c in finished.data["cells"]]


def test_a_strategy_without_a_valid_loss_keeps_the_task_loss_and_a_broken_one_is_shown(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text(
        '"""Strategies that do not work."""\n'
        "from automl_loss import Candidate, SearchStrategy, SymbolicLoss, parse\n\n\n"
        "class Useless(SearchStrategy):\n"
        '    """Asks for a constant."""\n\n'
        "    plugin_api = 1\n    done = False\n\n"
        "    def ask(self):\n"
        "        if self.done:\n            return []\n        self.done = True\n"
        '        return [Candidate(1, SymbolicLoss(parse("mul(y, 1)")), 0)]\n\n'
        "    def tell(self, outcomes):\n        pass\n\n\n"
        "class Broken(Useless):\n"
        '    """Raises."""\n\n'
        "    plugin_api = 1\n\n"
        "    def ask(self):\n        raise RuntimeError('no luck today')\n"
    )
    recipe = small(
        strategies=["useless", "broken", {"label": "few", "name": "handcrafted", "losses": ["focal"]}],
        tasks=["wine"], control="few",
    )  # fmt: skip
    recipe["plugins"] = [
        {"kind": "strategy", "name": name, "path": f"{tmp_path}/mine.py:{name.title()}"}
        for name in ("useless", "broken")
    ]
    result = compare(recipe, directory=tmp_path / "run")
    status = {(c["strategy"], c["seed"]): c["status"] for c in result.data["cells"]}
    assert status["useless", 0] == "no_candidate"
    assert status["broken", 0] == "failed"
    means = result.data["settings"][0]["means"]
    assert means["useless"]["mean"] == means["task loss"]["mean"]
    assert means["broken"] == {"mean": None, "std": None, "units": 0, "diverged": 0}
    assert any("cells failed" in line for line in result.data["sentences"])
    assert "no luck today" in (tmp_path / "run" / "report.html").read_text()
    rerun: list[str] = []
    compare(
        recipe,
        lambda p: rerun.append(p.fresh.cell.strategy) if p.fresh else None,
        directory=tmp_path / "run",
        resume=True,
    )
    assert rerun == ["broken", "broken"]
    directory = tmp_path / "run"
    words = ["compare", str(directory / "recipe.yaml"), "-o", str(directory), "--resume", "-q"]
    assert main(words) == AutolossError.exit_code == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"strategies": ["evomal", {"name": "evomal", "population": 9}]},
            "2 entries are called 'evomal'.*label",
        ),
        ({"strategies": ["evomall"]}, r"compare.strategies\[0\].*Did you mean 'evomal'"),
        ({"strategies": [{"name": "evomal", "populaton": 9}]}, "populaton"),
        ({"strategies": ["random"], "control": "evomal"}, "no strategy 'evomal' in random"),
        ({"tasks": []}, "tasks"),
        ({"seeds": 0}, "seeds"),
        ({"strategies": [3]}, "expected a name"),
        ({"strategies": [{"label": "a b", "name": "evomal"}]}, "label of letters"),
    ],
)
def test_a_wrong_comparison_is_refused_with_the_place(changes: dict[str, Any], message: str) -> None:
    from automl_loss import AutolossError

    with pytest.raises(AutolossError, match=message):
        load_comparison(small(**changes))


def test_run_and_compare_point_at_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("task: {name: wine}\n")
    assert main(["compare", str(file)]) == 2
    assert "autoloss run" in capsys.readouterr().err
    file.write_text("compare: {strategies: [evomal], tasks: [wine]}\n")
    assert main(["run", str(file)]) == 2
    assert "autoloss compare" in capsys.readouterr().err


def test_a_strategy_that_does_not_apply_is_found_before_anything_runs(tmp_path: Path) -> None:
    recipe = small(strategies=[{"name": "handcrafted", "losses": ["huber"]}])
    with pytest.raises(RecipeError, match="handcrafted on wine: strategy: losses"):
        compare(recipe, directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_command_prints_a_table_and_what_is_supported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(json.dumps(small(seeds=1)))
    assert main(["compare", "recipe.yaml"]) == 0
    text = capsys.readouterr().out
    assert "4/4 cells" in text
    assert "task loss" in text
    assert "a claim needs 10" in text
    assert main(["compare", "recipe.yaml", "--dry-run"]) == 0
    assert "4 cells: 2 strategies x 2 tasks x 1 models x 1 seeds" in capsys.readouterr().out
    assert Path("runs/small/recipe.yaml").exists()
    assert main(["compare", "runs/small/recipe.yaml", "-o", "runs/small", "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == 1


@pytest.mark.parametrize("name", ["compare-dev", "compare-small", "compare-published", "compare-full"])
def test_shipped_comparisons_load(name: str) -> None:
    loaded = load_comparison(name)
    assert len(loaded.seeds) == 10
    assert loaded.control == "evomal"
