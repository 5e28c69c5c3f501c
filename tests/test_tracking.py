"""The life of a run: begun, logged to, ended, found."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlcli import registry, tracking
from mlcli.domain.run import Artifact, Model, Param, ParamSource, RunStatus
from mlcli.domain.source import Person
from mlcli.errors import AlreadyLogged, InvalidName, InvalidValue, NoStore, UsageError
from mlcli.workspace import Workspace


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


def content_of(workspace) -> dict[str, bytes]:
    """Every file of the store but its cache."""
    return {
        str(path): path.read_bytes()
        for path in Path(workspace.store.root).rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


def names(found) -> list[str]:
    return [run.name for run in found.runs]


@pytest.fixture
def running(record):
    """A run that has begun and was not ended."""
    return record(name="r", status="running")


# A life


def test_a_run_is_recorded_with_what_it_was_made_from(record, git, workspace):
    run = record(name="baseline", argv=("python", "train.py", "--password", "hunter2"))
    assert (run.id, run.name, run.name_given, run.experiment, run.status) == (
        "3f2a9c1d" + "0" * 24, "baseline", True, "default", RunStatus.FINISHED,
    )  # fmt: skip
    assert (run.command.argv, run.command.cwd, run.command.masked) == (
        ["python", "train.py", "--password", "***"],
        ".",
        1,
    )
    assert (run.git.commit, run.git.branch, run.git.subject, run.git.dirty) == (
        git("rev-parse", "HEAD"),
        "main",
        "Start",
        False,
    )
    assert (run.user, run.seconds) == (Person(name="Ada Lovelace", email="ada@example.com"), 1.0)
    assert workspace.store.run(run.id) == run


def test_the_store_does_not_make_the_next_run_dirty(record):
    assert [record(files={"a": "x"}).git.dirty, record().git.dirty] == [False, False]


def test_a_run_without_a_name_is_given_one(record):
    run = record()
    assert (run.name, run.name_given) == ("gentle-lark", False)


@pytest.mark.parametrize("name", ["", " ", "x" * 251])
def test_a_run_that_cannot_be_called_so_is_not_begun(record, workspace, name: str):
    with pytest.raises(InvalidName):
        record(name=name)
    assert workspace.store.run_ids() == []


def test_a_run_ends_with_what_its_command_said(running, workspace):
    run = tracking.finish(workspace, running.id, RunStatus.KILLED, exit_code=137, signal=9, reason="out of memory")
    assert (run.status, run.exit_code, run.signal, run.reason) == (RunStatus.KILLED, 137, 9, "out of memory")


def test_a_status_that_was_said_outright_stays_when_the_command_ends_well(running, workspace):
    tracking.mark(workspace, running.id, RunStatus.FAILED)
    assert tracking.finish(workspace, running.id, RunStatus.FINISHED).status is RunStatus.FAILED


def test_a_name_of_the_command_line_is_not_replaced_by_the_program(record, workspace):
    given, free = record(name="mine"), record()
    told = [tracking.rename(workspace, run.id, "theirs").name for run in (given, free)]
    assert told == ["mine", "theirs"]


def test_a_run_is_moved_to_another_experiment(record, workspace):
    assert tracking.move_to_experiment(workspace, record().id, "churn").experiment == "churn"
    with pytest.raises(InvalidName):
        tracking.move_to_experiment(workspace, workspace.store.run_ids()[0], "../../x")


# Params


def test_params_keep_their_json_type(running, workspace):
    values = {
        "lr": 0.1,
        "depth": 10,
        "warm": True,
        "name": "x",
        "none": None,
        "layers": [1, 2],
        "nested": {"a": 1},
        "inf": math.inf,
    }
    tracking.log_params(workspace, running.id, values)
    kept = {key: param.value for key, param in workspace.store.run(running.id).params.items()}
    assert kept == {**values, "inf": "Infinity"}


def test_the_same_param_twice_is_accepted(running, workspace):
    tracking.log_params(workspace, running.id, {"lr": 0.1, "bad": math.nan})
    tracking.log_params(workspace, running.id, {"lr": 0.1, "bad": math.nan, "depth": 1})
    assert sorted(workspace.store.run(running.id).params) == ["bad", "depth", "lr"]


@pytest.mark.parametrize("again", [0.2, "0.1", True, None, [0.1]])
def test_a_param_with_another_value_is_refused_and_nothing_is_written(running, workspace, again):
    tracking.log_params(workspace, running.id, {"lr": 0.1})
    before = content_of(workspace)
    with pytest.raises(AlreadyLogged, match=r"param 'lr' was logged as '0.1' and cannot become"):
        tracking.log_params(workspace, running.id, {"new": 1, "lr": again})
    assert content_of(workspace) == before


def test_what_the_program_logs_replaces_what_was_guessed_from_its_command_line(running, workspace):
    tracking.log_params(workspace, running.id, {"lr": "0.1"}, ParamSource.COMMAND_LINE)
    tracking.log_params(workspace, running.id, {"lr": 0.2})
    assert workspace.store.run(running.id).params == {"lr": Param(0.2, ParamSource.LOGGED)}


def test_a_param_that_cannot_be_named_is_refused_with_all_that_came_with_it(running, workspace):
    with pytest.raises(InvalidName):
        tracking.log_params(workspace, running.id, {"good": 1, "a=b": 2})
    assert workspace.store.run(running.id).params == {}


# Metrics


def test_a_metric_is_kept_with_its_history(running, workspace):
    for_steps = [(0, 0.5), (1, 0.3), (2, math.nan)]
    [tracking.log_metrics(workspace, running.id, {"loss": value}, step=step) for step, value in for_steps]
    run = tracking.finish(workspace, running.id, RunStatus.FINISHED)
    metric = run.metrics["loss"]
    assert (str(metric.last), metric.step, metric.min, metric.min_step, metric.max, metric.count) == (
        "nan",
        2,
        0.3,
        1,
        0.5,
        3,
    )
    assert [(point.step, str(point.value)) for point in workspace.store.points(run.id, "loss")] == [
        (0, "0.5"), (1, "0.3"), (2, "nan"),
    ]  # fmt: skip


def test_a_metric_of_a_run_that_has_ended_is_counted_at_once(record, workspace):
    run = record(metrics={"loss": [0.5, 0.4]})
    tracking.log_metrics(workspace, run.id, {"loss": 0.1, "late": 1}, step=2, live=False)
    told = workspace.store.run(run.id).metrics
    assert (told["loss"].last, told["loss"].count, told["late"].last) == (0.1, 3, 1.0)


@pytest.mark.parametrize("values", [{"loss": "low"}, {"loss": None}, {"good": 1, "a=b": 1}, {"": 1}])
def test_metrics_of_which_one_is_bad_are_refused_together(running, workspace, values):
    with pytest.raises(UsageError):
        tracking.log_metrics(workspace, running.id, values)
    assert workspace.store.points(running.id) == []


def test_a_run_whose_history_was_cut_is_counted_again(record, workspace):
    run = record(metrics={"loss": [0.5, 0.4]})
    workspace.store.add_points(run.id, workspace.store.points(run.id))
    tracking.recount(workspace, run.id)
    assert workspace.store.run(run.id).metrics["loss"].count == 4


# Tags, notes, artifacts


def test_tags_are_set_replaced_and_removed(running, workspace):
    tracking.set_tags(workspace, running.id, {"team": "a", "stage": "x"})
    tracking.set_tags(workspace, running.id, {"team": "b"})
    assert tracking.remove_tags(workspace, running.id, ["stage", "none"]).tags == {"team": "b"}


def test_a_note_is_replaced(running, workspace):
    tracking.set_note(workspace, running.id, "one")
    assert tracking.set_note(workspace, running.id, "two").note == "two"


def test_an_artifact_logged_again_replaces_the_one_before(running, workspace, tmp_path: Path):
    (tmp_path / "a").write_text("one")
    tracking.log_artifact(workspace, running.id, str(tmp_path / "a"), "out/a")
    (tmp_path / "a").write_text("three")
    tracking.log_artifact(workspace, running.id, str(tmp_path / "a"), "out/a")
    run = workspace.store.run(running.id)
    assert [(file.path, file.size) for file in run.artifacts] == [("out/a", 5)]
    assert Path(workspace.store.artifacts_directory(run.id), "out/a").read_text() == "three"


def test_the_content_of_a_directory_may_lie_at_the_top(running, workspace, tmp_path: Path):
    (tmp_path / "out" / "plots").mkdir(parents=True)
    (tmp_path / "out" / "plots" / "roc").write_text("x")
    kept = tracking.log_artifact(workspace, running.id, str(tmp_path / "out"), "")
    assert [file.path for file in kept] == ["plots/roc"]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", "C:x", "con"])
def test_an_artifact_that_would_leave_its_place_is_refused(running, workspace, tmp_path: Path, path: str):
    (tmp_path / "a").write_text("x")
    before = content_of(workspace)
    with pytest.raises(InvalidName):
        tracking.log_artifact(workspace, running.id, str(tmp_path / "a"), path)
    assert content_of(workspace) == before


def test_an_artifact_that_is_not_there_is_told(running, workspace):
    with pytest.raises(InvalidValue, match="no such file or directory: 'none'"):
        tracking.log_artifact(workspace, running.id, "none", "x")


def test_a_model_logged_again_replaces_all_files_of_the_one_before(running, workspace, tmp_path: Path):
    described = Model(path="model", flavor="joblib", python_class="builtins.str", digest="")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "old").write_text("1")
    tracking.log_model(workspace, running.id, str(tmp_path / "m"), described)
    (tmp_path / "m" / "old").rename(tmp_path / "m" / "new")
    model = tracking.log_model(workspace, running.id, str(tmp_path / "m"), described)
    run = workspace.store.run(running.id)
    assert ([file.path for file in run.artifacts], run.models) == (["model/new"], [model])
    assert model.digest == workspace.store.digest_of(str(tmp_path / "m"))


# Finding and removing


def test_runs_are_found_by_filter_order_and_number(story, workspace):
    assert names(tracking.find_runs(workspace)) == ["dirty", "broken", "second", "first"]
    assert names(tracking.find_runs(workspace, "metrics.accuracy > 0.95")) == ["dirty", "second"]
    assert names(tracking.find_runs(workspace, "git.dirty = true or status = 'failed'")) == ["dirty", "broken"]
    assert names(tracking.find_runs(workspace, sort="params.depth", limit=2)) == ["first", "broken"]
    assert names(tracking.find_runs(workspace, sort="metrics.accuracy:desc")) == ["dirty", "second", "first", "broken"]


def test_before_the_first_run_there_is_no_store_and_none_is_made(workspace, repo: Path):
    with pytest.raises(NoStore, match="no runs were recorded in") as caught:
        tracking.find_runs(workspace)
    assert (caught.value.hint, (repo / ".mlruns").exists()) == ("mlcli run -- python train.py", False)


# A process that dies

DIES = """
import os, signal, sys
from mlcli import capture, tracking
from mlcli.workspace import Workspace
workspace = Workspace.find()
source = capture.collect(["python", "train.py"], root=workspace.root, cwd=workspace.root, environ=os.environ, at=workspace.now())
run = tracking.begin(workspace, source, tracking.Given(name="dies"))
tracking.log_params(workspace, run.id, {"depth": 5})
tracking.log_metrics(workspace, run.id, {"loss": 0.5}, step=0)
tracking.log_metrics(workspace, run.id, {"loss": 0.25}, step=1)
open("plot.txt", "w").write("x")
tracking.log_artifact(workspace, run.id, "plot.txt", "plot.txt")
print(run.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_whose_process_was_killed_is_listed_as_killed_with_all_it_logged(repo: Path):
    done = subprocess.run([sys.executable, "-c", DIES], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    workspace = Workspace.find()
    [run] = tracking.find_runs(workspace, "status = 'killed' and metrics.loss < 0.3").runs
    assert (run.id, run.name, run.reason) == (
        done.stdout.strip(),
        "dies",
        "its process vanished before it could end the run",
    )
    assert (run.params["depth"].value, run.metrics["loss"].last, run.metrics["loss"].count) == (5, 0.25, 2)
    assert run.artifacts == [Artifact(path="plot.txt", size=1, digest=workspace.store.digest_of("plot.txt"))]
    assert tracking.find_runs(workspace, "status = 'running'").runs == []


def test_a_run_of_another_machine_is_taken_to_run(running, workspace):
    assert workspace.store.run(running.id).status is RunStatus.RUNNING


LOGS = """
import sys
from mlcli import tracking
from mlcli.workspace import Workspace
workspace = Workspace.find()
for step in range(20):
    tracking.log_metrics(workspace, sys.argv[1], {"loss": step, sys.argv[2]: 1}, step=step)
tracking.log_params(workspace, sys.argv[1], {f"p{sys.argv[2]}": 1})
tracking.set_tags(workspace, sys.argv[1], {f"t{sys.argv[2]}": "x"})
"""


def test_many_processes_log_to_one_run_and_nothing_is_lost(running, workspace):
    workers = [subprocess.Popen([sys.executable, "-c", LOGS, running.id, str(at)]) for at in range(4)]
    assert [worker.wait() for worker in workers] == [0, 0, 0, 0]
    run = tracking.finish(workspace, running.id, RunStatus.FINISHED)
    assert (run.metrics["loss"].count, sorted(run.params), sorted(run.tags)) == (
        80, ["p0", "p1", "p2", "p3"], ["t0", "t1", "t2", "t3"],
    )  # fmt: skip
    assert {run.metrics[str(at)].count for at in range(4)} == {20}


def test_registering_needs_no_run_of_this_clone_to_be_kept(story, workspace):
    version = registry.register(workspace, "churn", "dirty").version
    os.rename(workspace.store.files.path("runs"), workspace.store.files.path("gone"))
    assert workspace.store.version("churn", 1) == version
