"""Linked worktrees, in real repositories: what they hold, what they do not start, and what they leave as it was."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from mlcli.errors import GitError
from mlcli.gitrepo import worktrees

NOWHERE = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def there(machine: Path) -> str:
    return str(machine / "there" / "project")


def content(place: str | Path) -> dict[str, str]:
    """Every file of a working tree with its text, by its path."""
    return {
        str(path.relative_to(place)): path.read_text()
        for path in sorted(Path(place).rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(place).parts
    }


def everything(place: Path) -> dict[str, tuple[int, str]]:
    """Each file's time and content, git's own too, except what git keeps of its worktrees."""
    found = {}
    for directory, names, files in os.walk(place):
        names[:] = [name for name in names if not (name == "worktrees" and directory.endswith(".git"))]
        for name in files:
            path = Path(directory, name)
            data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(place))] = (path.lstat().st_mtime_ns, hashlib.sha256(data).hexdigest())
    return found


def snapshot(git, at: Path | None = None) -> str:
    """The working tree as a commit that no branch knows of, by plumbing."""
    index = {**os.environ, "GIT_INDEX_FILE": str((at or Path.cwd()) / ".git" / "of-its-own")}
    subprocess.run(["git", "add", "-A"], cwd=at, env=index, check=True)
    done = subprocess.run(["git", "write-tree"], cwd=at, env=index, check=True, capture_output=True, text=True)
    os.unlink(index["GIT_INDEX_FILE"])
    return git("commit-tree", done.stdout.strip(), "-p", "HEAD", "-m", "Snapshot", at=at)


def test_a_worktree_holds_the_files_of_its_commit_and_no_branch(repo: Path, git, there: str) -> None:
    first = git("rev-parse", "HEAD")
    (repo / "train.py").write_text("print('changed')\n")
    git("commit", "-qam", "Change")

    missing = worktrees.add(str(repo), there, first)

    assert (missing, content(there), git("rev-parse", "HEAD", at=Path(there))) == (
        [],
        {"train.py": "print('trained')\n"},
        first,
    )
    assert worktrees.is_detached(there)


def test_the_users_tree_index_head_and_stash_are_not_touched(repo: Path, git, there: str) -> None:
    (repo / "train.py").write_text("print('stashed')\n")
    git("stash")
    (repo / "train.py").write_text("print('staged')\n")
    git("add", "-A")
    (repo / "train.py").write_text("print('changed')\n")
    (repo / "new.py").write_text("print('new')\n")
    git("status")
    commit = snapshot(git)
    before = everything(repo)

    worktrees.add(str(repo), there, commit)
    held = content(there)
    worktrees.remove(str(repo), there)

    assert held == {"new.py": "print('new')\n", "train.py": "print('changed')\n"}
    assert (everything(repo), os.path.lexists(there)) == (before, False)


def test_nothing_that_the_repository_configures_is_started(repo: Path, git, there: str, machine: Path) -> None:
    canary = machine / "canary"
    program = machine / "program"
    program.write_text(f"#!/bin/sh\necho $0 $@ >> {canary}\ncat\n")
    program.chmod(0o755)
    (repo / ".gitattributes").write_text("*.csv filter=evil\n*.txt filter=drawn\n*.bin filter=lfs\n")
    for name in ("data.csv", "data.txt", "data.bin"):
        (repo / name).write_text("1\n")
    git("add", "-A")
    git("commit", "-qm", "Data")
    for key, value in {
        "filter.evil.smudge": program, "filter.evil.clean": program, "filter.evil.required": "true",
        "filter.drawn.process": program, "core.fsmonitor": program, "core.pager": program, "diff.external": program,
        "lfs.extension.evil.smudge": f"{program} %f", "lfs.extension.evil.clean": f"{program} %f",
        "core.sshCommand": program, "credential.helper": f"!{program}", "core.alternateRefsCommand": program,
    }.items():  # fmt: skip
        git("config", key, str(value))
    hooks = machine / "hooks"
    for place in (repo / ".git" / "hooks", hooks):
        place.mkdir(exist_ok=True)
        for hook in ("post-checkout", "reference-transaction", "post-index-change", "pre-commit", "fsmonitor-watchman"):
            (place / hook).write_text(program.read_text())
            (place / hook).chmod(0o755)
    git("config", "core.hooksPath", str(hooks))
    commit = git("rev-parse", "HEAD")

    worktrees.add(str(repo), there, commit)
    changed = worktrees.changes(there)
    worktrees.remove(str(repo), there)
    worktrees.forget(str(repo), there)

    assert (canary.exists(), changed) == (False, [])
    subprocess.run(["git", "worktree", "add", "--detach", there], check=False, capture_output=True)
    assert canary.exists(), "git by itself starts none of it, so that this proves nothing"


def test_a_filter_of_the_users_own_is_used(repo: Path, git, there: str) -> None:
    git("config", "--global", "filter.own.smudge", "sed s/small/LARGE/")
    (repo / ".gitattributes").write_text("*.csv filter=own\n")
    (repo / "data.csv").write_text("small\n")
    git("add", "-A")
    git("commit", "-qm", "Data")

    worktrees.add(str(repo), there, git("rev-parse", "HEAD"))

    assert content(there)["data.csv"] == "LARGE\n"


@pytest.mark.parametrize("commit", ["HEAD", "main", "-x", "--upload-pack=touch PWN", "0" * 39, "", "HEAD\n", "a" * 41])
def test_what_is_no_whole_id_is_refused(repo: Path, there: str, commit: str) -> None:
    with pytest.raises(GitError) as refused:
        worktrees.add(str(repo), there, commit)

    assert refused.value.message.endswith("is no id of a commit")
    assert not os.path.lexists(there)


def test_a_commit_that_is_not_here_is_one_error_with_what_fetches_it(repo: Path, there: str) -> None:
    told = []
    for snapshot_ in (False, True):
        with pytest.raises(GitError) as missing:
            worktrees.require(str(repo), NOWHERE, snapshot=snapshot_)
        told.append((missing.value.message, missing.value.hint))

    assert told == [
        ("commit 0123456789ab is not in this repository", "git fetch --all"),
        (
            "snapshot 0123456789ab is not in this repository",
            "git fetch origin 'refs/mlruns/*:refs/mlruns/*'",
        ),
    ]


def test_a_commit_that_a_shallow_clone_does_not_have_names_its_hint(repo: Path, git, machine: Path) -> None:
    first = git("rev-parse", "HEAD")
    git("commit", "-q", "--allow-empty", "-m", "Second")
    git("clone", "-q", "--depth", "1", f"file://{repo}", str(machine / "clone"))

    with pytest.raises(GitError) as missing:
        worktrees.require(str(machine / "clone"), first)

    assert (missing.value.message, missing.value.hint) == (
        f"commit {first[:12]} is not in this shallow clone",
        "git fetch --unshallow",
    )


def test_a_commit_of_which_a_file_is_lost_leaves_no_worktree(repo: Path, git, there: str) -> None:
    blob = git("rev-parse", "HEAD:train.py")
    (repo / ".git" / "objects" / blob[:2] / blob[2:]).unlink()

    with pytest.raises(GitError):
        worktrees.add(str(repo), there, git("rev-parse", "HEAD"))

    assert (os.path.lexists(there), len(git("worktree", "list").splitlines())) == (False, 1)


@pytest.fixture
def parent(repo: Path, git, machine: Path) -> Path:
    """`repo` with a submodule `lib` in which a submodule `deep` lies."""
    git("config", "--global", "protocol.file.allow", "always")
    for name in ("deep", "lib"):
        place = machine / "origins" / name
        place.mkdir(parents=True)
        git("init", "-q", at=place)
        (place / f"{name}.py").write_text(f"NAME = '{name}'\n")
        if name == "lib":
            git("submodule", "--quiet", "add", str(machine / "origins" / "deep"), "deep", at=place)
        git("add", "-A", at=place)
        git("commit", "-qm", f"Start {name}", at=place)
    git("submodule", "--quiet", "add", str(machine / "origins" / "lib"), "lib")
    git("submodule", "--quiet", "update", "--init", "--recursive")
    git("commit", "-qm", "Lib")
    return repo


def test_submodules_are_checked_out_too_and_removed_again(parent: Path, git, there: str) -> None:
    before = everything(parent)

    missing = worktrees.add(str(parent), there, git("rev-parse", "HEAD"))
    held = content(there)
    worktrees.remove(str(parent), there)

    assert missing == []
    assert {path: text for path, text in held.items() if path.endswith(".py")} == {
        "lib/deep/deep.py": "NAME = 'deep'\n",
        "lib/lib.py": "NAME = 'lib'\n",
        "train.py": "print('trained')\n",
    }
    assert [len(git("worktree", "list", at=place).splitlines()) for place in (parent, parent / "lib")] == [1, 1]
    assert {path: made[1] for path, made in everything(parent).items()} == {p: made[1] for p, made in before.items()}


def test_a_submodule_may_be_at_a_commit_that_only_it_knows(parent: Path, git, there: str) -> None:
    (parent / "lib" / "lib.py").write_text("NAME = 'changed'\n")
    git("add", "-A", at=parent / "lib")
    inner = git("commit-tree", git("write-tree", at=parent / "lib"), "-p", "HEAD", "-m", "Snapshot", at=parent / "lib")
    git("update-index", "--cacheinfo", f"160000,{inner},lib")
    commit = git("commit-tree", git("write-tree"), "-p", "HEAD", "-m", "Snapshot")

    missing = worktrees.add(str(parent), there, commit)

    assert (missing, content(there)["lib/lib.py"]) == ([], "NAME = 'changed'\n")


def test_submodules_that_are_not_here_are_named(parent: Path, git, there: str, machine: Path) -> None:
    git("clone", "-q", str(parent), str(machine / "clone"))

    missing = worktrees.add(str(machine / "clone"), there, git("rev-parse", "HEAD"))

    assert (missing, content(there)["train.py"]) == (["lib"], "print('trained')\n")


def test_a_sparse_checkout_of_the_users_makes_no_sparse_worktree(repo: Path, git, there: str) -> None:
    (repo / "docs").mkdir()
    (repo / "docs" / "page.md").write_text("page\n")
    git("add", "-A")
    git("commit", "-qm", "Page")
    git("sparse-checkout", "set", "nothing")

    worktrees.add(str(repo), there, git("rev-parse", "HEAD"))

    assert sorted(content(there)) == ["docs/page.md", "train.py"]


def test_a_linked_worktree_is_a_place_to_work_in(repo: Path, git, there: str, machine: Path) -> None:
    own = machine / "own"
    git("worktree", "add", "-q", "-b", "side", str(own))

    worktrees.add(str(own), there, git("rev-parse", "HEAD"))
    linked = [worktrees.is_linked(str(repo), there), worktrees.is_linked(str(own), there)]
    worktrees.remove(str(own), there)

    assert (linked, len(git("worktree", "list").splitlines())) == ([True, True], 2)


def test_a_sha256_repository_has_worktrees_too(machine: Path, git, there: str) -> None:
    place = machine / "other"
    place.mkdir()
    git("init", "-q", "--object-format=sha256", at=place)
    (place / "train.py").write_text("1\n")
    git("add", "-A", at=place)
    git("commit", "-qm", "Start", at=place)

    worktrees.add(str(place), there, git("rev-parse", "HEAD", at=place))

    assert content(there) == {"train.py": "1\n"}


def test_only_a_linked_worktree_of_the_repository_is_removed(repo: Path, machine: Path) -> None:
    other = machine / "other"
    other.mkdir()
    for place in (repo, other, machine / "nothing"):
        with pytest.raises(GitError):
            worktrees.remove(str(repo), str(place))

    assert (content(repo), other.is_dir()) == ({"train.py": "print('trained')\n"}, True)


def test_a_worktree_that_was_removed_by_hand_can_be_made_again(repo: Path, git, there: str) -> None:
    import shutil

    commit = git("rev-parse", "HEAD")
    worktrees.add(str(repo), there, commit)
    shutil.rmtree(there)

    worktrees.add(str(repo), there, commit)

    assert content(there) == {"train.py": "print('trained')\n"}


def test_what_was_changed_in_a_worktree_is_named(repo: Path, git, there: str) -> None:
    worktrees.add(str(repo), there, git("rev-parse", "HEAD"))
    (Path(there) / "train.py").write_text("changed\n")
    (Path(there) / "new.py").write_text("new\n")

    assert sorted(worktrees.changes(there)) == ["new.py", "train.py"]


def test_a_path_may_hold_anything(repo: Path, git, machine: Path) -> None:
    path = str(machine / "thére 'it\" is\n\t$(x)" / "-project")

    worktrees.add(str(repo), path, git("rev-parse", "HEAD"))
    held = content(path)
    worktrees.remove(str(repo), path)

    assert (held, os.path.lexists(path)) == ({"train.py": "print('trained')\n"}, False)
