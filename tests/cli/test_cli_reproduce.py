"""mlcli reproduce, checkout and bisect as they are typed: screens, JSON, exit codes, and what goes where."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from contract import faults_of
from msgspec.structs import replace
from terminal import in_terminal

from mlcli import tracking
from mlcli.domain.reproduction import Verdict
from mlcli.domain.run import Run
from mlcli.workspace import Workspace


@pytest.fixture
def run(repo: Path, mlcli, git) -> Callable[..., Run]:
    """Commit train.sh, run it, and give the run."""

    def make(text: str, *options: str, name: str = "first") -> Run:
        (repo / "train.sh").write_text(text)
        git("add", "-A", ":!.mlruns")
        git("commit", "-q", "--allow-empty", "-m", "Train")
        mlcli("run", "--name", name, *options, "--", "sh", "train.sh")
        return newest(repo)

    return make


def newest(repo: Path) -> Run:
    return tracking.find_runs(Workspace(str(repo)), limit=1).runs[0]


LOGS = "echo out\necho err >&2\nmlcli log metric accuracy=0.9\necho made > out.txt\nmlcli log artifact out.txt\n"


def test_stdout_is_the_answer_and_stderr_has_what_the_command_prints(repo, run, mlcli) -> None:
    original = run(LOGS)

    done = mlcli("reproduce", "first")

    again = newest(repo)
    code = (original.git.commit or "")[:7]
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            f'  code       = {code} "Train"',
            "  metrics    = 1 metric",
            "  artifacts  = 1 artifact",
            f"identical: {again.id[:8]} first-again and {original.id[:8]} first",
        ],
    )
    assert done.stderr.splitlines() == [
        f"mlcli run {again.id[:8]} first-again · makes {original.id[:8]} again, in a worktree of {code}",
        "out",
        "err",
    ]
    log = repo / ".mlruns" / "runs" / again.id[:2] / again.id / "output.log"
    assert log.read_text() == "out\nerr\n"


def test_a_difference_is_told_with_both_figures_and_exits_1(repo, run, mlcli, machine) -> None:
    original = run(
        f"n=$(cat {machine}/n 2>/dev/null || echo 0)\necho 1 > {machine}/n\nmlcli log metric same=1 loss=0.$n only$n=1\n"
        f"test $n = 0 || mlcli log metric loss=0.1 --step 1\necho $n > out.txt\nmlcli log artifact out.txt\n"
    )

    done = mlcli("reproduce", "first")

    again = newest(repo)
    digests = [re.escape(f"sha256:{each.artifacts[0].digest[7:19]}") for each in (original, again)]
    assert (done.returncode, done.stdout.splitlines()[1:]) == (
        1,
        [
            "  metrics    = 1 metric",
            "             ≠ loss 0.0 → 0.1 (+0.1)",
            "             ≠ steps of loss 1 → 2",
            "             ≠ only0 1.0 → absent",
            "             ≠ only1 absent → 1.0",
            f"  artifacts  ≈ out.txt {digests[0]} → {digests[1]}",
            f"different: {again.id[:8]} first-again and {original.id[:8]} first",
        ],
    )


def test_what_is_impossible_is_one_line_with_a_hint_and_exits_3(repo, run, mlcli) -> None:
    (repo / ".gitignore").write_text("data\n")
    (repo / "data").write_text("1")
    original = run("true\n", "--input", "data")
    (repo / "data").unlink()

    done = mlcli("reproduce", "first")

    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (
        3,
        "",
        [
            f"mlcli: error: run {original.id[:8]} cannot be made again: input 'data' is gone, and no copy of it was kept",
            f"hint: bring it back with the digest {original.inputs[0].digest[:19]}…; "
            "mlcli run --keep-inputs would have kept a copy",
        ],
    )


def test_every_package_that_differs_is_told(repo, mlcli) -> None:
    mlcli("run", "--name", "first", "--", "python", "train.py")
    workspace, original = Workspace(str(repo)), newest(repo)
    packages = {**original.environment.packages, "aaa-gone": "1.0", "msgspec": "0.0.1"}
    del packages["tinydb"]
    recorded = replace(original.environment, python="3.1.4", packages=packages)
    workspace.store.change_run(original.id, lambda run: replace(run, environment=recorded))

    done = mlcli("reproduce", "first")

    now = original.environment
    assert (done.returncode, done.stdout.splitlines()[1:-1]) == (
        0,
        [
            f"  env        ≠ python 3.1.4 → {now.python}",
            "             ≠ aaa-gone 1.0 → absent",
            f"             ≠ msgspec 0.0.1 → {now.packages['msgspec']}",
            f"             ≠ tinydb absent → {now.packages['tinydb']}",
        ],
    )


def test_inputs_and_what_is_not_there_are_told(repo, mlcli, git) -> None:
    (repo / ".gitignore").write_text("data\n")
    git("add", "-A")
    git("commit", "-qm", "Ignore")
    (repo / "data").mkdir()
    for name in ("a", "b"):
        (repo / "data" / name).write_text(name)
    (repo / ".env").write_text("TOKEN=1")
    mlcli("run", "--name", "first", "--input", "data", "--", "sh", "-c", "cat data/*")
    commit = (newest(repo).git.commit or "")[:7]

    done = mlcli("reproduce", "first")

    assert done.stdout.splitlines()[:3] == [
        f'  code       = {commit} "Ignore" + uncommitted .env',
        "             ≠ not there: .env",
        "  inputs     = 2 files (from workspace)",
    ]
    assert "by their exit codes alone" in done.stdout.splitlines()[3]


def test_reproduce_json_is_exact(repo, run, mlcli, machine) -> None:
    original = run(f"test -e {machine}/again && v=2 || v=1\ntouch {machine}/again\nmlcli log metric loss=$v\n")

    done = mlcli("reproduce", "first", "--json")

    answer = json.loads(done.stdout)
    assert (done.returncode, faults_of(answer)) == (1, [])
    assert answer == {
        "schema": "mlcli.reproduction/1", "verdict": "different", "reason": None, "hint": None,
        "original": original.id, "run": newest(repo).id, "commit": original.git.commit, "tolerance": 1e-9,
        "differences": [{"group": "metrics", "key": "loss", "recorded": 1.0, "again": 2.0, "tolerated": False}],
        "compared": {"metrics": 1, "models": 0, "artifacts": 0}, "inputs": [], "environment": "current",
        "packages": [], "absent": [], "kept": None,
    }  # fmt: skip


def test_reproduce_json_of_the_impossible_is_exact(repo, run, mlcli) -> None:
    (repo / "data").write_text("1")
    (repo / ".gitignore").write_text("data\n")
    original = run("true\n", "--input", "data")
    (repo / "data").write_text("2")

    done = mlcli("reproduce", "first", "--json", "--tolerance", "0.5")

    answer = json.loads(done.stdout)
    assert (done.returncode, done.stderr, faults_of(answer)) == (3, "", [])
    assert answer == {
        "schema": "mlcli.reproduction/1", "verdict": "impossible",
        "reason": "input 'data' is not as it was, and no copy of it was kept",
        "hint": f"bring it back with the digest {original.inputs[0].digest[:19]}…; "
        "mlcli run --keep-inputs would have kept a copy",
        "original": original.id, "run": None, "commit": original.git.commit, "tolerance": 0.5, "differences": [],
        "compared": {"metrics": 0, "models": 0, "artifacts": 0}, "inputs": [], "environment": "current",
        "packages": [], "absent": [], "kept": None,
    }  # fmt: skip


def test_show_and_lineage_tell_how_often_a_run_was_reproduced(repo, run, mlcli) -> None:
    original = run("true\n")
    told = []
    for _ in range(2):
        mlcli("reproduce", "first")
        told.append(again_line(mlcli("show", "first").stdout))
    workspace = Workspace(str(repo))
    made = workspace.store.run(original.id).reproductions
    mixed = [*made, replace(made[0], run_id="0" * 32, verdict=Verdict.DIFFERENT)]
    workspace.store.change_run(original.id, lambda run: replace(run, reproductions=mixed))
    told.append(again_line(mlcli("show", "first").stdout))
    lineage = mlcli("lineage", "first").stdout

    assert told == [
        "reproduced once, identical",
        "reproduced 2 times, identical",
        "reproduced 3 times: 2 identical, 1 different",
    ]
    assert "again reproduced 3 times: 2 identical, 1 different" in lineage
    assert f"reproduces {original.id[:8]}, identical" in mlcli("show", "first-again").stdout
    answers = [json.loads(mlcli(verb, "first", "--json").stdout) for verb in ("show", "lineage")]
    assert [faults_of(answer) for answer in answers] == [[], []]
    assert answers[0]["reproductions"] == answers[1]["links"][0]["reproductions"]
    assert sorted(each["verdict"] for each in answers[0]["reproductions"]) == ["different", "identical", "identical"]


def again_line(text: str) -> str:
    return next(line for line in text.splitlines() if "again " in line).partition("again")[2].strip()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("reproduce",), "Missing argument 'REF'"),
        (("reproduce", "nothing"), "no run matches 'nothing'"),
        (("reproduce", "first", "--tolerance", "-1"), "the tolerance is relative, from 0 to 1, not -1.0"),
        (("reproduce", "first", "--tolerance", "much"), "Invalid value for '--tolerance'"),
        (("reproduce", "first", "--env", "other"), "Invalid value for '--env'"),
        (("checkout", "nothing"), "no run matches 'nothing'"),
        (("checkout", "first", "--force"), "--force goes with --remove"),
        (("checkout", "--remove", "first"), "is not there"),
        (("bisect", "main"), "Missing argument 'BAD'"),
        (("bisect", "main", "main"), "--metric is missing"),
        (("bisect", "main", "main", "--metric", "a"), "say either --min or --max"),
        (("bisect", "main", "main", "--metric", "a", "--min", "1", "--max", "2"), "say either --min or --max"),
        (("bisect", "main", "main", "--metric", "a", "--min", "much"), "Invalid value for '--min'"),
        (("bisect", "main", "main", "--metric", "a", "--min", "1"), "main and main are the same commit"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_a_hint(repo, run, mlcli, arguments: tuple[str, ...], told: str) -> None:
    run("true\n")

    done = mlcli(*arguments)

    lines = done.stderr.splitlines()
    assert (done.stdout, len(lines), lines[0].startswith("mlcli: error: "), told in lines[0]) == ("", 2, True, True)
    assert lines[1].startswith("hint: ")
    usage = told.startswith(("Missing", "Invalid", "the tolerance", "--", "say"))
    assert done.returncode == (2 if usage else 3)


def test_without_a_store_there_is_nothing_to_reproduce(repo, mlcli) -> None:
    done = mlcli("reproduce", "first")

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 2)


def test_a_failed_reproduction_hints_at_files_that_git_ignores(repo, run, mlcli) -> None:
    (repo / ".gitignore").write_text("data\n")
    (repo / "data").write_text("1")
    run("cat data\n")

    done = mlcli("reproduce", "first")

    assert (done.returncode, done.stdout.splitlines()[1]) == (1, "  ended      ≠ finished → failed with exit code 1")
    assert done.stderr.splitlines()[-1].startswith("hint: files that git ignores are not in a worktree")


@pytest.mark.terminal
def test_on_a_terminal_it_ends_with_the_next_command(repo, run) -> None:
    original = run(LOGS)

    seen = in_terminal("mlcli --color never reproduce first")

    again = newest(repo)
    assert seen.exit_code == 0
    assert seen.text.splitlines()[-2:] == [
        f"identical: {again.id[:8]} first-again and {original.id[:8]} first",
        f"  next: mlcli compare {original.id[:8]} {again.id[:8]}",
    ]


def test_streams_that_lead_nowhere_are_no_trouble(repo, run, machine) -> None:
    run(LOGS)

    codes = [
        subprocess.run(["sh", "-c", f"mlcli reproduce first {closed}"], check=False, capture_output=True).returncode
        for closed in ("<&-", "2>/dev/null", ">/dev/null")
    ]

    assert codes == [0, 0, 0]


# checkout


def test_checkout_prints_the_directory_alone_so_that_cd_takes_it(repo, run, mlcli) -> None:
    original = run("true\n")
    there = repo.parent / f"project-{original.id[:8]}"

    done = subprocess.run(
        ["sh", "-c", 'cd "$(mlcli checkout first)" && pwd && ls'], check=False, capture_output=True, text=True
    )
    again = mlcli("checkout", "first")
    gone = mlcli("checkout", "--remove", "first")

    assert (done.stdout.splitlines(), done.stderr) == ([str(there), "train.py", "train.sh"], "")
    assert (again.stdout, again.stderr, again.returncode) == (f"{there}\n", "it is there already\n", 0)
    assert (gone.stdout, gone.stderr, gone.returncode, there.exists()) == ("", f"removed {there}\n", 0, False)


def test_checkout_json_is_exact(repo, run, mlcli) -> None:
    original = run("true\n")
    there = repo.parent / f"project-{original.id[:8]}"
    nothing = {"changed": [], "left_out": [], "nested": [], "missing": [], "unkept": None}

    answers = [json.loads(mlcli("checkout", *more, "first", "--json").stdout) for more in ((), (), ("--remove",))]

    assert [faults_of(answer) for answer in answers] == [[], [], []]
    assert answers == [
        {"schema": "mlcli.checkout/1", "directory": str(there), "commit": commit, "made": made, "removed": removed}
        | nothing
        for commit, made, removed in (
            (original.git.commit, True, False), (original.git.commit, False, False), (None, False, True),
        )
    ]  # fmt: skip


def test_what_a_checkout_does_not_hold_is_warned_of(repo, run, mlcli, git) -> None:
    nested = repo / "vendor"
    nested.mkdir()
    git("init", "-q", at=nested)
    (nested / "code.py").write_text("1")
    git("add", "-A", at=nested)
    git("commit", "-qm", "Start", at=nested)
    (repo / ".env").write_text("TOKEN=1")
    mlcli("run", "--name", "dirty", "--", "true")

    done = mlcli("checkout", "dirty")

    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    assert sorted(done.stderr.splitlines()) == [
        "mlcli: warning: a repository of its own is not in it: vendor",
        "mlcli: warning: the snapshot left out .env",
    ]


# bisect


@pytest.fixture
def history(repo: Path, mlcli, git) -> list[str]:
    """Four commits, of which the third is the first with an accuracy below 0.9; the first was run."""
    commits = []
    for number, value in enumerate((0.95, 0.95, 0.7, 0.7), 1):
        (repo / "train.sh").write_text(f"echo step {number}\nmlcli log metric accuracy={value}\n")
        git("add", "-A", ":!.mlruns")
        git("commit", "-qm", f"Step {number}", "--date", f"2026-11-0{number}T12:00:00Z")
        commits.append(git("rev-parse", "HEAD"))
        if number == 1:
            mlcli("run", "--", "sh", "train.sh")
    return commits


SOUGHT = ("bisect", "--metric", "accuracy", "--min", "0.9")


def test_bisect_tells_the_first_bad_commit(repo, history, mlcli) -> None:
    done = mlcli(*SOUGHT, history[0], "main")

    runs = {run.git.commit: run.id[:8] for run in tracking.find_runs(Workspace(str(repo))).runs}
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            f"first bad commit {history[2]}",
            "  subject    Step 3",
            "  author     Ada Lovelace <ada@example.com>",
            "  date       2026-11-03 12:00",
            "  metric     accuracy 0.95 → 0.7 (min 0.9)",
            f"  runs       {runs[history[1]]} → {runs[history[2]]}",
        ],
    )
    ran = [line for line in done.stderr.splitlines() if line.startswith("step ")]
    assert (ran[0], sorted(ran)) == ("step 4", ["step 2", "step 3", "step 4"])


def test_bisect_json_is_exact(repo, history, mlcli) -> None:
    mlcli(*SOUGHT, history[0], "main")
    runs = {run.git.commit: run.id for run in tracking.find_runs(Workspace(str(repo))).runs}

    done = mlcli(*SOUGHT, history[0], "main", "--json")

    answer = json.loads(done.stdout)
    measured = {
        commit: {"commit": commit, "judged": judged, "run_id": runs[commit], "value": value, "recorded": True}
        for commit, judged, value in zip(history, ("good", "good", "bad", "bad"), (0.95, 0.95, 0.7, 0.7), strict=True)
    }
    assert (done.returncode, faults_of(answer)) == (0, [])
    assert sorted(answer.pop("measured"), key=lambda each: history.index(each["commit"])) == list(measured.values())
    assert answer == {
        "schema": "mlcli.bisect/1", "metric": "accuracy", "min": 0.9, "max": None,
        "first_bad": measured[history[2]], "before": measured[history[1]], "subject": "Step 3",
        "author": {"name": "Ada Lovelace", "email": "ada@example.com"}, "at": "2026-11-03T12:00:00Z",
        "candidates": [], "untried": [],
    }  # fmt: skip


def test_bisect_rehearses(repo, history, mlcli) -> None:
    done = mlcli(*SOUGHT, history[0], "main", "--dry-run")

    assert (done.returncode, done.stdout.splitlines()[0], sorted(done.stdout.splitlines()[1:])) == (
        0,
        "at most 3 runs, of 3 commits:",
        sorted(f"  {commit[:12]} Step {number}" for number, commit in enumerate(history, 1) if number > 1),
    )


def test_bisect_exits_1_with_the_candidates_where_it_cannot_be_narrowed(repo, history, mlcli) -> None:
    script = "case $(cat train.sh) in *'step 2'*|*'step 3'*) exit 1;; esac; sh train.sh"

    done = mlcli(*SOUGHT, history[0], "main", "--", "sh", "-c", script)

    assert (done.returncode, done.stdout.splitlines()[0], sorted(done.stdout.splitlines()[1:])) == (
        1,
        "it is one of 3 commits: all but the last could not be measured",
        sorted(f"  {commit[:12]} Step {number}" for number, commit in enumerate(history, 1) if number > 1),
    )


def test_the_environment_of_mlcli_is_not_changed_by_a_reproduction(repo, run, mlcli) -> None:
    run('echo "$PWD|$MLCLI_ROOT|$MLCLI_STORE"\n')

    done = mlcli("reproduce", "first")

    cwd, root, store = done.stderr.splitlines()[-1].split("|")
    assert (cwd, store) == (root, str(repo / ".mlruns"))
    assert root.startswith(str(Path(os.environ["HOME"], ".cache", "mlcli", "worktrees")))
