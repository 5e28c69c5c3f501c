"""The source of a run in a directory of its own: made, told, found again and taken away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli import registry
from mlcli.checkout import CheckedOut, checkout, remove
from mlcli.domain.source import LeftOut, Snapshot
from mlcli.errors import Ambiguous, CannotRepeat, GitError, NotFound, Refused
from mlcli.workspace import Workspace


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


@pytest.fixture
def beside(repo: Path) -> Path:
    return repo.parent


def test_a_runs_source_lies_beside_the_repository_and_is_found_there_again(
    workspace, record, repo: Path, beside: Path, git
) -> None:
    run = record(name="first")
    (repo / "train.py").write_text("print('changed')\n")
    git("commit", "-qam", "Change")
    where = CheckedOut(directory=str(beside / f"project-{run.id[:8]}"), commit=run.git.commit, made=True)

    first, second = checkout(workspace, "first"), checkout(workspace, run.id)

    assert (first, second) == (where, replace(where, made=False))
    assert Path(first.directory, "train.py").read_text() == "print('trained')\n"
    assert (repo / "train.py").read_text() == "print('changed')\n"


def test_a_dirty_runs_source_is_its_snapshot(workspace, record, repo: Path) -> None:
    (repo / "train.py").write_text("print('changed')\n")
    (repo / "new.py").write_text("print('new')\n")
    run = record(name="dirty")
    (repo / "train.py").write_text("print('later')\n")
    (repo / "new.py").unlink()

    done = checkout(workspace, "dirty")

    assert (done.commit, done.left_out, done.unkept) == (run.git.snapshot.commit, [], None)
    assert [Path(done.directory, name).read_text() for name in ("train.py", "new.py")] == [
        "print('changed')\n",
        "print('new')\n",
    ]


def test_a_version_names_its_directory_by_its_ref(story, workspace, beside: Path) -> None:
    assert [checkout(workspace, ref).directory for ref in ("iris@1", "iris@production", "models:/iris/1", "iris")] == [
        str(beside / name) for name in ("project-iris-1", "project-iris-2", "project-iris-1", "project-iris-2")
    ]


def test_a_commit_a_branch_and_a_tag_have_source_without_a_store(repo: Path, git, beside: Path) -> None:
    git("tag", "v1")
    commit = git("rev-parse", "HEAD")

    done = [checkout(Workspace(str(repo)), name, str(beside / f"at-{name}")) for name in ("main", "v1", commit[:7])]

    assert [each.commit for each in done] == [commit] * 3
    assert not (repo / ".mlruns").exists()


def test_another_directory_may_be_named_also_an_empty_one(workspace, record, machine: Path) -> None:
    record(name="first")
    (machine / "empty").mkdir()

    done = [checkout(workspace, "first", str(machine / name)) for name in ("empty", "deep/below")]

    assert [sorted(os.listdir(each.directory)) for each in done] == [[".git", "train.py"]] * 2


def test_what_is_there_already_is_refused_and_left_as_it_is(workspace, record, machine: Path, repo: Path) -> None:
    record(name="first")
    (machine / "full").mkdir()
    (machine / "full" / "mine").write_text("mine")
    (machine / "file").write_text("mine")
    (machine / "link").symlink_to(machine / "file")

    for name in ("full", "file", "link"):
        with pytest.raises(Refused):
            checkout(workspace, "first", str(machine / name))
    for inside in (repo, repo / "new" / "below"):
        with pytest.raises(Refused):
            checkout(workspace, "first", str(inside))

    assert sorted(os.listdir(repo)) == [".git", ".mlruns", "train.py"]
    assert [(machine / name).read_text() for name in ("full/mine", "file", "link")] == ["mine"] * 3


def test_what_a_snapshot_does_not_hold_is_told(workspace, record, git) -> None:
    run = record(name="dirty")
    commit = git("rev-parse", "HEAD")
    left = LeftOut(path="big.bin", size=10**8, digest="sha256:" + "0" * 64, reason="large")
    kept = Snapshot(commit=commit, tree=commit, left_out=[left], nested={"vendor/x": commit})
    workspace.store.change_run(run.id, lambda run: replace(run, git=replace(run.git, dirty=True, snapshot=kept)))

    done = checkout(workspace, "dirty")

    assert (done.left_out, done.nested) == (["big.bin"], ["vendor/x"])


def test_a_dirty_run_without_a_snapshot_says_why_its_changes_are_not_there(workspace, record) -> None:
    run = record(name="old")
    workspace.store.change_run(
        run.id, lambda run: replace(run, git=replace(run.git, dirty=True, snapshot=None, unkept="the disk was full"))
    )

    assert checkout(workspace, "old").unkept == "the disk was full"


def test_a_run_without_a_commit_and_one_whose_commit_is_gone_have_no_source(workspace, record) -> None:
    run = record(name="first")
    for git_state, kind, told in (
        (replace(run.git, commit=None, reason="not a git repository"), CannotRepeat, "was not kept: not a git rep"),
        (replace(run.git, commit="0" * 40), GitError, "commit 000000000000 is not in this repository"),
        (replace(run.git, commit="--upload-pack=touch PWN"), GitError, "is no id of a commit"),
    ):
        workspace.store.change_run(run.id, lambda run, state=git_state: replace(run, git=state))
        with pytest.raises(kind, match=told):
            checkout(workspace, "first")


def test_content_that_several_runs_made_is_ambiguous(workspace, record, machine: Path) -> None:
    for name in ("one", "two"):
        record(name=name, files={"out.txt": "same"})
    (machine / "same.txt").write_text("same")

    with pytest.raises(Ambiguous, match="belongs to 2 runs"):
        checkout(workspace, str(machine / "same.txt"))


def test_a_checkout_is_removed_by_its_ref_and_by_its_directory(workspace, record, machine: Path, git) -> None:
    record(name="first")
    places = [checkout(workspace, "first").directory, checkout(workspace, "first", str(machine / "other")).directory]

    gone = [remove(workspace, "first"), remove(workspace, str(machine / "other"))]

    assert (gone, [os.path.lexists(place) for place in places]) == (places, [False, False])
    assert len(git("worktree", "list").splitlines()) == 1


def test_a_checkout_that_was_worked_in_is_removed_by_force_only(workspace, record, git) -> None:
    record(name="first")
    place = Path(checkout(workspace, "first").directory)

    (place / "new.py").write_text("new")
    with pytest.raises(Refused, match=r"new\.py changed"):
        remove(workspace, "first")
    git("add", "-A", at=place)
    git("commit", "-qm", "Work", at=place)
    with pytest.raises(Refused, match="has commits of its own"):
        remove(workspace, str(place))
    still = place.is_dir()
    remove(workspace, str(place), force=True)

    assert (still, place.exists()) == (True, False)


def test_commits_that_a_branch_holds_keep_no_checkout(workspace, record, git) -> None:
    record(name="first")
    place = Path(checkout(workspace, "first").directory)
    git("switch", "-qc", "work", at=place)
    git("commit", "-q", "--allow-empty", "-m", "Work", at=place)

    remove(workspace, str(place))

    assert (place.exists(), git("log", "-1", "--format=%s", "work")) == (False, "Work")


def test_nothing_but_a_checkout_of_ours_is_removed(workspace, record, repo: Path, machine: Path, git) -> None:
    record(name="first")
    own = machine / "own"
    git("worktree", "add", "-q", "--detach", str(own))
    for ref, directory in (("first", None), (str(own), None), (str(repo), None), ("first", str(machine))):
        with pytest.raises(NotFound):
            remove(workspace, ref, directory, force=True)

    assert (own.is_dir(), (repo / "train.py").is_file(), machine.is_dir()) == (True, True, True)


def test_registered_versions_have_source_in_another_clone(story, workspace, git, machine: Path) -> None:
    git("add", "-f", ".mlruns/models")
    git("commit", "-qm", "Models")
    git("clone", "-q", str(workspace.root), str(machine / "clone"))

    done = checkout(Workspace(str(machine / "clone")), "iris@production")

    assert (done.directory, done.commit) == (str(machine / "clone-iris-2"), story["second"].git.commit)


def test_registering_and_reading_go_on_beside_a_checkout(workspace, record) -> None:
    run = record(name="first", model="one")
    checkout(workspace, "first")

    assert registry.register(workspace, "iris", run.id).version.ref == "iris@1"
