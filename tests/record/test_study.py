from __future__ import annotations

import json
import logging
from pathlib import Path

import optuna
import pytest

from automl_loss.errors import AutolossError, ResumeError
from automl_loss.record.study import open_study


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.db'}"


def test_a_study_is_made_once_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    made = open_study(path, "mine", None, resumed=False)
    made.study.set_user_attr("key", "value")
    found = open_study(path, "mine", None, resumed=True)
    assert found.study.user_attrs["key"] == "value"
    assert found.study.direction is optuna.study.StudyDirection.MINIMIZE


def test_a_run_that_was_killed_before_its_study_was_made_can_be_resumed(tmp_path: Path) -> None:
    assert open_study(tmp_path / "journal.log", "mine", None, resumed=True).study.user_attrs


def test_a_database_keeps_the_study(tmp_path: Path, url: str) -> None:
    made = open_study(tmp_path / "journal.log", "mine", url, resumed=False)
    made.study.set_user_attr("key", "value")
    found = open_study(tmp_path / "journal.log", "mine", url, resumed=True)
    assert found.study.user_attrs["key"] == "value"
    assert found.journal is None
    assert not (tmp_path / "journal.log").exists()


def test_a_new_run_never_takes_over_another_ones_study(tmp_path: Path, url: str) -> None:
    open_study(tmp_path / "a", "mine", url, resumed=False)
    with pytest.raises(
        AutolossError, match=r"there is a study 'mine' already\. Give the recipe another `name`"
    ):
        open_study(tmp_path / "b", "mine", url, resumed=False)
    open_study(tmp_path / "b", "other", url, resumed=False)


def test_another_programs_study_is_not_continued(tmp_path: Path, url: str) -> None:
    foreign = optuna.create_study(storage=url, study_name="mine")
    foreign.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(ResumeError, match="study 'mine' was not made by automl-loss"):
        open_study(tmp_path / "journal.log", "mine", url, resumed=True)
    assert foreign.user_attrs == {}


def test_a_study_of_another_layout_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    open_study(path, "mine", None, resumed=False).study.set_user_attr("automl_loss:schema", 99)
    with pytest.raises(ResumeError, match="has layout 99, and this version writes 1"):
        open_study(path, "mine", None, resumed=True)


def test_a_journal_whose_records_do_not_fit_together_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    open_study(path, "mine", None, resumed=False)
    content = path.read_text() + json.dumps({"op_code": 99, "worker_id": "w"}) + "\n"
    path.write_text(content)
    with pytest.raises(ResumeError, match=r"journal\.log: this is no journal that Optuna .* can read"):
        open_study(path, "mine", None, resumed=True)
    assert path.read_text() == content


@pytest.mark.parametrize(
    "url",
    ["nonsense", "sqlite:////no/such/folder/x.db", "nodatabase://user:secret@host/name", "redis://host"],
)
def test_a_storage_that_cannot_be_opened_is_explained_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(AutolossError, match="the storage cannot be used") as caught:
        open_study(tmp_path / "journal.log", "mine", url, resumed=False)
    assert "secret" not in str(caught.value)
    assert url.split("://")[0] in str(caught.value)


def test_optunas_logging_is_quiet_while_opening_and_then_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        with caplog.at_level(logging.DEBUG):
            open_study(tmp_path / "journal.log", "mine", None, resumed=False)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(before)
    assert "study created" not in caplog.text + "".join(capfd.readouterr())
