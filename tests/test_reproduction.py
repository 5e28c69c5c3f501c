"""A run made again: what it is made from, how its outcome is judged, and what stays as it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli import lookup, registry, tracking
from mlcli.domain.outcome import Compared, Difference, PackageChange, compare, packages_changed, verdict_of
from mlcli.domain.reproduction import Reproduction, Verdict
from mlcli.domain.run import Artifact, Input, Metric, Run, RunStatus
from mlcli.domain.source import Environment
from mlcli.errors import InvalidValue, NotFound, WriteFailed
from mlcli.reproduction import Reproduced, Wanted, reproduce
from mlcli.workspace import Workspace

BIN = Path(sys.executable).parent
IDENTICAL, EQUIVALENT, DIFFERENT, IMPOSSIBLE = Verdict
Script = Callable[..., Path]


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


@pytest.fixture
def script(repo: Path, git) -> Script:
    """Commit a shell script as train.sh, which quickly logs what it is told."""

    def make(text: str, name: str = "train.sh", *, commit: bool = True) -> Path:
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if commit:
            git("add", "-A", ":!.mlruns")
            git("commit", "-qm", f"Write {name}")
        return path

    return make


@pytest.fixture
def ran(repo: Path, mlcli) -> Callable[..., Run]:
    """Run a command by `mlcli run`; its run."""

    def run(*command: str, options: tuple[str, ...] = (), at: Path | None = None) -> Run:
        mlcli("run", *options, "--", *(command or ("sh", "train.sh")), at=at)
        return newest(repo)

    return run


def newest(root: Path) -> Run:
    return tracking.find_runs(Workspace(str(root)), limit=1).runs[0]


def leftovers(machine: Path) -> list[str]:
    parent = machine / "home" / ".cache" / "mlcli" / "worktrees"
    return sorted(os.listdir(parent)) if parent.exists() else []


def digests(place: Path) -> dict[str, tuple[int, str]]:
    """Each file's time and content, git's own too; not the store's, and not what git keeps of worktrees."""
    found = {}
    for directory, names, files in os.walk(place):
        names[:] = [name for name in names if name not in {".mlruns", "worktrees"}]
        for name in files:
            path = Path(directory, name)
            found[str(path.relative_to(place))] = (
                path.lstat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()
            )  # fmt: skip
    return found


METRIC = "mlcli log metric accuracy=0.9\n"


# Judging


def metric(last: float, count: int = 1) -> Metric:
    return Metric(last=last, step=0, at=NOW, min=last, min_step=0, max=last, max_step=0, count=count)


NOW = datetime(2026, 11, 21, tzinfo=timezone.utc)
NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture
def pair(record) -> Callable[..., tuple[Run, Run]]:
    base = record(name="base")

    def make(recorded: dict, again: dict) -> tuple[Run, Run]:
        return replace(base, **recorded), replace(base, **again)

    return make


def test_the_same_metrics_are_identical_also_nan_and_infinity(pair) -> None:
    same = {"a": metric(0.1), "b": metric(NAN), "c": metric(INFINITY), "d": metric(-INFINITY)}

    differences, compared = compare(*pair({"metrics": same}, {"metrics": dict(same)}), 1e-9)

    assert (differences, compared, verdict_of(differences)) == ([], Compared(metrics=4), IDENTICAL)


@pytest.mark.parametrize(
    ("recorded", "again", "tolerance", "tolerated"),
    [
        (1.0, 1.0 + 1e-10, 1e-9, True),
        (1.0, 1.0 + 1e-8, 1e-9, False),
        (1e300, 1.0000001e300, 1e-6, True),
        (100.0, 101.0, 0.01, True),
        (-1.0, 1.0, 0.5, False),
        (0.0, 1e-300, 1e-9, False),
        (NAN, 0.5, 0.9, False),
        (INFINITY, 1.0, 0.9, False),
        (INFINITY, -INFINITY, 0.9, False),
        (1.0, 1.0 + 2**-52, 0.0, False),
    ],
)
def test_a_metric_is_held_to_the_relative_tolerance(pair, recorded, again, tolerance, tolerated) -> None:
    differences, _ = compare(*pair({"metrics": {"a": metric(recorded)}}, {"metrics": {"a": metric(again)}}), tolerance)

    [one] = differences
    assert (one.group, one.key, str(one.recorded), str(one.again), one.tolerated) == (
        "metrics", "a", str(recorded), str(again), tolerated,
    )  # fmt: skip
    assert verdict_of(differences) is (EQUIVALENT if tolerated else DIFFERENT)


def test_each_difference_is_listed_with_both_sides(pair) -> None:
    a, b = (f"sha256:{letter * 64}" for letter in "ab")
    recorded = {
        "metrics": {"gone": metric(1.0), "same": metric(2.0), "longer": metric(3.0, 10)},
        "artifacts": [Artifact(path="gone.txt", size=1, digest=a), Artifact(path="plot.png", size=1, digest=a)],
        "exit_code": 0,
    }
    again = {
        "metrics": {"same": metric(2.0), "longer": metric(3.0, 12), "new": metric(4.0)},
        "artifacts": [Artifact(path="new.txt", size=1, digest=a), Artifact(path="plot.png", size=1, digest=b)],
        "status": RunStatus.FAILED, "exit_code": 3,
    }  # fmt: skip

    differences, compared = compare(*pair(recorded, again), 1e-9)

    assert differences == [
        Difference(group="ending", key="command", recorded="finished", again="failed with exit code 3"),
        Difference(group="metrics", key="gone", recorded=1.0, again=None),
        Difference(group="steps", key="longer", recorded=10, again=12),
        Difference(group="metrics", key="new", recorded=None, again=4.0),
        Difference(group="artifacts", key="gone.txt", recorded=a, again=None),
        Difference(group="artifacts", key="new.txt", recorded=None, again=a),
        Difference(group="artifacts", key="plot.png", recorded=a, again=b, tolerated=True),
    ]
    assert (compared, verdict_of(differences)) == (Compared(metrics=2, artifacts=1), DIFFERENT)


def test_files_alone_must_be_the_same_byte_for_byte(pair) -> None:
    files = [[Artifact(path="out.txt", size=1, digest=f"sha256:{letter * 64}")] for letter in "ab"]

    bare = compare(*pair({"artifacts": files[0]}, {"artifacts": files[1]}), 1e-9)[0]
    held = [{"artifacts": each, "metrics": {"a": metric(1.0)}} for each in files]

    assert (verdict_of(bare), verdict_of(compare(*pair(*held), 1e-9)[0])) == (DIFFERENT, EQUIVALENT)


def test_packages_that_differ_are_told_with_python_first() -> None:
    recorded = Environment(python="3.10.1", packages={"numpy": "1.26", "scipy": "1.0", "gone": "1"})
    again = Environment(python="3.11.7", packages={"numpy": "2.0", "scipy": "1.0", "new": "2"})

    assert packages_changed(recorded, again) == [
        PackageChange(name="python", recorded="3.10.1", again="3.11.7"),
        PackageChange(name="gone", recorded="1", again=None),
        PackageChange(name="new", recorded=None, again="2"),
        PackageChange(name="numpy", recorded="1.26", again="2.0"),
    ]
    assert packages_changed(Environment(), again) == []


# Making it again


def test_a_run_is_made_again_and_both_documents_tell_of_it(repo, script, ran, machine, git) -> None:
    script(METRIC + "echo made > out.txt\nmlcli log artifact out.txt\n")
    original = ran(options=("--name", "first", "-e", "iris", "-p", "depth=3", "--tag", "team=vision", "--note", "n"))
    workspace = Workspace(str(repo))

    done = reproduce(workspace, "first")

    run = workspace.store.run(done.run.id)
    at = run.reproduces.at
    assert run.reproduces == Reproduction(run_id=original.id, at=at, verdict=IDENTICAL, tolerance=1e-9)
    assert workspace.store.run(original.id).reproductions == [replace(run.reproduces, run_id=run.id)]
    assert done == Reproduced(
        original=original, run=run, verdict=IDENTICAL, compared=Compared(metrics=1, artifacts=1), differences=[]
    )
    assert (run.name, run.experiment, run.params, run.tags, run.note, run.command) == (
        "first-again", "iris", original.params, {}, "", original.command,
    )  # fmt: skip
    assert (run.git, leftovers(machine), len(git("worktree", "list").splitlines())) == (
        replace(original.git, branch=None),
        [],
        1,
    )


def test_the_code_is_the_recorded_one_and_the_users_tree_stays_as_it_is(repo, script, ran, git) -> None:
    script("mlcli log metric accuracy=$(cat value)\npwd > where; rm -f value\n")
    script("0.7", "value")
    original = ran()
    script("0.5", "value")
    (repo / "value").write_text("0.1")
    git("status")
    before = digests(repo)

    done = reproduce(Workspace(str(repo)), original.id)

    assert (done.verdict, done.run.metrics["accuracy"].last) == (IDENTICAL, 0.7)
    assert digests(repo) == before


def test_a_dirty_run_is_made_again_from_its_snapshot(repo, script, ran) -> None:
    script(METRIC)
    script("mlcli log metric accuracy=$(cat new)\n", commit=False)
    script("0.4", "new", commit=False)
    original = ran()
    script("exit 1\n", commit=False)
    (repo / "new").unlink()

    done = reproduce(Workspace(str(repo)), original.id)

    assert original.git.dirty
    assert (done.verdict, done.run.metrics["accuracy"].last, done.run.git.snapshot, done.run.git.commit) == (
        IDENTICAL, 0.4, original.git.snapshot, original.git.commit,
    )  # fmt: skip


def test_it_runs_in_the_directory_and_workspace_that_it_had(repo, script, ran, mlcli) -> None:
    script("mlcli log metric accuracy=$(cat ../data/value)\nmlcli log param where=$(basename $PWD)\n", "a/b/train.sh")
    script("0.3", "a/data/value")
    (repo / "a" / ".mlruns").mkdir()
    mlcli("run", "--", "sh", "train.sh", at=repo / "a" / "b")
    workspace = Workspace(str(repo / "a"))

    done = reproduce(workspace, "@")

    assert (done.verdict, done.run.command.cwd, done.run.params["where"].value) == (IDENTICAL, "b", "b")
    assert not (repo / ".mlruns").exists()


def test_a_directory_that_git_does_not_keep_is_made(repo, script, ran) -> None:
    script("mlcli log metric accuracy=0.5\n")
    (repo / "empty").mkdir()
    original = ran("sh", "../train.sh", at=repo / "empty")

    assert reproduce(Workspace(str(repo)), original.id).verdict is IDENTICAL


def test_a_different_outcome_is_told_with_both_figures(repo, script, ran, machine) -> None:
    script(f"n=$(cat {machine}/count 2>/dev/null || echo 0)\necho 1 > {machine}/count\nmlcli log metric loss=0.$n\n")
    original = ran()

    done = reproduce(Workspace(str(repo)), original.id)

    assert (done.verdict, done.differences) == (
        DIFFERENT,
        [Difference(group="metrics", key="loss", recorded=0.0, again=0.1)],
    )


def test_the_tolerance_is_the_askers(repo, script, ran, machine) -> None:
    script(f"mlcli log metric loss=1.0$(cat {machine}/digit)\n")
    (machine / "digit").write_text("0")
    original = ran()
    (machine / "digit").write_text("1")
    workspace = Workspace(str(repo))

    verdicts = [reproduce(workspace, original.id, Wanted(tolerance=each)).verdict for each in (0.1, 0.001, 0)]

    assert verdicts == [EQUIVALENT, DIFFERENT, DIFFERENT]
    told = workspace.store.run(original.id).reproductions
    assert [(each.verdict, each.tolerance) for each in told] == [
        (EQUIVALENT, 0.1), (DIFFERENT, 0.001), (DIFFERENT, 0.0),
    ]  # fmt: skip
    assert [run.name for run in tracking.find_runs(workspace, "reproduces is not null", sort="started").runs] == [
        f"{original.name}-again", f"{original.name}-again-2", f"{original.name}-again-3",
    ]  # fmt: skip


@pytest.mark.parametrize("tolerance", [-1e-9, 1.0, NAN, INFINITY])
def test_a_tolerance_that_makes_no_sense_is_refused(repo, ran, script, tolerance: float) -> None:
    script(METRIC)
    original = ran()

    with pytest.raises(InvalidValue):
        reproduce(Workspace(str(repo)), original.id, Wanted(tolerance=tolerance))


def test_a_command_that_fails_is_different_and_its_worktree_is_gone(repo, script, ran, machine, git) -> None:
    script(f"test -e {machine}/second && exit 3\ntouch {machine}/second\n")
    original = ran()

    done = reproduce(Workspace(str(repo)), original.id)

    assert (done.verdict, done.run.status, done.run.exit_code, done.differences) == (
        DIFFERENT, RunStatus.FAILED, 3,
        [Difference(group="ending", key="command", recorded="finished", again="failed with exit code 3")],
    )  # fmt: skip
    assert (leftovers(machine), len(git("worktree", "list").splitlines())) == ([], 1)


def test_a_run_that_failed_and_fails_again_is_identical(repo, script, ran) -> None:
    script("exit 3\n")
    original = ran()

    done = reproduce(Workspace(str(repo)), original.id)

    assert (done.verdict, done.compared) == (IDENTICAL, Compared())


def test_a_worktree_that_the_command_made_hard_to_remove_is_gone(repo, script, ran, machine, git) -> None:
    script("mkdir -p a/b\ntouch a/b/c\nchmod 500 a/b\nchmod 0 a\nrm -f .git\n")
    original = ran("sh", "-c", "case $PWD in *cache*) sh train.sh;; esac")

    done = reproduce(Workspace(str(repo)), original.id)

    assert (done.verdict, leftovers(machine), len(git("worktree", "list").splitlines())) == (IDENTICAL, [], 1)


def test_a_reproduction_is_itself_made_again_by_its_own_name(repo, script, ran) -> None:
    script(METRIC)
    original = ran(options=("--name", "first"))
    workspace = Workspace(str(repo))
    first = reproduce(workspace, "first").run

    second = reproduce(workspace, "first-again").run

    assert (first.reproduces.run_id, second.reproduces.run_id, second.name) == (
        original.id, first.id, "first-again",
    )  # fmt: skip


def test_a_version_tells_how_often_its_run_was_reproduced_also_in_a_clone(story, workspace, git, machine) -> None:
    git("add", "-f", ".mlruns/models")
    git("commit", "-qm", "Models")
    git("clone", "-q", str(workspace.root), str(machine / "clone"))
    clone = Workspace(str(machine / "clone"))

    done = [reproduce(clone, "iris@2"), reproduce(clone, "iris@production")]

    run = clone.store.version("iris", 2).run
    assert [(each.run_id, each.verdict) for each in lookup.reproductions_of(clone, run)] == [
        (each.run.id, DIFFERENT) for each in done
    ]
    assert lookup.reproductions_of(workspace, run) == []


# Inputs


def test_an_input_that_git_holds_comes_from_git(repo, script, ran) -> None:
    script("mlcli log metric accuracy=$(cat data)\n")
    script("0.8", "data")
    original = ran(options=("--input", "data"))
    (repo / "data").write_text("0.1")

    done = reproduce(Workspace(str(repo)), original.id)

    assert (done.verdict, [(each.path, each.origin.value) for each in done.inputs], done.run.inputs) == (
        IDENTICAL, [("data", "git")], original.inputs,
    )  # fmt: skip


@pytest.fixture
def ignored(repo, script) -> Path:
    """A script that reads a file which git ignores."""
    script("data/\n", ".gitignore")
    script("mlcli log metric accuracy=$(cat data/value)\n")
    return script("0.8", "data/value", commit=False)


def test_an_input_that_git_ignores_is_copied_from_where_it_was(repo, ignored, ran) -> None:
    original = ran(options=("--input", "data"))

    done = reproduce(Workspace(str(repo)), original.id)

    assert (done.verdict, [(each.path, each.origin.value) for each in done.inputs]) == (
        IDENTICAL,
        [("data/value", "workspace")],
    )


@pytest.mark.parametrize("now", [None, "0.1"])
def test_an_input_that_was_kept_comes_from_the_store(repo, ignored: Path, ran, now: str | None) -> None:
    original = ran(options=("--input", "data", "--keep-inputs"))
    ignored.write_text(now) if now else ignored.unlink()

    done = reproduce(Workspace(str(repo)), original.id)

    assert (done.verdict, [(each.path, each.origin.value) for each in done.inputs], done.run.inputs) == (
        IDENTICAL, [("data/value", "store")], original.inputs,
    )  # fmt: skip


@pytest.mark.parametrize(("now", "told"), [(None, "is gone"), ("0.1", "is not as it was")])
def test_an_input_that_is_nowhere_as_it_was_stops_before_anything_runs(
    repo, ignored: Path, ran, machine, now: str | None, told: str
) -> None:
    original = ran(options=("--input", "data"))
    ignored.write_text(now) if now else ignored.unlink()
    workspace = Workspace(str(repo))

    done = reproduce(workspace, original.id)

    assert (done.verdict, done.reason, done.run) == (
        IMPOSSIBLE,
        f"input 'data/value' {told}, and no copy of it was kept",
        None,
    )
    assert (workspace.store.run_ids(), leftovers(machine)) == ([original.id], [])


def test_an_input_that_was_kept_and_damaged_is_taken_from_where_it_was(repo, ignored: Path, ran) -> None:
    original = ran(options=("--input", "data", "--keep-inputs"))
    digest = original.inputs[0].digest.removeprefix("sha256:")
    kept = next(path for path in (repo / ".mlruns" / "objects").rglob("*") if path.name in digest and path.is_file())
    kept.chmod(0o644)
    kept.write_text("bad")

    done = reproduce(Workspace(str(repo)), original.id)

    assert (done.verdict, [each.origin.value for each in done.inputs]) == (IDENTICAL, ["workspace"])


def test_an_input_outside_the_repository_is_verified_where_it_is(repo, script, ran, machine) -> None:
    data = machine / "data.csv"
    data.write_text("0.6")
    script(f"mlcli log metric accuracy=$(cat {data})\n")
    original = ran(options=("--input", str(data)))
    workspace = Workspace(str(repo))

    same = reproduce(workspace, original.id)
    data.write_text("0.1")
    changed = reproduce(workspace, original.id)

    assert (same.verdict, changed.verdict, changed.run) == (IDENTICAL, IMPOSSIBLE, None)


def test_a_large_file_that_the_snapshot_left_out_is_brought_along(repo, script, ran, monkeypatch) -> None:
    monkeypatch.setenv("MLCLI_SNAPSHOT_FILE_LIMIT", "10")
    script("mlcli log metric accuracy=$(head -c 3 big)\n")
    script("0.8" + "0" * 100, "big", commit=False)
    original = ran()
    workspace = Workspace(str(repo))

    there = reproduce(workspace, original.id)
    (repo / "big").write_text("0.1")
    changed = reproduce(workspace, original.id)

    if not original.git.snapshot.left_out:
        pytest.skip("no setting makes a snapshot leave a file out")
    assert (there.verdict, there.absent, changed.verdict, changed.absent) == (IDENTICAL, [], DIFFERENT, ["big"])


def test_no_link_of_the_repository_leads_what_is_restored_out_of_the_worktree(repo, ran, script, machine, git) -> None:
    outside = machine / "outside"
    outside.mkdir()
    (outside / "value").write_text("mine")
    (repo / "data").symlink_to(outside)
    (repo / "one").symlink_to(outside / "value")
    script("true\n")
    original = ran()
    (machine / "kept").write_text("0.8")
    workspace = Workspace(str(repo))
    _, digest = workspace.store.take_input(str(machine / "kept"), keep=True)
    reached = []
    for path in ("data/value", "data/new", "../../../escape", "one"):
        workspace.store.change_run(
            original.id,
            lambda run, path=path: replace(run, inputs=[Input(path=path, size=3, digest=digest, kept=True)]),
        )
        reached.append(reproduce(workspace, original.id).verdict)

    assert reached == [IMPOSSIBLE, IMPOSSIBLE, IMPOSSIBLE, IDENTICAL]
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"value": "mine"}


# Impossible


def test_what_is_not_recorded_in_full_cannot_be_made_again(repo, script, ran, workspace, machine) -> None:
    script("true\n")
    masked = ran("sh", "train.sh", "--password", "hunter2")
    clean = ran()
    workspace = Workspace(str(repo))
    cases = [
        (clean, {"git": replace(clean.git, commit=None, reason="not a git repository")},
         "its code was not kept: not a git repository"),
        (clean, {"git": replace(clean.git, commit="0" * 40)}, "commit 000000000000 is not in this repository"),
        (clean, {"git": replace(clean.git, commit="HEAD")}, "'HEAD' is no id of a commit"),
        (clean, {"git": replace(clean.git, commit="--upload-pack=touch PWN")},
         "'--upload-pack=touch PWN' is no id of a commit"),
        (clean, {"git": replace(clean.git, dirty=True, snapshot=None, unkept="the disk was full")},
         "its uncommitted code was not kept: the disk was full"),
        (masked, {}, "a secret in its command was masked, so that the command cannot be repeated"),
        (clean, {"command": replace(clean.command, argv=["python", "-c"])},
         "its code was typed into a session, and no command is recorded"),
        (clean, {"command": replace(clean.command, argv=["python", ""])},
         "its code was typed into a session, and no command is recorded"),
        (clean, {"command": replace(clean.command, cwd="../..")}, "it ran in '../..', outside of the repository"),
    ]  # fmt: skip
    before = workspace.store.run_ids()
    told = []
    for run, changes, _ in cases:
        workspace.store.change_run(run.id, lambda run, changes=changes: replace(run, **changes))
        done = reproduce(workspace, run.id)
        told.append((done.verdict, done.reason, done.run))
        workspace.store.change_run(run.id, lambda _, run=run: run)

    assert told == [(IMPOSSIBLE, reason, None) for *_, reason in cases]
    assert (workspace.store.run_ids(), leftovers(machine)) == (before, [])


def test_a_run_that_goes_on_cannot_be_made_again(workspace, record) -> None:
    run = record(name="first")
    workspace.store.change_run(run.id, lambda run: replace(run, status=RunStatus.RUNNING, process=None))

    done = reproduce(workspace, "first")

    assert (done.verdict, done.reason) == (IMPOSSIBLE, f"run {run.id[:8]} has not ended")


def test_a_commit_that_a_shallow_clone_does_not_have_is_impossible_with_its_hint(
    story, workspace, git, machine
) -> None:
    git("add", "-f", ".mlruns/models")
    git("commit", "-qm", "Models")
    git("clone", "-q", "--depth", "1", f"file://{workspace.root}", str(machine / "clone"))

    done = reproduce(Workspace(str(machine / "clone")), "iris@2")

    assert (done.verdict, done.hint) == (IMPOSSIBLE, "git fetch --unshallow")


def test_what_is_no_run_is_not_found(story, workspace) -> None:
    with pytest.raises(NotFound):
        reproduce(workspace, "nothing")


# Surroundings


def test_a_linked_worktree_is_a_place_to_reproduce_in(repo, script, mlcli, git, machine) -> None:
    script(METRIC)
    own = machine / "own"
    git("worktree", "add", "-q", "-b", "side", str(own))
    mlcli("run", "--", "sh", "train.sh", at=own)

    done = reproduce(Workspace(str(own)), "@")

    assert (done.verdict, leftovers(machine), len(git("worktree", "list").splitlines())) == (IDENTICAL, [], 2)


def test_submodules_are_part_of_the_code(repo, script, ran, git, machine) -> None:
    lib = machine / "lib"
    lib.mkdir()
    git("init", "-q", at=lib)
    (lib / "value").write_text("0.2")
    git("add", "-A", at=lib)
    git("commit", "-qm", "Start", at=lib)
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(lib), "lib")
    script("mlcli log metric accuracy=$(cat lib/value)\n")
    clean = ran()
    (repo / "lib" / "value").write_text("0.3")
    dirty = ran()
    (repo / "lib" / "value").write_text("0.4")
    workspace = Workspace(str(repo))

    done = [reproduce(workspace, run.id) for run in (clean, dirty)]

    assert [(each.verdict, each.run.metrics["accuracy"].last, each.absent) for each in done] == [
        (IDENTICAL, 0.2, []), (IDENTICAL, 0.3, []),
    ]  # fmt: skip
    assert (repo / "lib" / "value").read_text() == "0.4"


def test_a_program_of_the_users_tree_that_git_ignores_is_found(repo, script, ran) -> None:
    script(".venv/\n", ".gitignore")
    (repo / ".venv" / "bin").mkdir(parents=True)
    (repo / ".venv" / "bin" / "tool").write_text("#!/bin/sh\nmlcli log metric accuracy=$(cat value)\n")
    (repo / ".venv" / "bin" / "tool").chmod(0o755)
    script("0.5", "value")
    relative, absolute = ran(".venv/bin/tool"), ran(str(repo / ".venv" / "bin" / "tool"))
    (repo / "value").write_text("0.1")
    workspace = Workspace(str(repo))

    done = [reproduce(workspace, run.id) for run in (relative, absolute)]

    assert [(each.verdict, each.run.command) for each in done] == [
        (IDENTICAL, relative.command), (IDENTICAL, absolute.command),
    ]  # fmt: skip


def test_absolute_paths_into_the_tree_lead_into_the_worktree(repo, script, ran) -> None:
    script("mlcli log metric accuracy=$(cat ${1#--data=})\n")
    script("0.5", "value")
    runs = [ran("sh", str(repo / "train.sh"), argument) for argument in (f"--data={repo}/value", f"{repo}/value")]
    (repo / "value").write_text("0.1")
    script("exit 1\n", commit=False)
    workspace = Workspace(str(repo))

    assert [reproduce(workspace, run.id).verdict for run in runs] == [IDENTICAL, IDENTICAL]


def test_what_is_written_by_an_absolute_path_is_written_in_the_worktree(repo, script, ran) -> None:
    script('mkdir -p "$(dirname "$1")"\necho made >> "$1"\nls "$2" >/dev/null\nmlcli log artifact "$1"\n')
    original = ran("sh", "train.sh", str(repo / "made" / "out.txt"), str(repo / ".mlruns" / "store.json"))

    done = reproduce(Workspace(str(repo)), original.id)

    assert (done.verdict, (repo / "made" / "out.txt").read_text()) == (IDENTICAL, "made\n")


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["src", "flat", "pth"])
def test_a_project_that_is_installed_from_the_users_tree_is_imported_from_the_worktree(
    repo, script, ran, machine, layout: str
) -> None:
    prefix = machine / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    site = next(prefix.glob("lib/python*/site-packages"))
    source = repo / "src" if layout == "src" else repo
    if layout == "pth":
        (site / "__editable__.churn.pth").write_text(f"{source}\n")
    else:
        (site / "churn-1.0.dist-info").mkdir()
        (site / "churn-1.0.dist-info" / "direct_url.json").write_text(
            json.dumps({"url": f"file://{repo}", "dir_info": {"editable": True}})
        )
        (site / "zz.pth").write_text(f"import sys; sys.path.append({str(source)!r})\n")  # as a finder would
    script("VALUE = 0.5\n", str((source / "churn.py").relative_to(repo)))
    script(
        "import subprocess, churn\nsubprocess.run(['mlcli', 'log', 'metric', f'accuracy={churn.VALUE}'], check=True)\n",
        "scripts/train.py",
    )
    original = ran(str(prefix / "bin" / "python"), "scripts/train.py")
    script("VALUE = 0.1\n", str((source / "churn.py").relative_to(repo)), commit=False)

    done = reproduce(Workspace(str(repo)), original.id)

    assert (original.metrics["accuracy"].last, done.verdict) == (0.5, IDENTICAL)


def test_the_worktree_is_kept_where_that_is_asked_and_by_later_ones_too(repo, script, ran, machine, mlcli) -> None:
    script(METRIC + "echo made > out.txt\n")
    original = ran()
    workspace = Workspace(str(repo))

    kept = Path(reproduce(workspace, original.id, Wanted(keep=True)).kept)
    reproduce(workspace, original.id)
    there = sorted(os.listdir(kept))
    mlcli("checkout", "--remove", str(kept), "--force")

    assert (there, kept.exists()) == ([".git", "out.txt", "train.py", "train.sh"], False)


# Interrupted and killed


@pytest.fixture
def waiting(repo, script, ran, machine) -> Callable[..., subprocess.Popen[bytes]]:
    """Begin `mlcli reproduce` of a run whose command, made again, tells that it runs and waits; in a group of its own."""
    script(f"test -e {machine}/again || exit 0\necho running\nexec sleep 60\n")
    ran(options=("--name", "first"))
    (machine / "again").touch()

    def begin() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [str(BIN / "mlcli"), "reproduce", "first"], cwd=repo, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        for line in process.stderr:
            if line == b"running\n":
                break
        return process

    return begin


@pytest.mark.parametrize(
    ("number", "whole_group", "code"),
    [(signal.SIGINT, True, 130), (signal.SIGTERM, False, 143), (signal.SIGHUP, False, 129)],
)
def test_an_interrupted_reproduction_clears_its_worktree_away_and_ends_its_run(
    repo, waiting, machine, git, number, whole_group, code
) -> None:
    process = waiting()
    (os.killpg if whole_group else os.kill)(process.pid, number)
    out, _ = process.communicate(timeout=60)

    run = newest(repo)
    assert (process.returncode, out, leftovers(machine), len(git("worktree", "list").splitlines())) == (
        code,
        b"",
        [],
        1,
    )
    assert (run.status, run.reproduces.verdict) == (RunStatus.KILLED, None)
    assert lookup.reproductions_of(Workspace(str(repo)), Workspace(str(repo)).store.run(run.reproduces.run_id)) == []


def test_what_a_killed_reproduction_left_the_next_one_removes(repo, waiting, machine, git) -> None:
    process = waiting()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    left, known = leftovers(machine), len(git("worktree", "list").splitlines())
    (machine / "again").unlink()

    done = reproduce(Workspace(str(repo)), "first")

    assert (len(left), known, done.verdict) == (1, 2, IDENTICAL)
    assert (leftovers(machine), len(git("worktree", "list").splitlines())) == ([], 1)


def test_only_what_is_left_of_this_repository_or_of_none_is_removed(repo, script, ran, machine, git) -> None:
    from mlcli.rerun import places

    parent = machine / "home" / ".cache" / "mlcli" / "worktrees"
    other = machine / "other"
    other.mkdir()
    git("init", "-q", at=other)
    git("commit", "-q", "--allow-empty", "-m", "Start", at=other)
    _, _, host, boot, _ = places._name().split("-")
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = {
        "of another repository": f"{dead.pid}-1-{host}-{boot}-00000001",
        "of none": f"{dead.pid}-1-{host}-{boot}-00000002",
        "empty": f"{dead.pid}-1-{host}-{boot}-00000003",
        "before the machine started": f"{os.getpid()}-1-{host}-{'0' * 8}-00000004",
        "on another host": f"{dead.pid}-1-{'0' * 8}-{boot}-00000005",
        "alive": places._name(),
        "kept": "kept-00000006",
        "something else": "notes",
    }
    for name in names.values():
        (parent / name).mkdir(parents=True)
    git("worktree", "add", "-q", "--detach", str(parent / names["of another repository"] / "other"), at=other)
    (parent / names["of none"] / "project").mkdir()
    script(METRIC)
    original = ran()

    reproduce(Workspace(str(repo)), original.id)

    kept = {what for what, name in names.items() if (parent / name).exists()}
    assert kept == {"of another repository", "on another host", "alive", "kept", "something else"}


def test_two_reproductions_at_once_do_not_disturb_each_other(repo, script, ran, machine, git, mlcli) -> None:
    script(f"{METRIC}test -e {machine}/again || exit 0\nmkdir {machine}/met/$$\n"
           f"until [ $(ls {machine}/met | wc -l) = 2 ]; do :; done\n")  # fmt: skip
    original = ran(options=("--name", "first"))
    (machine / "again").touch()
    (machine / "met").mkdir()
    both = [
        subprocess.Popen(
            [str(BIN / "mlcli"), "reproduce", "first", "--json"], cwd=repo, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]  # fmt: skip

    answers = [json.loads(process.communicate(timeout=60)[0]) for process in both]

    workspace = Workspace(str(repo))
    assert [answer["verdict"] for answer in answers] == ["identical"] * 2
    told = lookup.reproductions_of(workspace, workspace.store.run(original.id))
    assert {each.run_id for each in told} == {answer["run"] for answer in answers}
    assert (leftovers(machine), len(git("worktree", "list").splitlines())) == ([], 1)


def test_nothing_that_the_repository_configures_is_started(repo, script, ran, git, machine) -> None:
    canary = machine / "canary"
    program = machine / "program"
    program.write_text(f"#!/bin/sh\necho $0 $@ >> {canary}\ncat\n")
    program.chmod(0o755)
    script("*.csv filter=evil\n", ".gitattributes")
    script("1\n", "data.csv")
    script(METRIC)
    git("config", "filter.evil.smudge", str(program))
    git("config", "filter.evil.clean", str(program))
    git("config", "core.fsmonitor", str(program))
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        shutil.copy(program, repo / ".git" / "hooks" / hook)
    original = ran()

    done = reproduce(Workspace(str(repo)), original.id)

    assert (done.verdict, canary.exists()) == (IDENTICAL, False)


def test_registering_a_reproduction_leads_back_to_the_same_code(repo, script, ran) -> None:
    script("echo made > model.txt\nmlcli log artifact model.txt\n")
    original = ran()
    workspace = Workspace(str(repo))
    run = reproduce(workspace, original.id).run

    version = registry.register(workspace, "iris", f"{run.id}:model.txt").version

    assert version.run.git.code == original.git.code


def test_a_script_that_registers_its_model_adds_no_version_when_it_is_made_again(repo, script, ran) -> None:
    script(
        "import mlcli\n"
        "with mlcli.start_run():\n"
        "    mlcli.log_metric('accuracy', 0.9)\n"
        "    info = mlcli.log_model({'depth': 3}, name='model', registered_model_name='iris')\n"
        "    mlcli.log_param('version', info.registered_model_version)\n",
        "train.py",
    )
    original = ran("python", "train.py")
    workspace = Workspace(str(repo))

    done = reproduce(workspace, "iris@1")

    assert (done.verdict, done.compared, done.run.params["version"].value) == (
        IDENTICAL, Compared(metrics=1, models=1), 1,
    )  # fmt: skip
    assert (workspace.store.version_numbers("iris"), done.original.id) == ([1], original.id)


def test_of_a_run_that_was_registered_before_it_ended_a_clone_compares_what_it_knows(repo, script, ran, git, machine):
    script(
        "import mlcli\n"
        "with mlcli.start_run():\n"
        "    mlcli.log_metric('accuracy', 0.9)\n"
        "    mlcli.log_model({'depth': 3}, name='model', registered_model_name='iris')\n"
        "    mlcli.log_metric('later', 0.9)\n",
        "train.py",
    )
    ran("python", "train.py")
    git("add", "-A")
    git("commit", "-qm", "Model")
    git("clone", "-q", str(repo), str(machine / "clone"))

    done = reproduce(Workspace(str(machine / "clone")), "iris@1")

    assert (done.original.status, done.verdict, done.compared) == (
        RunStatus.RUNNING, IDENTICAL, Compared(metrics=1, models=1),
    )  # fmt: skip


def test_a_run_that_began_itself_is_made_again_too(repo, script, machine) -> None:
    script(
        "import mlcli\nwith mlcli.start_run(run_name='own'):\n    mlcli.log_metric('accuracy', 0.9)\n", "sub/train.py"
    )
    subprocess.run(["python", "train.py"], cwd=repo / "sub", check=True)

    done = reproduce(Workspace(str(repo)), "own")

    assert (done.verdict, done.original.command.cwd, done.run.command) == (IDENTICAL, "sub", done.original.command)


def test_without_a_home_the_users_own_cache_is_used(repo, script, ran, monkeypatch, machine) -> None:
    script(METRIC)
    original = ran()
    environ = {name: value for name, value in os.environ.items() if name not in {"HOME", "XDG_CACHE_HOME"}}
    places = [
        Workspace(str(repo), environ={**environ, **more}).cache_directory
        for more in ({"HOME": "/h"}, {"HOME": "/h", "XDG_CACHE_HOME": "/c"}, {"HOME": "/h", "XDG_CACHE_HOME": "rel"})
    ]
    assert places == ["/h/.cache/mlcli", "/c/mlcli", "/h/.cache/mlcli"]
    assert os.path.isabs(Workspace(str(repo), environ=environ).cache_directory)

    elsewhere = Workspace(str(repo), environ={**environ, "HOME": "/nowhere", "XDG_CACHE_HOME": str(machine / "cache")})
    assert reproduce(elsewhere, original.id).verdict is IDENTICAL
    assert os.listdir(machine / "cache" / "mlcli" / "worktrees") == []


def test_a_cache_that_cannot_be_made_is_one_error_and_nothing_was_run(repo, script, ran, machine) -> None:
    script(METRIC)
    original = ran()
    (machine / "file").write_text("")
    workspace = Workspace(str(repo), environ={**os.environ, "XDG_CACHE_HOME": str(machine / "file")})

    with pytest.raises(WriteFailed):
        reproduce(workspace, original.id)

    assert workspace.store.run_ids() == [original.id]


def test_the_cache_may_be_reached_by_a_link(repo, script, ran, machine) -> None:
    (machine / "home" / ".cache").rename(machine / "large")
    (machine / "home" / ".cache").symlink_to(machine / "large")
    script('mlcli log param where="$(mlcli show @ --json | grep -c cwd)"\n' + METRIC)
    original = ran()

    done = reproduce(Workspace(str(repo)), original.id)

    assert (done.verdict, done.run.command.cwd) == (IDENTICAL, ".")


def test_secrets_and_crowds_that_the_snapshot_left_out_are_told_as_absent(repo, script, ran) -> None:
    script(METRIC)
    script("TOKEN=1", ".env", commit=False)
    original = ran()

    done = reproduce(Workspace(str(repo)), original.id)

    assert (done.verdict, done.absent) == (IDENTICAL, [".env"])
