"""A value is taken out of all that is kept of a run; what else holds it is told."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from mlcli import checking, doctor
from mlcli.errors import InUse, Refused
from mlcli.lookup import find_version
from mlcli.scrubbing import scrub
from mlcli.workspace import Workspace

SECRET = "correct/horse battery"


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


SCRIPT = """
import os, subprocess, sys
print("a" * 1_048_570 + sys.argv[1], flush=True)
print("fine")
for name, text in (("leak.bin", "weights " + sys.argv[1]), ("fine.bin", "weights")):
    open(name, "w").write(text)
    subprocess.run(["mlcli", "log", "artifact", name], check=True)
"""


@pytest.fixture
def project(repo: Path, git) -> Path:
    """A repository with a script that prints its argument and keeps it."""
    (repo / "train.py").write_text(SCRIPT)
    (repo / ".gitignore").write_text("*.bin\nid\ndata.txt\n")
    git("add", "-A")
    git("commit", "-qm", "Train")
    return repo


@pytest.fixture
def ran(project: Path, mlcli):
    """Record a run whose argument, tag, note, output and artifact hold the value; its id."""

    def run(*options: str, value: str = SECRET) -> str:
        (project / "data.txt").write_text(f"x,{value}\n")
        done = mlcli(
            *("run", "--idfile", "id", "--tag", f"by={value}", "--note", f"see {value}", "-p", f"who={value}", *options),
            *("--input", "data.txt", "--keep-inputs", "--", sys.executable, "train.py", value),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return (project / "id").read_text().strip()

    yield run
    (project / "data.txt").unlink(missing_ok=True)


def holding(project: Path, value: str = SECRET) -> list[str]:
    """The files of the store that hold the value, as JSON spells it too."""
    forms = {value.encode(), json.dumps(value)[1:-1].encode()}
    files = (path for path in (project / ".mlruns").rglob("*") if path.is_file())
    return sorted(
        str(path.relative_to(project / ".mlruns")) for path in files if any(form in path.read_bytes() for form in forms)
    )


def told(mlcli, *arguments: str) -> dict:
    done = mlcli(*arguments, "--json")
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_a_value_is_taken_out_of_all_that_is_kept_of_a_run(project: Path, ran, mlcli, git) -> None:
    run_id = ran()
    (project / "data.txt").unlink()
    mlcli("ls", "--json")
    assert len(holding(project)) >= 4
    done = told(mlcli, "scrub", run_id, SECRET)
    assert {place["where"] for place in done["places"]} >= {
        "command",
        "note",
        "params",
        "tags",
        "output",
        "leak.bin",
        "data.txt",
    }
    assert holding(project) == []
    run = told(mlcli, "show", run_id)["run"]
    assert run["command"]["argv"][-1] == "***"
    assert run["tags"]["by"] == "***"
    assert run["note"] == "see ***"
    (scrub,) = run["scrubs"]
    assert (scrub["by"]["name"], len(scrub["objects"])) == ("Ada Lovelace", 2)
    log = next((project / ".mlruns").rglob("output.log")).read_bytes()
    assert log == b"a" * 1_048_570 + b"***\nfine\n"
    assert [path.name for path in (project / ".mlruns" / "runs").rglob("artifacts/*")] == ["fine.bin"]
    assert mlcli("doctor").returncode == 0


def test_the_value_may_come_on_standard_input_and_is_told_nowhere(project: Path, ran, mlcli) -> None:
    run_id = ran()
    dry = mlcli("scrub", run_id, "-", "--dry-run", input=f"{SECRET}\n")
    assert dry.stdout.startswith("would scrub ")
    assert len(holding(project)) >= 4
    done = mlcli("scrub", run_id, "-", input=f"{SECRET}\n")
    assert done.stdout.startswith("scrubbed ")
    assert SECRET not in done.stdout + done.stderr
    assert holding(project) == []


def test_what_is_derived_goes_too(project: Path, ran, mlcli) -> None:
    run_id = ran()
    (project / "data.txt").unlink()
    # An index is made where there are many runs, and keeps the bytes of what it no longer tells.
    (project / ".mlruns" / ".cache" / "index.sqlite").write_text(SECRET)
    (project / ".mlruns" / ".cache" / "index.sqlite-wal").write_text(SECRET)
    mlcli("scrub", run_id, SECRET)
    assert holding(project) == []
    shown = mlcli("show", run_id).stdout
    assert "scrubbed" in shown
    assert "by Ada Lovelace: " in shown


def test_what_is_nowhere_found_is_answered_by_no(ran, mlcli) -> None:
    run_id = ran()
    done = mlcli("scrub", run_id, "something else")
    assert (done.returncode, "the value is nowhere in run" in done.stderr) == (1, True)
    assert told(mlcli, "show", run_id)["run"]["scrubs"] == []


@pytest.mark.parametrize("value", ["abc", "****", "", "   "])
def test_what_would_be_found_everywhere_is_refused(value: str, ran, mlcli) -> None:
    run_id = ran()
    assert mlcli("scrub", run_id, "-", input=value).returncode == 2


def test_content_that_other_runs_share_goes_only_when_said_so(project: Path, ran, mlcli) -> None:
    first, second = ran(), ran()
    refused = mlcli("scrub", first, SECRET)
    assert (refused.returncode, second[:8] in refused.stderr, "--all" in refused.stderr) == (3, True, True)
    before = holding(project)
    assert mlcli("show", second).returncode == 0
    (project / "data.txt").unlink()
    done = told(mlcli, "scrub", first, SECRET, "--all")
    assert (done["also"], len(before) > 4) == ([second], True)
    assert holding(project) == []
    assert len(told(mlcli, "show", second)["run"]["scrubs"]) == 1


def test_a_version_without_the_value_stands_where_it_stood(project: Path, ran, mlcli, git) -> None:
    run_id = ran()
    (project / "data.txt").unlink()
    mlcli("register", "iris", f"{run_id}:fine.bin", "--why", f"as {SECRET}")
    mlcli("promote", "iris", "production")
    git("add", "-A")
    git("commit", "-qm", "Register")
    done = mlcli("scrub", run_id, SECRET)
    assert (done.returncode, "the registry as git has it" in done.stderr) == (1, True)
    assert "git filter-repo" in done.stderr
    assert holding(project) == []
    version = told(mlcli, "show", "iris@production")
    assert (version["version"]["number"], version["stage"]) == (1, "production")
    entries = told(mlcli, "history", "iris")["entries"]
    assert [(each["action"], each["version"]) for each in entries] == [("scrubbed", 1), ("moved", 1), ("registered", 1)]
    checked = mlcli("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert mlcli("promote", "iris@1", "archived").returncode == 0
    assert mlcli("rm", "iris@1").returncode == 0
    assert mlcli("restore", "iris@1").returncode == 0
    assert mlcli("doctor").returncode == 0


def test_a_version_whose_file_went_says_so(project: Path, ran, mlcli) -> None:
    run_id = ran()
    mlcli("register", "iris", f"{run_id}:leak.bin")
    mlcli("scrub", run_id, SECRET)
    (finding,) = [each for each in told(mlcli, "check")["findings"] if each["code"].startswith("artifact")]
    assert (finding["code"], "held a value that Ada Lovelace took out" in finding["message"]) == (
        "artifact-scrubbed",
        True,
    )


def test_what_git_holds_is_told_with_what_takes_it_out(project: Path, mlcli, git) -> None:
    (project / "settings.py").write_text(f"NAME = '{SECRET}'\n")
    mlcli("run", "--idfile", "id", "--", "true")
    run_id = (project / "id").read_text().strip()
    done = mlcli("scrub", run_id, SECRET)
    ref = git("for-each-ref", "--format=%(refname)", "refs/mlruns")
    assert (done.returncode, f"git update-ref -d {ref}" in done.stderr) == (1, True)
    (project / "settings.py").unlink()
    git("update-ref", "-d", ref)
    git("gc", "-q", "--prune=now")
    assert mlcli("scrub", run_id, SECRET).returncode == 1


def test_a_run_that_runs_is_not_scrubbed(record, workspace) -> None:
    running = record(name="r", status="running")
    with pytest.raises(InUse, match="it is running"):
        scrub(workspace, running.id, SECRET)


def test_what_lies_in_the_trash_is_told(project: Path, ran, mlcli) -> None:
    first = ran()
    (project / "data.txt").write_text("other\n")
    mlcli("register", "iris", f"{first}:fine.bin")
    mlcli("rm", "iris@1")
    done = mlcli("scrub", first, SECRET)
    assert (done.returncode, "mlcli gc --older-than 0" in done.stderr) == (1, True)
    mlcli("gc", "--older-than", "0")
    assert holding(project) == []


@pytest.mark.parametrize("value", ["12345678", "ünï-cödé!", 'with "quotes" and \\', "two\nlines here"])
def test_values_are_found_as_they_are_spelled(value: str, project: Path, ran, mlcli) -> None:
    run_id = ran(value=value)
    (project / "data.txt").unlink()
    done = mlcli("scrub", run_id, "-", input=value)
    assert done.returncode == 0, done.stderr
    assert holding(project, value) == []


KILLED = """
import os, signal, sys
left = int(sys.argv[1])
def hook(event, arguments):
    global left
    if event in {"os.rename", "os.link", "os.remove"}:
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
from mlcli.scrubbing import scrub
from mlcli.workspace import Workspace
workspace = Workspace.find()
sys.addaudithook(hook)
scrub(workspace, sys.argv[2], sys.argv[3])
"""


def test_a_scrub_that_was_killed_at_any_step_is_ended_by_another(project: Path, ran, mlcli) -> None:
    run_id = ran()
    (project / "data.txt").unlink()
    mlcli("register", "iris", f"{run_id}:fine.bin", "--why", f"as {SECRET}")
    mlcli("promote", "iris", "production")
    shutil.copytree(project / ".mlruns", project.parent / "before", symlinks=True)
    for step in range(1, 200):
        shutil.rmtree(project / ".mlruns")
        shutil.copytree(project.parent / "before", project / ".mlruns")
        done = subprocess.run([sys.executable, "-c", KILLED, str(step), run_id, SECRET], check=False)
        workspace = Workspace.find()
        with suppress(Refused):  # where the first had got that far
            scrub(workspace, run_id, SECRET)
        assert holding(project) == [], step
        assert checking.check(workspace).passed, step
        assert find_version(workspace, "iris@production").number == 1
        assert not [problem for problem in doctor.examined(workspace).problems if problem.serious], step
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
    assert step > 10
