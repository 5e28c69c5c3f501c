"""The first bad commit, in histories of every shape, by recorded runs and by new ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlcli import tracking
from mlcli.bisection import Bisected, Hunt, Judged, Limit, Measured, bisect
from mlcli.errors import CannotRepeat, GitError, MlcliError, NotFound
from mlcli.workspace import Workspace

BIN = Path(sys.executable).parent
LEAST = Limit(metric="accuracy", least=0.9)


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


@pytest.fixture
def step(repo: Path, git) -> Callable[..., str]:
    """Commit a train.sh that logs an accuracy, or does what it is told; the commit."""

    def make(what: float | str, message: str = "Step") -> str:
        text = f"mlcli log metric accuracy={what}\n" if isinstance(what, float) else what
        (repo / "train.sh").write_text(f"{text}# {message} {len(git('log', '--oneline', '--all').splitlines())}\n")
        git("add", "-A", ":!.mlruns")
        git("commit", "-qm", message)
        return git("rev-parse", "HEAD")

    return make


@pytest.fixture
def ran(mlcli, git, repo: Path) -> Callable[..., str]:
    """Run train.sh at a commit, as a user would; the run's id."""

    def run(commit: str, *options: str, command: tuple[str, ...] = ("sh", "train.sh")) -> str:
        git("checkout", "-q", commit)
        mlcli("run", *options, "--", *command)
        git("checkout", "-q", "main")
        return tracking.find_runs(Workspace(str(repo)), limit=1).runs[0].id

    return run


def hunt(good: str, bad: str, **more) -> Hunt:
    return Hunt(**{"limit": LEAST, "good": good, "bad": bad, **more})


def short(found: Bisected) -> list[tuple[str, Judged, bool]]:
    return [(each.commit, each.judged, each.recorded) for each in found.measured]


GOOD, BAD, SKIPPED = Judged


def test_the_first_bad_commit_is_found_by_halving(repo, step, ran, machine, git) -> None:
    commits = [step(value) for value in (0.95, 0.95, 0.95, 0.95, 0.95, 0.7, 0.7, 0.7)]
    first, last = ran(commits[0]), ran(commits[-1])
    workspace = Workspace(str(repo))

    found = bisect(workspace, hunt(commits[0], commits[-1]))

    assert (found.first_bad.commit, found.first_bad.value, found.before.commit, found.before.value) == (
        commits[5], 0.7, commits[4], 0.95,
    )  # fmt: skip
    assert [(each.run_id, each.recorded) for each in found.measured[:2]] == [(first, True), (last, True)]
    assert len(found.measured) <= 2 + 3
    assert (found.candidates, len(git("worktree", "list").splitlines())) == ([], 1)
    assert not os.listdir(machine / "home" / ".cache" / "mlcli" / "worktrees")


def test_what_was_run_once_is_not_run_again(repo, step, ran) -> None:
    commits = [step(value) for value in (0.95, 0.95, 0.95, 0.7, 0.7)]
    ran(commits[0])
    workspace = Workspace(str(repo))
    once = bisect(workspace, hunt(commits[0], "main"))
    runs = workspace.store.run_ids()

    twice = bisect(workspace, hunt(commits[0], "main"))

    assert workspace.store.run_ids() == runs
    assert [each.recorded for each in twice.measured] == [True] * len(twice.measured)
    assert (twice.first_bad.commit, twice.first_bad.run_id) == (commits[3], once.first_bad.run_id)


def test_a_run_of_it_tells_its_commit_and_why_it_was_made(repo, step, ran) -> None:
    commits = [step(value) for value in (0.95, 0.95, 0.7, 0.7)]
    ran(commits[0], "--experiment", "iris", "-p", "depth=3")
    workspace = Workspace(str(repo))

    found = bisect(workspace, hunt(commits[0], commits[-1]))

    [run] = [workspace.store.run(each.run_id) for each in found.measured if each.commit == commits[2]]
    assert (run.git.commit, run.git.dirty, run.git.branch, run.experiment, run.note, run.reproduces) == (
        commits[2], False, None, "iris", "mlcli bisect of accuracy", None,
    )  # fmt: skip
    assert {key: param.value for key, param in run.params.items()} == {"depth": 3}


def test_a_greatest_value_is_a_limit_too(repo, step, ran) -> None:
    commits = [step(f"mlcli log metric loss={value}\n") for value in (0.1, 0.1, 0.4, 0.4)]
    ran(commits[0])

    found = bisect(Workspace(str(repo)), hunt(commits[0], "main", limit=Limit(metric="loss", most=0.2)))

    assert (found.first_bad.commit, found.first_bad.value) == (commits[2], 0.4)


@pytest.mark.parametrize(
    ("limit", "value", "good"),
    [
        (LEAST, 0.9, True), (LEAST, 0.89, False), (LEAST, float("nan"), False), (LEAST, float("inf"), True),
        (Limit(metric="l", most=1.0), 1.0, True), (Limit(metric="l", most=1.0), 1.1, False),
        (Limit(metric="l", most=1.0), float("nan"), False), (Limit(metric="l", least=0.0), 0.0, True),
    ],
)  # fmt: skip
def test_a_value_on_the_limit_is_good_and_nan_never(limit: Limit, value: float, good: bool) -> None:
    assert limit.allows(value) is good


def test_commits_whose_runs_fail_are_passed_over(repo, step, ran) -> None:
    values = (0.95, "exit 1\n", 0.95, "exit 1\n", 0.95, 0.7, "true\n", 0.7)
    commits = [step(value) for value in values]
    ran(commits[0])

    found = bisect(Workspace(str(repo)), hunt(commits[0], "main"))

    assert (found.first_bad.commit, found.before.commit) == (commits[5], commits[4])


def test_where_commits_cannot_be_measured_the_candidates_are_told(repo, step, ran) -> None:
    commits = [step(value) for value in (0.95, 0.95, "exit 1\n", "exit 1\n", 0.7, 0.7)]
    ran(commits[0])

    found = bisect(Workspace(str(repo)), hunt(commits[0], "main"))

    assert (found.first_bad, sorted(found.candidates), found.candidates[-1]) == (
        None,
        sorted(commits[2:5]),
        commits[4],
    )


def test_a_merge_is_looked_into(repo, step, ran, git) -> None:
    good = step(0.95)
    git("checkout", "-qb", "side")
    (repo / "side.txt").write_text("1")
    git("add", "side.txt")
    git("commit", "-qm", "Side good")
    (repo / "bad.txt").write_text("1")
    git("add", "bad.txt")
    git("commit", "-qm", "Side bad")
    bad = git("rev-parse", "HEAD")
    git("checkout", "-q", "main")
    for number in (1, 2, 3):
        (repo / f"main{number}.txt").write_text("1")
        git("add", "-A", ":!.mlruns")
        git("commit", "-qm", f"Main {number}")
    git("merge", "-q", "--no-edit", "side")
    git("commit", "-q", "--allow-empty", "-m", "After")
    command = ["sh", "-c", "test -e bad.txt && v=0.1 || v=0.95; mlcli log metric accuracy=$v"]

    found = bisect(Workspace(str(repo)), hunt(good, "main", command=command))

    assert found.first_bad.commit == bad


def test_ends_may_be_runs_versions_tags_and_branches(repo, step, ran, git, mlcli) -> None:
    commits = [step(value) for value in (0.95, 0.95, 0.7)]
    run = ran(commits[0], "--name", "start")
    git("tag", "v1", commits[0])
    workspace = Workspace(str(repo))

    found = [bisect(workspace, hunt(good, "main")).first_bad.commit for good in (run, "start", "v1", commits[0][:8])]

    assert found == [commits[2]] * 4


def test_only_runs_of_the_same_command_and_params_from_clean_code_count(repo, step, ran, mlcli) -> None:
    commits = [step(value) for value in (0.95, 0.95, 0.7, 0.7)]
    ran(commits[0])
    ran(commits[1], "-p", "depth=3")
    ran(commits[1], command=("sh", "train.sh", "--fast"))
    (repo / "train.sh").write_text("mlcli log metric accuracy=0.1\n")
    mlcli("run", "--", "sh", "train.sh")
    (repo / "train.sh").write_text("mlcli log metric accuracy=0.7\n")

    found = bisect(Workspace(str(repo)), hunt(commits[0], commits[3]))

    assert found.first_bad.commit == commits[2]
    assert sorted(short(found)) == sorted(
        [(commits[0], GOOD, True), (commits[1], GOOD, False), (commits[2], BAD, False), (commits[3], BAD, False)]
    )


def test_another_command_may_be_run_in_the_directory_it_is_given_in(repo, step) -> None:
    commits = [step(value) for value in (0.95, 0.95, 0.7)]
    (repo / "sub").mkdir()

    found = bisect(Workspace(str(repo)), hunt(commits[0], "main", command=["sh", "../train.sh"], cwd="sub"))

    assert (found.first_bad.commit, [each.recorded for each in found.measured]) == (commits[2], [False] * 3)


def test_a_rehearsal_runs_nothing_and_names_what_it_would_run(repo, step, ran) -> None:
    commits = [step(value) for value in (0.95, 0.95, 0.95, 0.95, 0.7, 0.7)]
    ran(commits[0])
    ran(commits[2])
    workspace = Workspace(str(repo))
    runs = workspace.store.run_ids()

    found = bisect(workspace, hunt(commits[0], "main", dry_run=True))

    assert (found.first_bad, set(found.untried), workspace.store.run_ids()) == (None, {*commits[3:]}, runs)
    assert short(found) == [(commits[0], GOOD, True), (commits[2], GOOD, True)]


def test_a_rehearsal_of_what_is_recorded_in_full_finds_it(repo, step, ran) -> None:
    commits = [step(value) for value in (0.95, 0.7)]
    first, last = ran(commits[0]), ran(commits[1])

    found = bisect(Workspace(str(repo)), hunt(commits[0], "main", dry_run=True))

    bad = Measured(commit=commits[1], judged=BAD, run_id=last, value=0.7, recorded=True)
    good = Measured(commit=commits[0], judged=GOOD, run_id=first, value=0.95, recorded=True)
    assert found == Bisected(limit=LEAST, first_bad=bad, before=good, measured=[good, bad])


def test_an_input_that_git_ignores_is_put_into_every_worktree(repo, step, ran) -> None:
    (repo / ".gitignore").write_text("data\n")
    (repo / "data").write_text("0.")
    commits = [step(f"mlcli log metric accuracy=$(cat data){digits}\n") for digits in (95, 95, 70, 70)]
    run = ran(commits[0], "--input", "data")
    workspace = Workspace(str(repo))

    found = bisect(workspace, hunt(commits[0], "main"))

    assert found.first_bad.commit == commits[2]
    inputs = workspace.store.run(run).inputs
    assert [workspace.store.run(each.run_id).inputs for each in found.measured] == [inputs] * len(found.measured)


def test_an_input_that_git_holds_is_that_of_each_commit(repo, step, ran, git) -> None:
    commits = []
    for value in ("0.95", "0.95", "0.7"):
        (repo / "data").write_text(value)
        commits.append(step("mlcli log metric accuracy=$(cat data)\n"))
    ran(commits[0], "--input", "data")

    assert bisect(Workspace(str(repo)), hunt(commits[0], "main")).first_bad.commit == commits[2]


def test_what_cannot_be_bisected_is_said_before_anything_runs(repo, step, ran, git) -> None:
    commits = [step(value) for value in (0.95, 0.7)]
    ran(commits[0])
    git("checkout", "-q", "--orphan", "island")
    git("commit", "-q", "--allow-empty", "-m", "Island")
    git("checkout", "-q", "-b", "side", commits[0])
    step(0.5)
    git("checkout", "-q", "main")
    workspace = Workspace(str(repo))
    runs = workspace.store.run_ids()
    told = []
    for good, bad in (
        ("main", "main"),
        ("main", commits[0]),
        ("side", "main"),
        ("island", "main"),
        ("nothing", "main"),
    ):
        with pytest.raises(MlcliError) as refused:
            bisect(workspace, hunt(good, bad))
        told.append((refused.value.message, refused.value.exit_code))
    with pytest.raises(NotFound) as unknown:
        bisect(workspace, hunt(commits[0], "main", limit=Limit(metric="f1", least=0.5)))

    assert told == [
        (f"main and main are the same commit {commits[1][:7]}", 3),
        (f"main comes after {commits[0]}: the good commit is to be the earlier one", 3),
        ("side is no ancestor of main", 3),
        ("island is no ancestor of main", 3),
        ("no run matches 'nothing'", 3),
    ]
    assert unknown.value.message == f"no run with f1 is recorded at {commits[0]} or main"
    assert workspace.store.run_ids() == runs


def test_ends_that_are_not_as_they_were_said_to_be_are_refused(repo, step, ran) -> None:
    commits = [step(value) for value in (0.8, 0.95, "exit 1\n")]
    ran(commits[0])
    ran(commits[1])
    workspace = Workspace(str(repo))
    told = []
    for good, bad in ((commits[0], commits[2]), (commits[0], commits[1]), (commits[1], commits[2])):
        with pytest.raises(MlcliError) as refused:
            bisect(workspace, hunt(good, bad))
        told.append(refused.value.message)

    assert told == [
        f"{commits[0]} is not good: accuracy is 0.8 there",
        f"{commits[0]} is not good: accuracy is 0.8 there",
        f"{commits[2]} is not bad: its run logged no accuracy, or failed",
    ]


def test_a_command_with_masked_secrets_is_not_run_again(repo, step, ran) -> None:
    commits = [step(value) for value in (0.95, 0.95, 0.7)]
    ran(commits[0], command=("sh", "train.sh", "--password", "hunter2"))

    with pytest.raises(CannotRepeat):
        bisect(Workspace(str(repo)), hunt(commits[0], "main"))


def test_a_commit_that_is_not_here_is_an_error(repo, step, ran, git, machine, workspace) -> None:
    commits = [step(value) for value in (0.95, 0.7)]
    ran(commits[0], "--name", "start")
    git("clone", "-q", "--depth", "1", f"file://{repo}", str(machine / "clone"))
    (repo / ".mlruns").rename(machine / "clone" / ".mlruns")

    with pytest.raises(GitError) as missing:
        bisect(Workspace(str(machine / "clone")), hunt("start", "main"))

    assert missing.value.hint == "git fetch --unshallow"


def test_an_interrupted_bisection_leaves_no_worktree_and_goes_on_where_it_stopped(
    repo, step, ran, machine, git
) -> None:
    waits = f"test -e {machine}/wait && echo running && exec sleep 60\n"
    commits = [step(0.95), step(f"{waits}mlcli log metric accuracy=0.95\n"), step(0.7)]
    ran(commits[0])
    (machine / "wait").touch()
    process = subprocess.Popen(
        [str(BIN / "mlcli"), "bisect", "--metric", "accuracy", "--min", "0.9", commits[0], "main"], cwd=repo,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    for line in process.stderr:
        if line == b"running\n":
            break
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    left = os.listdir(machine / "home" / ".cache" / "mlcli" / "worktrees"), git("worktree", "list").count("\n")
    (machine / "wait").unlink()

    found = bisect(Workspace(str(repo)), hunt(commits[0], "main"))

    assert (process.returncode, out, left) == (130, b"", ([], 0))
    assert (found.first_bad.commit, short(found)) == (
        commits[2],
        [(commits[0], GOOD, True), (commits[2], BAD, True), (commits[1], GOOD, False)],
    )
