"""The door to git, against real repositories in every weather, hostile ones too."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

import mlcli
from mlcli.domain.source import GitState, Person, SnapshotLimits
from mlcli.errors import GitError
from mlcli.gitrepo import CommitSummary, Repository, find_root, hint_for, read_person, read_state, scrubbed

ADA = Person(name="Ada", email="ada@example.org")
NOWHERE = "0123456789abcdef0123456789abcdef01234567"
PACKAGE_ROOT = str(Path(mlcli.__file__).parents[1])


def git(place: str, *arguments: str, check: bool = True, **environ: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=place,
        env={**os.environ, "LC_ALL": "C", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=check,
    )
    return done.stdout.decode(errors="replace").strip()


def write(place: str, name: str, text: str = "1\n") -> str:
    path = os.path.join(place, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_text(text)
    return path


def commit(place: str, message: str = "More", *options: str) -> str:
    git(place, "add", "-A")
    git(place, "commit", "-q", "--allow-empty", "-m", message, *options)
    return git(place, "rev-parse", "HEAD")


def make(place: str, *options: str) -> str:
    os.makedirs(place)
    git(place, "init", "-q", *options)
    write(place, "train.py")
    write(place, "data/iris.csv")
    commit(place, "First")
    return place


def clean(place: str) -> GitState:
    """What a clean checkout of `place` on main is, asked of git another way."""
    commit, tree, subject = git(place, "log", "-1", "--format=%H%n%T%n%s").splitlines()
    return GitState(commit=commit, tree=tree, subject=subject, branch="main", pushed=False)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    for name in [name for name in os.environ if name.startswith("GIT_") or name == "EMAIL"]:
        monkeypatch.delenv(name)
    home = str(tmp_path / "home")
    config = write(
        home,
        ".gitconfig",
        "[user]\n name = Ada\n email = ada@example.org\n[init]\n defaultBranch = main\n"
        '[protocol "file"]\n allow = always\n[advice]\n detachedHead = false\n',
    )
    for name, value in {
        "HOME": home,
        "XDG_CONFIG_HOME": f"{home}/.config",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": config,
        "GIT_AUTHOR_DATE": "2024-05-01T12:00:00+0200",
        "GIT_COMMITTER_DATE": "2024-05-01T12:00:00+0200",
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    return home


@pytest.fixture
def repo(tmp_path: Path) -> str:
    return make(os.path.realpath(tmp_path / "repo"))


# What a run notes


def test_a_clean_checkout_is_its_commit_tree_subject_branch_and_user(repo: str) -> None:
    assert read_state(repo) == (clean(repo), ADA)


def test_a_packed_commit_is_read_as_a_loose_one(repo: str) -> None:
    before = read_state(repo)
    git(repo, "gc", "-q", "--prune=now")
    assert sorted(os.listdir(f"{repo}/.git/objects")) == ["info", "pack"]
    assert read_state(repo) == before


def test_a_subdirectory_answers_for_the_whole_repository(repo: str) -> None:
    write(repo, "train.py", "2\n")
    git(repo, "remote", "add", "origin", "https://example.org/x.git")
    expected = replace(clean(repo), dirty=True, changed=["train.py"], remote="https://example.org/x.git")
    assert read_state(f"{repo}/data")[0] == expected


def test_a_linked_directory_leads_to_the_repository_it_lies_in(repo: str, tmp_path: Path) -> None:
    os.symlink(f"{repo}/data", tmp_path / "link")
    assert read_state(str(tmp_path / "link"))[0] == clean(repo)


def test_no_repository_is_a_reason_and_the_user_is_known_all_the_same(tmp_path: Path) -> None:
    assert read_state(str(tmp_path)) == (GitState(reason="not a git repository"), ADA)


def test_before_the_first_commit_there_is_a_branch_and_a_reason(tmp_path: Path) -> None:
    git(str(tmp_path), "init", "-q", "new")
    write(str(tmp_path), "new/a.py")
    expected = GitState(branch="main", dirty=True, untracked=["a.py"], reason="no commit yet")
    assert read_state(str(tmp_path / "new"))[0] == expected


def test_a_detached_head_has_no_branch(repo: str) -> None:
    git(repo, "checkout", "-q", "--detach")
    assert read_state(repo)[0] == replace(clean(repo), branch=None)


def test_what_is_changed_staged_deleted_renamed_or_new_is_dirty(repo: str) -> None:
    write(repo, "other.py")
    write(repo, "gone.py")
    commit(repo)
    write(repo, "train.py", "2\n")
    write(repo, "staged.py")
    git(repo, "add", "staged.py")
    os.unlink(f"{repo}/gone.py")
    git(repo, "mv", "other.py", "renamed.py")
    write(repo, "new/a.py")
    write(repo, "new/b.py")
    changed = ["gone.py", "other.py", "renamed.py", "staged.py", "train.py"]
    found = read_state(repo)[0]
    assert replace(found, changed=sorted(found.changed)) == replace(
        clean(repo), dirty=True, changed=changed, untracked=["new/a.py", "new/b.py"]
    )


def test_ignored_files_leave_the_tree_clean(repo: str) -> None:
    write(repo, ".gitignore", "*.tmp\n")
    commit(repo)
    write(repo, "a.tmp")
    assert read_state(repo)[0] == clean(repo)


@pytest.mark.parametrize("where", ["", "data/", "new/", "new/deeper/"])
def test_a_store_never_makes_the_tree_dirty(repo: str, where: str) -> None:
    write(repo, f"{where}.mlruns/models/iris/versions/1.json")
    assert read_state(repo)[0] == clean(repo)


@pytest.mark.parametrize("where", ["", "package/", "new/deeper/"])
def test_byte_code_never_makes_the_tree_dirty(repo: str, where: str) -> None:
    write(repo, f"{where}__pycache__/train.cpython-311.pyc")
    assert read_state(repo)[0] == clean(repo)


def test_a_store_with_tracked_changed_and_staged_documents_never_makes_the_tree_dirty(repo: str) -> None:
    write(repo, ".mlruns/a.json")
    write(repo, "data/.mlruns/b.json")
    commit(repo)
    write(repo, ".mlruns/a.json", "2\n")
    write(repo, "data/.mlruns/c.json")
    git(repo, "add", "data/.mlruns/c.json")
    os.unlink(f"{repo}/data/.mlruns/b.json")
    assert read_state(f"{repo}/data")[0] == clean(repo)


def test_a_new_directory_with_a_store_and_code_is_dirty(repo: str) -> None:
    write(repo, "new/.mlruns/a.json")
    write(repo, "new/a.py")
    assert read_state(repo)[0] == replace(clean(repo), dirty=True, untracked=["new/a.py"])


def test_of_many_changes_the_first_hundred_are_named_and_the_others_counted(repo: str) -> None:
    for number in range(130):
        write(repo, f"new{number:03}")
    write(repo, "train.py", "2\n")
    expected = replace(
        clean(repo), dirty=True, changed=["train.py"], untracked=[f"new{n:03}" for n in range(100)], left_out=30
    )
    assert read_state(repo)[0] == expected


def test_names_that_are_not_utf8_are_shown_with_escapes(repo: str) -> None:
    os.close(os.open(os.fsencode(repo) + b"/caf\xe9 \n.csv", os.O_CREAT | os.O_WRONLY))
    assert read_state(repo)[0] == replace(clean(repo), dirty=True, untracked=["caf\\xe9 \n.csv"])


@pytest.mark.parametrize("name", ["with space", "new\nline", "café", "quote'\"", "a:b", "-dash"])
def test_a_repository_may_lie_anywhere(tmp_path: Path, name: str) -> None:
    place = make(str(tmp_path / name))
    repository = Repository(place)
    assert (read_state(place)[0], repository.root, repository.head()) == (clean(place), place, clean(place).commit)


@pytest.mark.parametrize(
    "branch", ["-x", "--output=PWN", "a;touch${IFS}PWN", "$(touch${IFS}PWN)", "feature/äöü", "HEAD"]
)
def test_a_branch_may_be_called_anything(repo: str, branch: str) -> None:
    git(repo, "update-ref", f"refs/heads/{branch}", "HEAD")
    git(repo, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    expected = replace(clean(repo), branch=branch)
    assert (read_state(repo)[0], Repository(repo).resolve_commit(branch)) == (expected, expected.commit)
    assert not os.path.exists(f"{repo}/PWN")


def test_a_linked_worktree_answers_for_itself(repo: str, tmp_path: Path) -> None:
    place = str(tmp_path / "tree")
    git(repo, "worktree", "add", "-q", "-b", "side", place)
    write(place, "train.py", "2\n")
    assert read_state(place)[0] == replace(clean(repo), branch="side", dirty=True, changed=["train.py"])
    assert read_state(repo)[0] == clean(repo)


@pytest.fixture
def parent(repo: str, tmp_path: Path) -> str:
    """A repository with `repo` as its submodule `sub`."""
    parent = make(str(tmp_path / "parent"))
    git(parent, "submodule", "--quiet", "add", repo, "sub")
    commit(parent, "Submodule")
    return parent


def test_a_submodule_answers_for_itself(parent: str) -> None:
    write(f"{parent}/sub", "train.py", "2\n")
    found = read_state(f"{parent}/sub/data")[0]
    assert (found.commit, found.changed) == (git(f"{parent}/sub", "rev-parse", "HEAD"), ["train.py"])


def test_a_clean_submodule_is_clean(parent: str) -> None:
    assert read_state(parent)[0] == clean(parent)


def _change_a_file(sub: str) -> None:
    write(sub, "train.py", "2\n")


def _add_a_file(sub: str) -> None:
    write(sub, "new.py")


def _commit_in_it(sub: str) -> None:
    commit(sub)


@pytest.mark.parametrize("change", [_change_a_file, _add_a_file, _commit_in_it])
def test_a_changed_submodule_makes_its_parent_dirty(parent: str, change: Callable[[str], None]) -> None:
    change(f"{parent}/sub")
    assert read_state(parent)[0] == replace(clean(parent), dirty=True, changed=["sub"])


def test_a_submodule_that_is_not_checked_out_is_clean(parent: str, tmp_path: Path) -> None:
    git(str(tmp_path), "clone", "-q", parent, "clone")
    assert read_state(str(tmp_path / "clone"))[0].dirty is False


def test_a_submodule_path_that_leads_out_or_to_itself_is_not_followed(repo: str, tmp_path: Path) -> None:
    make(str(tmp_path / "outside"))
    write(str(tmp_path), "outside/new.py")
    os.symlink("../outside", f"{repo}/link")
    paths = [".", "..", "../outside", "link", str(tmp_path / "outside")]
    write(repo, ".gitmodules", "".join(f'[submodule "{path}"]\n path = {path}\n url = x\n' for path in paths))
    commit(repo)
    assert read_state(repo)[0] == clean(repo)


def test_a_shallow_clone_says_so(repo: str, tmp_path: Path) -> None:
    commit(repo)
    git(str(tmp_path), "clone", "-q", "--depth=1", f"file://{repo}", "clone")
    expected = replace(clean(repo), upstream="origin/main", ahead=0, behind=0, pushed=True, remote=f"file://{repo}")
    assert read_state(str(tmp_path / "clone"))[0] == replace(expected, shallow=True)


def test_a_partial_clone_is_read_without_fetching(repo: str, tmp_path: Path) -> None:
    write(repo, "data/iris.csv", "2\n")
    commit(repo)
    git(repo, "config", "uploadpack.allowFilter", "true")
    git(str(tmp_path), "clone", "-q", "--filter=blob:none", f"file://{repo}", "clone")
    clone = str(tmp_path / "clone")
    git(clone, "mv", "train.py", "renamed.py")
    found = read_state(clone)[0]
    assert (found.commit, found.changed, found.reason) == (clean(repo).commit, ["renamed.py", "train.py"], None)
    assert Repository(clone).missing_commits([f"{found.commit}", NOWHERE]) == {NOWHERE}


def test_ahead_and_behind_count_from_the_upstream(repo: str, tmp_path: Path) -> None:
    git(str(tmp_path), "clone", "-q", repo, "clone")
    clone = str(tmp_path / "clone")
    commit(repo)
    commit(clone, "One")
    commit(clone, "Two")
    git(clone, "fetch", "-q")
    expected = replace(clean(clone), upstream="origin/main", ahead=2, behind=1, remote=repo)
    assert read_state(clone)[0] == expected


def test_an_upstream_that_is_gone_has_no_distance(repo: str, tmp_path: Path) -> None:
    git(str(tmp_path), "clone", "-q", repo, "clone")
    clone = str(tmp_path / "clone")
    git(clone, "update-ref", "-d", "refs/remotes/origin/main")
    assert read_state(clone)[0] == replace(clean(clone), upstream="origin/main", remote=repo)


@pytest.mark.parametrize(
    ("settings", "remote"),
    [
        (["remote.origin.url=https://ada:ghp_secret@example.org/x.git?token=1"], "https://example.org/x.git"),
        (["remote.origin.url=git@example.org:x.git"], "git@example.org:x.git"),
        (["remote.fork.url=u1", "remote.origin.url=u2"], "u2"),
        (["remote.fork.url=u1", "remote.origin.url=u2", "branch.main.remote=fork"], "u1"),
        (["remote.a.b.url=u1", "remote.origin.url=u2", "branch.main.remote=a.b"], "u1"),
        (["remote.fork.url=u1", "remote.origin.url=u2", "branch.main.remote=."], "u2"),
        (["branch.main.remote=https://t:k@example.org/pr.git", "remote.origin.url=u2"], "https://example.org/pr.git"),
        (["remote.fork.url=u1"], "u1"),
        (["remote.fork.url=u1", "remote.other.url=u2"], None),
        (["remote.origin.fetch=+refs/heads/*:refs/remotes/origin/*"], None),
    ],
)
def test_the_remote_is_the_branchs_or_origin_or_the_only_one(
    repo: str, settings: list[str], remote: str | None
) -> None:
    for setting in settings:
        git(repo, "config", *setting.split("=", 1))
    assert read_state(repo)[0] == replace(clean(repo), remote=remote)


def _merge(repo: str) -> None:
    git(repo, "merge", "side", check=False)


def _rebase(repo: str) -> None:
    git(repo, "rebase", "side", check=False)


def _rebase_by_patches(repo: str) -> None:
    git(repo, "rebase", "--apply", "side", check=False)


def _cherry_pick(repo: str) -> None:
    git(repo, "cherry-pick", "side", check=False)


def _revert(repo: str) -> None:
    git(repo, "revert", "--no-edit", "HEAD~1", check=False)


def _bisect(repo: str) -> None:
    git(repo, "bisect", "start", "HEAD", "HEAD~2")


@pytest.mark.parametrize(
    ("begin", "operation"),
    [
        (_merge, "merge"),
        (_rebase, "rebase"),
        (_rebase_by_patches, "rebase"),
        (_cherry_pick, "cherry-pick"),
        (_revert, "revert"),
        (_bisect, "bisect"),
    ],
)
@pytest.mark.parametrize("linked", [False, True])
def test_an_operation_in_progress_is_noted(
    repo: str, tmp_path: Path, begin: Callable[[str], None], operation: str, *, linked: bool
) -> None:
    git(repo, "branch", "side")
    git(repo, "worktree", "add", "-q", "-b", "work", str(tmp_path / "tree"))
    place = [repo, str(tmp_path / "tree")][linked]
    for text in ("2\n", "3\n"):
        write(place, "train.py", text)
        commit(place)
    git(place, "checkout", "-q", "side")
    write(place, "train.py", "side\n")
    commit(place)
    git(place, "checkout", "-q", ["main", "work"][linked])
    begin(place)
    assert (read_state(place)[0].operation, read_state([str(tmp_path / "tree"), repo][linked])[0].operation) == (
        operation,
        None,
    )


@pytest.mark.parametrize("format_", ["sha1", "sha256"])
def test_every_question_works_in_both_hash_formats(tmp_path: Path, format_: str) -> None:
    place = make(str(tmp_path / "repo"), f"--object-format={format_}")
    head = git(place, "rev-parse", "HEAD")
    repository = Repository(place)
    assert read_state(place)[0] == clean(place)
    assert (repository.head(), repository.resolve_commit(head[:9])) == (head, head)
    assert repository.missing_commits([head, head[:39], NOWHERE, "0" * 64]) == {head[:39], NOWHERE, "0" * 64}
    assert (repository.unreachable_commits([head]), repository.branches_containing(head)) == (set(), ["main"])
    assert repository.describe([head])[head].subject == "First"
    assert repository.staged_files("data") == {"data/iris.csv": b"1\n"}


def test_replaced_commits_are_shown_as_they_were_made(repo: str) -> None:
    before = clean(repo)
    other = git(repo, "commit-tree", "-m", "Other", git(repo, "mktree"))
    git(repo, "replace", "HEAD", other)
    assert (read_state(repo)[0].tree, Repository(repo).describe([f"{before.commit}"])[f"{before.commit}"].subject) == (
        before.tree,
        "First",
    )


def test_reading_the_state_writes_nothing(repo: str) -> None:
    os.utime(f"{repo}/train.py", (1, 1))
    before = {path: path.stat().st_mtime_ns for path in Path(repo, ".git").rglob("*")}
    read_state(repo)
    assert {path: path.stat().st_mtime_ns for path in Path(repo, ".git").rglob("*")} == before


def test_a_lock_that_was_left_behind_does_not_matter(repo: str) -> None:
    write(repo, ".git/index.lock")
    assert read_state(repo)[0] == clean(repo)


# Where git has no answer


def _head_names_nothing(repo: str) -> None:
    write(repo, ".git/refs/heads/main", f"{NOWHERE}\n")


def _damage_head(repo: str) -> None:
    write(repo, ".git/HEAD", "garbage\n")


def _damage_branch(repo: str) -> None:
    write(repo, ".git/refs/heads/main", "garbage\n")


def _damage_index(repo: str) -> None:
    write(repo, ".git/index", "garbage\n")


def _damage_config(repo: str) -> None:
    write(repo, ".git/config", "[core\n")


def _empty_commit_object(repo: str) -> None:
    commit = git(repo, "rev-parse", "HEAD")
    path = f"{repo}/.git/objects/{commit[:2]}/{commit[2:]}"
    os.unlink(path)
    write(repo, path)
    os.truncate(path, 0)


def _lose_git_dir(repo: str) -> None:
    os.rename(f"{repo}/.git", f"{repo}/moved")
    write(repo, ".git", "gitdir: /nowhere/at/all\n")


def _unknown_extension(repo: str) -> None:
    git(repo, "config", "core.repositoryFormatVersion", "99")


UNREADABLE = "git cannot read the repository: "


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_head_names_nothing, UNREADABLE + "bad object HEAD"),
        (_damage_head, UNREADABLE + "not a git repository"),
        (_damage_branch, UNREADABLE + "HEAD names a damaged branch"),
        (_damage_index, UNREADABLE + ".git/index: index file smaller than expected"),
        (_damage_config, UNREADABLE + "bad config line 1 in file .git/config"),
        (_empty_commit_object, UNREADABLE + "object file .git/objects/"),
        (_lose_git_dir, "the directory that .git names is gone"),
        (_unknown_extension, UNREADABLE + "Expected git repo version <= 1, found 99"),
    ],
)
def test_a_damaged_repository_is_a_reason_without_paths_of_the_machine(
    repo: str, tmp_path: Path, damage: Callable[[str], None], reason: str
) -> None:
    damage(repo)
    found = read_state(repo)[0]
    assert found == GitState(reason=found.reason)
    assert f"{found.reason}".startswith(reason)
    assert str(tmp_path) not in f"{found.reason}"
    assert hint_for(found.reason)


def test_a_broken_repository_is_not_taken_for_the_one_around_it(repo: str) -> None:
    inner = make(f"{repo}/inner")
    _damage_head(inner)
    assert f"{read_state(inner)[0].reason}".startswith(UNREADABLE + "not a git repository")


def test_an_empty_git_directory_is_no_repository(repo: str) -> None:
    os.makedirs(f"{repo}/data/.git")
    assert (find_root(f"{repo}/data"), read_state(f"{repo}/data")[0]) == (repo, clean(repo))


def test_a_bare_repository_is_a_reason(repo: str, tmp_path: Path) -> None:
    git(str(tmp_path), "clone", "-q", "--bare", repo, "bare")
    bare = str(tmp_path / "bare")
    assert read_state(bare)[0] == GitState(reason="a bare repository has no working tree")
    with pytest.raises(GitError, match="a bare repository"):
        Repository(bare)


def test_a_repository_of_another_user_is_a_reason(repo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    reason = "the repository belongs to another user and safe.directory does not name it"
    assert read_state(repo) == (GitState(reason=reason), ADA)
    with pytest.raises(GitError, match="another user") as caught:
        Repository(repo).branches_containing(NOWHERE)
    assert "safe.directory" in caught.value.message
    assert caught.value.hint == hint_for(reason)


def test_a_machine_without_git_is_a_reason(repo: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_state(repo) == (GitState(reason="git is not installed"), Person())
    with pytest.raises(GitError, match="git is not installed"):
        Repository(repo).resolve_commit("HEAD")
    assert Repository(repo).person() == Person()


def test_git_is_never_taken_from_a_relative_place(repo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chmod(write(repo, "git", "#!/bin/sh\ntouch PWN\n"), 0o755)
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}")
    monkeypatch.chdir(repo)
    read_state(repo)
    Repository(repo).resolve_commit("main")
    assert not os.path.exists(f"{repo}/PWN")


def test_git_that_does_not_answer_in_time_is_a_reason(repo: str) -> None:
    assert read_state(repo, seconds=0)[0] == GitState(reason="git gave no answer in time")


@pytest.mark.parametrize("asks", ["resolve_commit", "is_ignored"])
def test_a_question_that_git_does_not_answer_in_time_is_an_error(
    repo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asks: str
) -> None:
    repository = Repository(repo)
    repository.is_ignored("main")  # GitPython asks git for its version when it is loaded
    os.chmod(write(str(tmp_path), "slow/git", "#!/bin/sh\nexec sleep 60\n"), 0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/slow:{os.environ['PATH']}")
    monkeypatch.setattr("mlcli.gitrepo.repository.SECONDS", 0.05)
    monkeypatch.setattr("mlcli.gitrepo.command.SECONDS", 0.05)
    with pytest.raises(GitError, match="git gave no answer in time"):
        getattr(repository, asks)("main")


def test_a_directory_that_is_gone_is_a_reason(tmp_path: Path) -> None:
    assert read_state(str(tmp_path / "gone"))[0].reason == "git cannot be started: No such file or directory"


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        (None, None),
        ("not a git repository", "git init && git add -A && git commit -m 'First commit'"),
        ("no commit yet", "git add -A && git commit -m 'First commit'"),
        ("git cannot read the repository: bad object HEAD", "git status; git fsck"),
    ],
)
def test_a_reason_has_a_command_that_mends_it(reason: str | None, hint: str | None) -> None:
    assert hint_for(reason) == hint


# The environment


def test_the_childs_environment_names_no_repository(repo: str) -> None:
    named = git(repo, "rev-parse", "--local-env-vars").split()
    environ = dict.fromkeys(named, "x") | {"PATH": "/bin", "GIT_AUTHOR_NAME": "Ada", "GIT_SSH_COMMAND": "ssh -i k"}
    assert scrubbed(environ) == {"PATH": "/bin", "GIT_AUTHOR_NAME": "Ada", "GIT_SSH_COMMAND": "ssh -i k"}


def test_variables_of_another_repository_change_no_answer(
    repo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make(str(tmp_path / "other"))
    commit(other, "Other")
    expected = clean(repo)
    for name, value in {
        "GIT_DIR": f"{other}/.git",
        "GIT_WORK_TREE": other,
        "GIT_INDEX_FILE": f"{other}/.git/index",
        "GIT_OBJECT_DIRECTORY": f"{other}/.git/objects",
        "GIT_COMMON_DIR": f"{other}/.git",
        "GIT_NAMESPACE": "x",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.bare",
        "GIT_CONFIG_VALUE_0": "true",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_TRACE": "1",
        "GIT_EXTERNAL_DIFF": "false",
    }.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    repository = Repository(repo)
    assert read_state(repo)[0] == expected
    assert (repository.head(), repository.resolve_commit("main")) == (expected.commit, expected.commit)
    assert repository.staged_files("") == {"data/iris.csv": b"1\n", "train.py": b"1\n"}
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("environ", "settings", "person"),
    [
        ({}, {}, ADA),
        ({}, {"user.name": "Bo"}, Person(name="Bo", email=ADA.email)),
        ({}, {"author.name": "Cy", "author.email": "cy@x"}, Person(name="Cy", email="cy@x")),
        ({"GIT_AUTHOR_NAME": "Di", "GIT_AUTHOR_EMAIL": "di@x"}, {"user.name": "Bo"}, Person(name="Di", email="di@x")),
        ({"GIT_CONFIG_GLOBAL": os.devnull}, {}, Person()),
        ({"GIT_CONFIG_GLOBAL": os.devnull, "EMAIL": "e@x"}, {"user.name": "Bo"}, Person(name="Bo", email="e@x")),
    ],
)
def test_the_user_is_whom_git_would_name_without_guessing(
    repo: str, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], settings: dict[str, str], person: Person
) -> None:
    for key, value in settings.items():
        git(repo, "config", key, value)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert (Repository(repo).person(), read_person(f"{repo}/data"), read_state(repo)[1]) == (person, person, person)


# What checking and showing ask


def test_the_root_is_the_top_of_the_working_tree(repo: str) -> None:
    assert (Repository(f"{repo}/data").root, find_root(repo)) == (repo, repo)


def test_no_repository_is_an_error_with_its_hint(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="not a git repository") as caught:
        Repository(str(tmp_path))
    assert caught.value.hint == "git init && git add -A && git commit -m 'First commit'"


def test_head_is_none_before_the_first_commit(tmp_path: Path) -> None:
    git(str(tmp_path), "init", "-q", "new")
    repository = Repository(str(tmp_path / "new"))
    assert (repository.head(), repository.unreachable_commits([NOWHERE]), repository.staged_files("")) == (
        None,
        set(),
        {},
    )


def test_a_commit_is_found_by_branch_tag_short_hash_and_revision(repo: str) -> None:
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "tag", "-a", "-m", "Tag", "v1")
    second = commit(repo)
    asked = ["main", "v1", first[:7], first.upper(), "HEAD~1", "main^{/First}"]
    assert [Repository(repo).resolve_commit(text) for text in asked] == [second, first, first, first, first, first]


@pytest.mark.parametrize(
    "text",
    ["", "nope", NOWHERE, "--all", "-x", "--output=PWN", "^HEAD", "HEAD..HEAD", "HEAD:train.py", "a\0b", "main\nmain"],
)
def test_what_names_no_commit_resolves_to_none(repo: str, text: str) -> None:
    assert Repository(repo).resolve_commit(text) is None


def test_commits_that_are_absent_or_no_full_id_are_missing(repo: str) -> None:
    head, tree = git(repo, "rev-parse", "HEAD", "HEAD^{tree}").split()
    bad = {NOWHERE, tree, "HEAD", head[:39], head.upper(), "-x", "", f"{head} ", f"{head}\n{head}", "--batch", "0" * 64}
    assert Repository(repo).missing_commits([head, *bad]) == bad


def test_a_rewritten_commit_is_here_and_unreachable(repo: str) -> None:
    before = commit(repo, "Before")
    after = commit(repo, "After", "--amend")
    repository = Repository(repo)
    assert repository.missing_commits([before, after]) == set()
    assert repository.unreachable_commits([before, after, NOWHERE, "-x"]) == {before}
    assert (repository.branches_containing(before), repository.branches_containing(NOWHERE)) == ([], [])


@pytest.mark.parametrize("ref", ["refs/heads/side", "refs/remotes/origin/side", "refs/tags/v1"])
def test_a_commit_behind_any_branch_or_tag_is_reachable(repo: str, ref: str) -> None:
    before = commit(repo, "Before")
    git(repo, "update-ref", ref, before)
    commit(repo, "After", "--amend")
    assert Repository(repo).unreachable_commits([before]) == set()


@pytest.mark.parametrize("ref", ["refs/mlruns/x", "refs/stash"])
def test_a_commit_that_only_another_ref_keeps_is_unreachable(repo: str, ref: str) -> None:
    before = commit(repo, "Before")
    git(repo, "update-ref", ref, before)
    commit(repo, "After", "--amend")
    assert Repository(repo).unreachable_commits([before]) == {before}


def test_a_commit_at_a_detached_head_is_reachable(repo: str) -> None:
    git(repo, "checkout", "-q", "--detach")
    parent = commit(repo)
    head = commit(repo)
    repository = Repository(repo)
    assert (repository.unreachable_commits([parent, head]), repository.branches_containing(head)) == (set(), [])


def test_commits_are_described_by_subject_author_and_date(repo: str) -> None:
    first = git(repo, "rev-parse", "HEAD")
    second = commit(repo, "A subject\nin two lines\n\nAnd a body\n", "--author=Zoë O <zoe@x>")
    assert Repository(repo).describe([second, first, NOWHERE, "HEAD"]) == {
        first: CommitSummary(first, "First", ADA, datetime(2024, 5, 1, 10, tzinfo=timezone.utc)),
        second: CommitSummary(
            second,
            "A subject in two lines",
            Person(name="Zoë O", email="zoe@x"),
            datetime(2024, 5, 1, 10, tzinfo=timezone.utc),
        ),
    }


def test_branches_with_a_commit_are_named_local_ones_first(repo: str, tmp_path: Path) -> None:
    git(str(tmp_path), "clone", "-q", repo, "clone")
    clone = str(tmp_path / "clone")
    git(clone, "branch", "-q", "älter")
    git(clone, "update-ref", "refs/heads/-x", "HEAD")
    repository = Repository(clone)
    head = f"{repository.head()}"
    assert repository.branches_containing(head) == ["-x", "main", "älter"]
    assert repository.branches_containing(head, limit=9) == ["-x", "main", "älter", "origin/main"]


def test_the_index_is_read_not_the_working_tree(repo: str) -> None:
    write(repo, ".mlruns/models/a b.json", "staged\n")
    write(repo, ".mlruns/models/sub/é.json", "\0\n\n")
    write(repo, ".mlruns/other.json")
    git(repo, "add", "-A")
    os.symlink("a b.json", f"{repo}/.mlruns/models/link.json")
    git(repo, "add", "-A")
    write(repo, ".mlruns/models/a b.json", "unstaged\n")
    write(repo, ".mlruns/models/new.json")
    expected = {".mlruns/models/a b.json": b"staged\n", ".mlruns/models/sub/é.json": b"\0\n\n"}
    repository = Repository(f"{repo}/data")
    assert repository.staged_files(".mlruns/models") == expected
    assert repository.staged_files(f"{repo}/.mlruns/models") == expected
    assert repository.staged_files("nothing") == {}


@pytest.mark.parametrize("below", ["*", ":(glob)**", "-x", ":/", "--others"])
def test_a_path_below_which_the_index_is_read_is_never_a_pattern(repo: str, below: str) -> None:
    assert Repository(repo).staged_files(below) == {}


def test_an_unresolved_conflict_in_the_index_is_an_error(repo: str) -> None:
    git(repo, "checkout", "-q", "-b", "side")
    write(repo, "train.py", "side\n")
    commit(repo)
    git(repo, "checkout", "-q", "main")
    write(repo, "train.py", "main\n")
    commit(repo)
    _merge(repo)
    with pytest.raises(GitError, match=r"train\.py has an unresolved conflict") as caught:
        Repository(repo).staged_files("")
    assert caught.value.hint == "resolve it, then: git add train.py"
    assert Repository(repo).staged_files("data") == {"data/iris.csv": b"1\n"}


def test_a_staged_object_that_is_lost_is_an_error(repo: str) -> None:
    blob = git(repo, "rev-parse", ":train.py")
    write(repo, "data/iris.csv", "2\n")
    git(repo, "add", "data")
    os.unlink(f"{repo}/.git/objects/{blob[:2]}/{blob[2:]}")
    with pytest.raises(GitError, match=r"the staged content of train\.py is not in the repository"):
        Repository(repo).staged_files("")


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("a.tmp", True),
        ("data/a.tmp", True),
        ("kept.tmp", False),
        ("tracked.tmp", False),
        ("train.py", False),
        ("build/x/y", True),
        (":a.tmp", True),
        ("-x.tmp", True),
        (":(glob)x", False),
    ],
)
@pytest.mark.parametrize("absolute", [False, True])
def test_a_path_is_ignored_if_git_leaves_it_out(repo: str, path: str, *, ignored: bool, absolute: bool) -> None:
    write(repo, "tracked.tmp")
    commit(repo)
    write(repo, ".gitignore", "*.tmp\n!kept.tmp\nbuild/\n")
    assert Repository(repo).is_ignored(["", f"{repo}/"][absolute] + path) is ignored


def test_a_path_outside_the_repository_is_an_error(repo: str) -> None:
    with pytest.raises(GitError, match="is outside repository"):
        Repository(repo).is_ignored("../x")


# Inside a hook

HOOK = """#!/bin/sh
cd "$MLCLI_TEST_CD"
exec {python} -c '
import os, sys
sys.path.insert(0, "{package}")
from mlcli.gitrepo import Repository, read_state
found = Repository(os.getcwd()).staged_files(".mlruns")
with open(os.environ["MLCLI_TEST_OUT"], "w") as out:
    print(found, read_state(os.getcwd())[0].branch, sep="|", file=out, end="")
'
"""


@pytest.fixture
def hooked(repo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A repository that notes what a hook sees of the index, with two changed documents and one staged."""
    write(repo, ".mlruns/a", "old a")
    write(repo, ".mlruns/b", "old b")
    commit(repo)
    hook = write(repo, ".git/hooks/pre-commit", HOOK.format(python=sys.executable, package=PACKAGE_ROOT))
    os.chmod(hook, 0o755)
    monkeypatch.setenv("MLCLI_TEST_OUT", str(tmp_path / "out"))
    monkeypatch.setenv("MLCLI_TEST_CD", ".")
    return repo


def _prepare(place: str) -> None:
    write(place, ".mlruns/a", "new a")
    write(place, ".mlruns/b", "new b")
    git(place, "add", ".mlruns/a")


@pytest.mark.parametrize(
    ("place", "options", "seen"),
    [
        (".", [], {".mlruns/a": b"new a", ".mlruns/b": b"old b"}),
        (".", ["-a"], {".mlruns/a": b"new a", ".mlruns/b": b"new b"}),
        (".", ["--", ".mlruns/b"], {".mlruns/a": b"old a", ".mlruns/b": b"new b"}),
        ("data", [], {".mlruns/a": b"new a", ".mlruns/b": b"old b"}),
        ("data", ["-a"], {".mlruns/a": b"new a", ".mlruns/b": b"new b"}),
    ],
)
def test_a_hook_sees_the_index_that_will_be_committed(
    hooked: str, tmp_path: Path, place: str, options: list[str], seen: dict[str, bytes]
) -> None:
    _prepare(hooked)
    git(f"{hooked}/{place}", "-c", "core.x=y", "commit", "-q", "-m", "x", *options)
    assert (tmp_path / "out").read_text() == f"{seen}|main"


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ([], {".mlruns/a": b"new a", ".mlruns/b": b"old b"}),
        (["-a"], {".mlruns/a": b"new a", ".mlruns/b": b"new b"}),
    ],
)
def test_a_hook_in_a_linked_worktree_sees_its_index(
    hooked: str, tmp_path: Path, options: list[str], seen: dict[str, bytes]
) -> None:
    tree = str(tmp_path / "tree")
    git(hooked, "worktree", "add", "-q", "-b", "side", tree)
    _prepare(tree)
    git(tree, "commit", "-q", "-m", "x", *options)
    assert (tmp_path / "out").read_text() == f"{seen}|side"


@pytest.mark.parametrize("options", [[], ["-a"]])
def test_a_hook_that_goes_to_another_repository_sees_that_ones_index(
    hooked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    other = make(str(tmp_path / "other"))
    write(other, ".mlruns/c", "c")
    git(other, "add", "-A")
    monkeypatch.setenv("MLCLI_TEST_CD", other)
    _prepare(hooked)
    git(hooked, "commit", "-q", "-m", "x", *options)
    assert (tmp_path / "out").read_text() == "{'.mlruns/c': b'c'}|main"


# A repository that is not to be trusted

QUESTIONS: dict[str, Callable[[str], object]] = {
    "read_person": lambda place: read_person(place),
    "head": lambda place: Repository(place).head(),
    "person": lambda place: Repository(place).person(),
    "resolve_commit": lambda place: Repository(place).resolve_commit("main"),
    "resolve_missing": lambda place: Repository(place).resolve_commit(NOWHERE),
    "missing_commits": lambda place: Repository(place).missing_commits([f"{Repository(place).head()}", NOWHERE]),
    "unreachable_commits": lambda place: Repository(place).unreachable_commits(
        [f"{Repository(place).head()}", NOWHERE]
    ),
    "describe": lambda place: Repository(place).describe([f"{Repository(place).head()}", NOWHERE]),
    "branches_containing": lambda place: Repository(place).branches_containing(f"{Repository(place).head()}"),
    "staged_files": lambda place: Repository(place).staged_files(""),
    "is_ignored": lambda place: Repository(place).is_ignored("x.dat"),
    "unkept_commits": lambda place: Repository(place).unkept_commits([f"{Repository(place).head()}", NOWHERE]),
    "is_pushed": lambda place: Repository(place).is_pushed(f"{Repository(place).head()}"),
    "patch_id": lambda place: Repository(place).patch_id(f"{Repository(place).head()}"),
    "found_again": lambda place: Repository(place).found_again(
        GitState(commit=NOWHERE, tree=NOWHERE, patch_id=NOWHERE)
    ),
    "unreadable": lambda place: Repository(place).unreadable_snapshots({f"{Repository(place).head()}": None}),
}
SET_FILTER = {"filter.evil.clean": "{run}; cat"}
# What the repository sets, and a command that shows that it bites.
ATTACKS: dict[str, tuple[dict[str, str], list[str]]] = {
    "fsmonitor": ({"core.fsmonitor": "{run}; false"}, ["status"]),
    "clean filter": (SET_FILTER, ["status"]),
    "process filter": ({"filter.evil.process": "{run}; false", "filter.evil.required": "true"}, ["status"]),
    "upper case filter": ({"FILTER.evil.CLEAN": "{run}; cat"}, ["status"]),
    "odd filter": ({"filter.a=b.clean": "{run}; cat"}, ["status"]),
    "included filter": ({"include.path": "../evil.config"}, ["status"]),
    "conditional filter": ({"includeIf.onbranch:main.path": "../evil.config"}, ["status"]),
    "hooks": ({"core.hooksPath": "hooks"}, ["status"]),
    "external diff": ({"diff.external": "{run}; false"}, ["diff"]),
    "textconv": ({"diff.evil.textconv": "{run}; false"}, ["diff"]),
    "pager": ({"core.pager": "{run}; cat", "pager.status": "true"}, ["var", "GIT_PAGER"]),
    "promisor": (
        {
            "core.repositoryFormatVersion": "1",
            "extensions.partialClone": "origin",
            "remote.origin.url": ".",
            "remote.origin.promisor": "true",
            "remote.origin.uploadpack": "{run}; false",
        },
        ["cat-file", "-e", NOWHERE],
    ),
}


@pytest.fixture
def hostile(repo: str) -> str:
    """A repository with attributes, a hook and changed files that only wait for their configuration."""
    write(repo, ".gitattributes", "*.dat filter=evil diff=evil\n*.odd filter=a=b\n")
    write(repo, "x.dat")
    write(repo, "x.odd")
    os.chmod(write(repo, "hooks/post-index-change", f"#!/bin/sh\ntouch {repo}/PWN\n"), 0o755)
    write(repo, "evil.config", f'[filter "evil"]\n clean = touch {repo}/PWN; cat\n')
    write(repo, ".gitignore", "PWN\n")
    commit(repo)
    write(repo, "train.py", "2\n")
    write(repo, "x.dat", "2\n")
    for name in ("x.dat", "x.odd", "data/iris.csv"):
        os.utime(f"{repo}/{name}", (1, 1))
    return repo


def _arm(place: str, settings: dict[str, str]) -> None:
    for key, value in settings.items():
        git(place, "config", key, value.replace("{run}", f"touch {place}/PWN"))


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name != "pager"])
def test_the_attacks_below_work_on_git_itself(hostile: str, attack: str) -> None:
    settings, command = ATTACKS[attack]
    _arm(hostile, settings)
    git(hostile, *command, check=False)
    assert os.path.exists(f"{hostile}/PWN")


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_question_runs_what_a_repository_configures(hostile: str, attack: str) -> None:
    before = {name: ask(hostile) for name, ask in QUESTIONS.items()}
    _arm(hostile, ATTACKS[attack][0])
    assert {name: ask(hostile) for name, ask in QUESTIONS.items()} == before
    read_state(hostile)
    read_state(hostile, limits=SnapshotLimits())
    assert not os.path.exists(f"{hostile}/PWN")


def test_no_question_has_a_signature_verified(hostile: str) -> None:
    head = git(hostile, "cat-file", "commit", "HEAD")
    signed = head.replace("\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n", 1)
    write(hostile, "signed", signed + "\n")
    git(hostile, "reset", "-q", "--soft", git(hostile, "hash-object", "-t", "commit", "-w", "signed"))
    os.chmod(write(hostile, "gpg", f"#!/bin/sh\ntouch {hostile}/PWN\n"), 0o755)
    _arm(hostile, {"log.showSignature": "true", "gpg.program": f"{hostile}/gpg"})
    state = read_state(hostile)[0]
    repository = Repository(hostile)
    repository.names_ever_in("data")
    repository.found_again(replace(state, commit=NOWHERE, patch_id="0" * 40))
    repository.describe([f"{state.commit}"])
    assert not os.path.exists(f"{hostile}/PWN")
    git(hostile, "log", "-1")
    assert os.path.exists(f"{hostile}/PWN")


def test_a_filter_that_cannot_be_switched_off_is_a_reason(hostile: str) -> None:
    _arm(hostile, ATTACKS["odd filter"][0])
    assert read_state(hostile)[0] == GitState(reason=UNREADABLE + "it configures a filter with = in its name")


def test_a_filter_of_a_worktrees_own_configuration_is_not_run(hostile: str) -> None:
    git(hostile, "config", "extensions.worktreeConfig", "true")
    git(hostile, "config", "--worktree", "filter.evil.clean", f"touch {hostile}/PWN; cat")
    assert read_state(hostile)[0].changed == ["train.py", "x.dat"]
    assert not os.path.exists(f"{hostile}/PWN")


def test_a_filter_of_a_submodules_own_configuration_is_not_run(hostile: str, tmp_path: Path) -> None:
    git(hostile, "commit", "-q", "-a", "-m", "Clean")
    parent = make(str(tmp_path / "parent"))
    git(parent, "submodule", "--quiet", "add", hostile, "sub")
    commit(parent)
    _arm(f"{parent}/sub", SET_FILTER)
    os.utime(f"{parent}/sub/x.dat", (1, 1))
    assert read_state(parent)[0] == clean(parent)
    assert not os.path.exists(f"{parent}/sub/PWN")


def test_the_users_own_filters_still_work(hostile: str) -> None:
    git(hostile, "config", "--global", "filter.evil.clean", "sed s/2/1/")
    assert read_state(hostile)[0].changed == ["train.py"]


def test_a_users_filter_that_the_repository_could_extend_is_switched_off(hostile: str) -> None:
    write(hostile, ".gitattributes", "*.dat filter=lfs\n")
    git(hostile, "config", "--global", "filter.lfs.clean", f"touch {hostile}/PWN; cat")
    git(hostile, "config", "lfs.extension.evil.clean", "true")
    read_state(hostile)
    assert not os.path.exists(f"{hostile}/PWN")


def test_a_bare_repository_among_the_files_is_never_entered(repo: str) -> None:
    git(repo, "init", "-q", "--bare", "data/bare")
    bare = f"{repo}/data/bare"
    git(bare, "config", "core.bare", "false")
    git(bare, "config", "core.worktree", "..")
    git(bare, "config", "core.fsmonitor", f"touch {repo}/PWN; false")
    write(bare, "objects/x")
    write(bare, "refs/x")
    commit(repo)
    found = read_state(bare)[0], Repository(bare).root, Repository(bare).staged_files("train.py")
    assert found == (clean(repo), repo, {"train.py": b"1\n"})
    assert not os.path.exists(f"{repo}/PWN")


# The cost


def test_reading_the_state_loads_neither_gitpython_nor_a_heavy_module() -> None:
    code = "import sys, mlcli.gitrepo as g; g.read_state('.'); print(*{'git', 'tempfile', 'typer'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
