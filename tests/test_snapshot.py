"""Snapshots: a dirty tree is kept whole, and nothing of the user's is touched; in real repositories of every kind."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlcli.domain.source import GitState, LeftOut, SnapshotLimits
from mlcli.gitrepo import KEPT, keep_commits, kept_commits, place_of, read_state

LIMITS = SnapshotLimits(durable=False)


@pytest.fixture(autouse=True)
def git_settings(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Submodules by path, as git needs to be told since 2.38; and no waiting for the disk."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")
    with open(machine / "home" / ".gitconfig", "a", encoding="utf-8") as config:
        config.write('[protocol "file"]\n\tallow = always\n[advice]\n\tdetachedHead = false\n')


def kept(place: Path, limits: SnapshotLimits = LIMITS) -> GitState:
    return read_state(str(place), limits=limits)[0]


def files_of(git, commit: str, at: Path | None = None) -> dict[str, str]:
    """The paths of a commit, each with its mode and content, target or commit."""
    found = {}
    for line in git("-c", "core.quotePath=false", "ls-tree", "-r", commit, at=at).splitlines():
        about, _, path = line.partition("\t")
        mode, kind, oid = about.split()
        if kind == "blob":
            blob = subprocess.run(["git", "cat-file", "blob", oid], cwd=at, capture_output=True, check=True).stdout
            oid = blob.decode("latin-1").strip()
        found[path] = f"{mode} {oid}"
    return found


def everything(place: Path) -> dict[str, tuple[object, ...]]:
    """Whatever lies below a directory, with content and times; of git's objects nothing, they may be added."""
    found: dict[str, tuple[object, ...]] = {}
    for directory, names, files in os.walk(place):
        if directory.endswith(".git/objects"):
            names.clear()
            continue
        for name in [*names, *files]:
            path = os.path.join(directory, name)
            about = os.lstat(path)
            content = Path(path).read_bytes() if os.path.isfile(path) and not os.path.islink(path) else b""
            times = (about.st_mtime_ns,) if os.path.isfile(path) else ()
            found[os.path.relpath(path, place)] = (about.st_mode, content, *times)
    return found


@pytest.fixture
def dirty(repo: Path, git) -> Path:
    """Every kind of change: staged, not staged, both, deleted, renamed, new, a link, a mode, binary and odd names."""
    for name in ("gone.py", "old.py", "mode.sh", "both.py", "staged.py"):
        (repo / name).write_text(f"{name}\n")
    (repo / ".gitignore").write_text("ignored/\n")
    git("add", "-A")
    git("commit", "-qm", "More")
    git("stash", "list")
    (repo / "train.py").write_text("print('changed')\n")
    (repo / "staged.py").write_text("staged\n")
    (repo / "both.py").write_text("first\n")
    git("add", "staged.py", "both.py")
    (repo / "both.py").write_text("second\n")
    (repo / "gone.py").unlink()
    git("mv", "old.py", "new name.py")
    (repo / "mode.sh").chmod(0o755)
    (repo / "link").symlink_to("train.py")
    (repo / "new").mkdir()
    (repo / "new" / "ünï.py").write_text("new\n")
    (repo / "data.bin").write_bytes(bytes(range(256)))
    (repo / "crlf.txt").write_bytes(b"a\r\nb\r\n")
    (repo / "ignored").mkdir()
    (repo / "ignored" / "x").write_text("x")
    return repo


def test_a_snapshot_holds_the_tree_as_it_lies_there(dirty: Path, git) -> None:
    state = kept(dirty)
    snapshot = state.snapshot
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, check=True
    )
    names = {name.decode() for name in tracked.stdout.split(b"\0") if name and os.path.lexists(name)}
    assert set(files_of(git, snapshot.commit)) == names
    git("worktree", "add", "--detach", "-q", "../again", snapshot.commit)
    again = dirty.parent / "again"
    assert {name: (again / name).read_bytes() for name in names} == {
        name: (dirty / name).read_bytes() for name in names
    }
    assert (os.readlink(again / "link"), os.access(again / "mode.sh", os.X_OK)) == ("train.py", True)
    assert (state.commit, git("rev-parse", f"{snapshot.commit}^"), git("rev-parse", f"{snapshot.commit}^{{tree}}")) == (
        git("rev-parse", "HEAD"), git("rev-parse", "HEAD"), snapshot.tree,
    )  # fmt: skip
    assert (state.unkept, snapshot.left_out, state.code) == (None, [], snapshot.commit)


def test_nothing_of_the_users_is_touched(dirty: Path, git, mlcli) -> None:
    (dirty / ".mlruns").mkdir()
    git("stash", "push", "-q", "-u")
    git("stash", "apply", "-q", "--index")
    for hook in ("post-index-change", "reference-transaction", "post-commit", "pre-commit", "post-checkout"):
        (dirty / ".git" / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {dirty.parent}/PWN\n")
        (dirty / ".git" / "hooks" / hook).chmod(0o755)
    before = everything(dirty)
    done = mlcli("run", "--", "true")
    after = {
        name: what for name, what in everything(dirty).items() if not name.startswith((".mlruns", ".git/refs/mlruns"))
    }
    assert (done.returncode, after) == (0, {name: what for name, what in before.items() if name != ".mlruns"})
    assert not (dirty.parent / "PWN").exists()
    assert [
        name for name in os.listdir(os.environ.get("TMPDIR", "/tmp")) if name.startswith(f"mlcli-{os.getpid()}-")
    ] == []


def test_the_same_tree_is_the_same_commit_and_one_ref(dirty: Path, git, mlcli) -> None:
    def run(number: int) -> int:
        return mlcli("run", "--name", f"r{number}", "--", "true").returncode

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(run, range(8))) == {0}
    snapshot = kept(dirty).snapshot
    assert git("for-each-ref", "--format=%(refname)", "refs/mlruns") == f"refs/mlruns/main/{snapshot.commit}"
    (dirty / "train.py").write_text("print('other')\n")
    other = kept(dirty).snapshot.commit
    (dirty / "train.py").write_text("print('changed')\n")
    os.utime(dirty / "train.py", (1, 1))
    assert (other != snapshot.commit, kept(dirty).snapshot) == (True, snapshot)


def test_a_snapshot_outlives_rebase_branch_deletion_and_gc(dirty: Path, git, mlcli) -> None:
    mlcli("run", "--", "true")
    snapshot = kept(dirty).snapshot.commit
    before = files_of(git, snapshot)
    git("checkout", "-q", "--orphan", "other")
    git("add", "-A")
    git("commit", "-qm", "Other")
    git("branch", "-q", "-D", "main")
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "-q", "--prune=now")
    assert files_of(git, snapshot) == before


def test_a_clean_commit_that_no_remote_has_is_kept_and_a_pushed_one_needs_none(
    repo: Path, git, mlcli, tmp_path: Path
) -> None:
    mlcli("run", "--", "true")
    assert git("for-each-ref", "--format=%(refname)", "refs/mlruns") == f"refs/mlruns/main/{git('rev-parse', 'HEAD')}"
    git("init", "-q", "--bare", str(tmp_path / "origin"))
    git("remote", "add", "origin", str(tmp_path / "origin"))
    git("commit", "-q", "--allow-empty", "-m", "More")
    git("push", "-q", "-u", "origin", "main")
    told = mlcli("run", "--", "true").stderr
    assert (git("for-each-ref", "refs/mlruns").count("\n"), "on main\n" in told) == (0, True)
    git("commit", "-q", "--allow-empty", "-m", "Ahead")
    assert "on main (1 ahead of origin/main)\n" in mlcli("run", "--", "true").stderr
    assert len(git("for-each-ref", "refs/mlruns").splitlines()) == 2


def test_refs_are_pushed_and_fetched_by_their_pattern(dirty: Path, git, mlcli, tmp_path: Path) -> None:
    mlcli("run", "--", "true")
    snapshot = kept(dirty).snapshot.commit
    git("init", "-q", "--bare", str(tmp_path / "origin"))
    git("remote", "add", "origin", str(tmp_path / "origin"))
    git("push", "-q", "origin", "main", "refs/mlruns/*")
    git("clone", "-q", str(tmp_path / "origin"), str(tmp_path / "clone"))
    git("fetch", "-q", "origin", "refs/mlruns/*:refs/mlruns/*", at=tmp_path / "clone")
    assert files_of(git, snapshot, at=tmp_path / "clone") == files_of(git, snapshot)


def test_many_refs_are_packed(repo: Path, git) -> None:
    tree = git("rev-parse", "HEAD^{tree}")
    commits = [git("commit-tree", tree, "-m", str(number)) for number in range(3)]
    made = "".join(f"create refs/mlruns/main/{number:040x} {commits[0]}\n" for number in range(1, 501))
    subprocess.run(["git", "update-ref", "--stdin"], input=made, text=True, check=True)
    keep_commits(str(repo), "main", {"": commits[1]})
    assert len(os.listdir(repo / ".git/refs/mlruns/main") if (repo / ".git/refs/mlruns/main").exists() else []) == 0
    keep_commits(str(repo), "main", {"": commits[1]})
    keep_commits(str(repo), "main", {"": commits[2]})
    assert (os.listdir(repo / ".git/refs/mlruns/main"), len(kept_commits(str(repo), "main"))) == ([commits[2]], 502)


# What is left out


def test_a_large_new_file_is_left_out_and_named(repo: Path) -> None:
    (repo / "big.bin").write_bytes(b"x" * 2000)
    (repo / "small.py").write_text("1\n")
    snapshot = kept(repo, SnapshotLimits(1000, 5000)).snapshot
    assert snapshot.left_out == [LeftOut(path="big.bin", size=2000, digest="", reason="large")]


def test_the_digest_of_what_was_left_out_is_in_the_runs_document(repo: Path, mlcli) -> None:
    content = os.urandom(3000)
    (repo / "big.bin").write_bytes(content)
    (repo / "mlcli.toml").write_text('snapshot_file_limit = "2 kB"\n')
    done = mlcli("run", "--", "true")
    run = mlcli("show", "@", "--json").stdout
    assert f'"sha256:{hashlib.sha256(content).hexdigest()}"' in run
    assert "not kept with the code: big.bin (3.0 kB: too large)" in done.stderr


def test_a_large_file_is_read_once_as_long_as_it_stays(repo: Path, workspace) -> None:
    workspace.store.make()
    place = repo / "big.bin"
    place.write_bytes(b"first" * 20_000)
    os.utime(place, (1, 1))

    def told(path: Path) -> str:
        with workspace.store.digesting() as digests:
            return digests.of(str(path))

    remembered = Path(workspace.store.root, ".cache", "digests.json")
    assert told(place) == f"sha256:{hashlib.sha256(b'first' * 20_000).hexdigest()}"
    assert not remembered.exists()  # its ctime is new
    remembered.parent.mkdir(exist_ok=True)
    remembered.write_bytes(b"{")
    place.write_bytes(b"other")
    assert told(place) == f"sha256:{hashlib.sha256(b'other').hexdigest()}"
    assert told(repo / "absent") == ""


def test_of_many_new_files_the_small_ones_are_kept(repo: Path, git) -> None:
    for name, size in (("a", 400), ("b", 100), ("c", 300), ("d", 300)):
        (repo / name).write_bytes(b"x" * size)
    snapshot = kept(repo, SnapshotLimits(1000, 800)).snapshot
    assert ([file.path for file in snapshot.left_out], set(files_of(git, snapshot.commit))) == (
        ["a"], {"b", "c", "d", "train.py"},
    )  # fmt: skip


def test_what_is_left_out_beyond_a_hundred_is_counted(repo: Path) -> None:
    for number in range(130):
        (repo / f"f{number:03}").write_bytes(b"xx")
    snapshot = kept(repo, SnapshotLimits(1, 1)).snapshot
    assert (len(snapshot.left_out), snapshot.unnamed) == (100, 30)


def test_a_directory_of_many_new_files_is_left_out_as_one(repo: Path, git) -> None:
    (repo / "images").mkdir()
    for number in range(1001):
        (repo / "images" / f"{number}.png").write_bytes(b"x")
    (repo / "new.py").write_text("1\n")
    snapshot = kept(repo).snapshot
    assert (snapshot.left_out, set(files_of(git, snapshot.commit))) == (
        [LeftOut(path="images/", size=1001, digest="", reason="many")], {"new.py", "train.py"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kept_too"),
    [
        (".env", False), (".env.local", False), ("sub/.env", False), ("id_rsa", False), ("server.pem", False),
        ("credentials.json", False), ("secrets.yaml", False), (".env.example", True), ("environment.yml", True),
        ("id_rsa.pub", True), ("tokens.py", True), ("secretary.py", True),
    ],
)  # fmt: skip
def test_new_files_that_are_named_like_secrets_are_left_out(repo: Path, git, name: str, kept_too: bool) -> None:
    (repo / name).parent.mkdir(exist_ok=True)
    (repo / name).write_text("TOKEN=x\n")
    (repo / "other.py").write_text("1\n")
    snapshot = kept(repo).snapshot
    assert (name in files_of(git, snapshot.commit), bool(snapshot.left_out)) == (kept_too, not kept_too)


def test_snapshots_can_be_switched_off(dirty: Path, git, mlcli) -> None:
    done = mlcli("run", "--", "true", env={"MLCLI_SNAPSHOT": "no"})
    assert (done.returncode, '"snapshot": null' in mlcli("show", "@", "--json").stdout) == (0, True)


def test_a_snapshot_that_cannot_be_made_is_a_warning_and_the_command_runs(dirty: Path, mlcli) -> None:
    done = mlcli("run", "--", "echo", "ran", env={"TMPDIR": str(dirty / "absent")})
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert "what is not committed is not kept: git's index cannot be copied" in done.stderr


# Submodules, other repositories, filters, hidden files


@pytest.fixture
def parent(repo: Path, git, tmp_path: Path) -> Path:
    git("init", "-q", str(tmp_path / "library"))
    (tmp_path / "library" / "lib.py").write_text("1\n")
    git("add", "-A", at=tmp_path / "library")
    git("commit", "-qm", "Library", at=tmp_path / "library")
    git("submodule", "--quiet", "add", str(tmp_path / "library"), "sub")
    git("commit", "-qm", "Submodule")
    return repo


def test_a_changed_submodule_is_kept_inside_itself(parent: Path, git, mlcli) -> None:
    (parent / "sub" / "lib.py").write_text("2\n")
    (parent / "sub" / "new.py").write_text("3\n")
    mlcli("run", "--", "true")
    state = kept(parent)
    inner = state.snapshot.submodules["sub"]
    assert files_of(git, inner, at=parent / "sub") == {"lib.py": "100644 2", "new.py": "100644 3"}
    assert files_of(git, state.snapshot.commit)["sub"] == f"160000 {inner}"
    assert git("rev-parse", f"{inner}^", at=parent / "sub") == git("rev-parse", "HEAD", at=parent / "sub")
    git("gc", "-q", "--prune=now", at=parent / "sub")
    assert git("cat-file", "-t", inner, at=parent / "sub") == "commit"


def test_a_submodule_at_another_commit_is_recorded_at_that(parent: Path, git) -> None:
    git("commit", "-q", "--allow-empty", "-m", "More", at=parent / "sub")
    head = git("rev-parse", "HEAD", at=parent / "sub")
    snapshot = kept(parent).snapshot
    assert (files_of(git, snapshot.commit)["sub"], snapshot.submodules) == (f"160000 {head}", {})


def test_the_refs_of_a_submodule_go_with_the_run(parent: Path, git, mlcli) -> None:
    (parent / "sub" / "lib.py").write_text("2\n")
    mlcli("run", "--", "true")
    assert len(git("for-each-ref", "refs/mlruns", at=parent / "sub").splitlines()) == 1
    mlcli("rm", "@")
    assert git("for-each-ref", "refs/mlruns", at=parent / "sub") == ""
    mlcli("gc", "--older-than", "0")
    assert git("for-each-ref", "refs/mlruns", "refs/mlruns-trash", at=parent / "sub") == ""


def test_a_repository_among_the_files_is_recorded_by_its_commit(repo: Path, git) -> None:
    git("init", "-q", "inner")
    (repo / "inner" / "x.py").write_text("1\n")
    git("add", "-A", at=repo / "inner")
    git("commit", "-qm", "Inner", at=repo / "inner")
    git("init", "-q", "empty")
    snapshot = kept(repo).snapshot
    assert snapshot.nested["inner"] == git("rev-parse", "HEAD", at=repo / "inner")
    assert set(files_of(git, snapshot.commit)) == {"train.py"}


def test_what_a_filter_of_the_user_cleans_is_recorded_cleaned(repo: Path, git) -> None:
    git("config", "--global", "filter.upper.clean", "tr a-z A-Z")
    git("config", "--global", "filter.upper.smudge", "tr A-Z a-z")
    (repo / ".gitattributes").write_text("*.up filter=upper\n")
    (repo / "x.up").write_text("text\n")
    snapshot = kept(repo).snapshot
    assert (files_of(git, snapshot.commit)["x.up"], snapshot.bypassed) == ("100644 TEXT", [])


def test_a_large_file_of_git_lfs_stays_an_id_where_the_repository_sets_that_up(repo: Path, git) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3000\n"
    (repo / ".gitattributes").write_text("*.bin filter=lfs\n")
    (repo / "x.bin").write_text(pointer)
    git("add", "-A")
    git("commit", "-qm", "Pointer")
    git("config", "filter.lfs.clean", "git-lfs clean -- %f")
    (repo / "x.bin").write_bytes(b"x" * 3000)
    snapshot = kept(repo, SnapshotLimits(1000, 5000)).snapshot
    assert files_of(git, snapshot.commit)["x.bin"] == f"100644 {pointer.strip()}"
    assert snapshot.left_out == [LeftOut(path="x.bin", size=3000, digest="", reason="large")]


def test_a_required_filter_that_is_missing_is_passed_over_and_recorded(repo: Path, git) -> None:
    git("config", "--global", "filter.lfs.clean", "no-such-program clean")
    git("config", "--global", "filter.lfs.required", "true")
    (repo / ".gitattributes").write_text("*.bin filter=lfs\n")
    (repo / "x.bin").write_text("content\n")
    state = kept(repo)
    assert (state.reason, state.unkept, state.snapshot.bypassed) == (None, None, ["lfs"])
    assert files_of(git, state.snapshot.commit)["x.bin"] == "100644 content"


@pytest.mark.parametrize("option", ["--assume-unchanged", "--skip-worktree"])
def test_files_that_git_was_told_to_take_for_unchanged_are_seen(repo: Path, git, option: str) -> None:
    git("update-index", option, "train.py")
    assert (kept(repo).dirty, kept(repo).hidden) == (False, ["train.py"])
    (repo / "train.py").write_text("print('hidden')\n")
    state = kept(repo)
    assert (state.dirty, state.changed, state.hidden) == (True, ["train.py"], ["train.py"])
    assert files_of(git, state.snapshot.commit) == {"train.py": "100644 print('hidden')"}
    assert git("ls-files", "-v") in {"h train.py", "S train.py"}


def test_what_a_sparse_checkout_leaves_out_stays_in_the_tree(repo: Path, git) -> None:
    (repo / "a").mkdir()
    (repo / "a" / "x.py").write_text("1\n")
    git("add", "-A")
    git("commit", "-qm", "a")
    git("sparse-checkout", "set", "--no-cone", "/train.py", "/new.py")
    (repo / "new.py").write_text("2\n")
    state = kept(repo)
    assert (state.hidden, set(files_of(git, state.snapshot.commit))) == ([], {"a/x.py", "new.py", "train.py"})


# Git's weather


def test_before_the_first_commit_the_tree_is_kept_without_a_parent(machine: Path, git, mlcli) -> None:
    git("init", "-q", ".")
    Path("train.py").write_text("1\n")
    done = mlcli("run", "--", "true")
    state = kept(machine / "work")
    assert (state.commit, state.reason, files_of(git, state.code)) == (None, "no commit yet", {"train.py": "100644 1"})
    assert ("no commit: no commit yet, 1 file not committed (kept as" in done.stderr, "warning" in done.stderr) == (
        True, False,
    )  # fmt: skip
    assert git("rev-list", "--parents", state.code) == state.code


def test_in_the_middle_of_a_merge_the_files_are_kept_with_their_markers(repo: Path, git) -> None:
    git("checkout", "-q", "-b", "side")
    (repo / "train.py").write_text("print('side')\n")
    git("commit", "-qam", "Side")
    git("checkout", "-q", "main")
    (repo / "train.py").write_text("print('main')\n")
    git("commit", "-qam", "Main")
    subprocess.run(["git", "merge", "-q", "side"], check=False, capture_output=True)
    state = kept(repo)
    assert (state.operation, state.unkept) == ("merge", None)
    assert files_of(git, state.code)["train.py"].startswith("100644 <<<<<<< HEAD\nprint('main')")
    assert git("status", "--porcelain") == "UU train.py"


def test_a_file_in_place_of_a_directory_and_the_other_way_round(repo: Path, git) -> None:
    (repo / "a").mkdir()
    (repo / "a" / "x").write_text("1\n")
    (repo / "b").write_text("2\n")
    git("add", "-A")
    git("commit", "-qm", "More")
    (repo / "a" / "x").unlink()
    (repo / "a").rmdir()
    (repo / "a").write_text("file\n")
    (repo / "b").unlink()
    (repo / "b").mkdir()
    (repo / "b" / "x").write_text("3\n")
    assert set(files_of(git, kept(repo).code)) == {"a", "b/x", "train.py"}


@pytest.mark.parametrize(
    "settings",
    [
        {"core.splitIndex": "true"}, {"core.autocrlf": "true", "core.safecrlf": "true"}, {"index.version": "4"},
        {"core.untrackedCache": "true"}, {"status.showUntrackedFiles": "no"}, {"commit.gpgSign": "true"},
        {"core.logAllRefUpdates": "always"}, {"core.ignoreCase": "true"}, {"status.relativePaths": "true"},
    ],
    ids=lambda settings: next(iter(settings)),
)  # fmt: skip
def test_settings_of_the_user_change_nothing(dirty: Path, git, settings: dict[str, str]) -> None:
    before = set(files_of(git, kept(dirty).code))
    for key, value in settings.items():
        git("config", key, value)
    git("update-index", "-q", "--refresh", "--force-write-index") if "core.splitIndex" in settings else None
    assert set(files_of(git, kept(dirty).code)) == before


def test_a_linked_worktree_has_its_own_tree_and_its_own_refs(repo: Path, git, mlcli) -> None:
    git("worktree", "add", "-q", "-b", "side", "../side")
    side = repo.parent / "side"
    (side / "train.py").write_text("print('side')\n")
    mlcli("run", "--", "true", at=side)
    state = kept(side)
    place = place_of(str(side), str(side / ".mlruns"))
    assert files_of(git, state.code) == {"train.py": "100644 print('side')"}
    assert git("for-each-ref", "--format=%(refname)", "refs/mlruns") == f"refs/mlruns/{place}/{state.code}"
    assert (place.startswith("side-"), place_of(str(side), str(repo / ".mlruns"))) == (True, "main")


def test_inside_a_hook_the_working_trees_own_index_is_copied(repo: Path, git, mlcli) -> None:
    (repo / "train.py").write_text("print('changed')\n")
    (repo / ".gitignore").write_text(".mlruns\n")
    hook = repo / ".git" / "hooks" / "pre-commit"
    hook.write_text(f"#!/bin/sh\n{Path(sys.executable).parent}/mlcli run -- git rev-parse --show-toplevel\n")
    hook.chmod(0o755)
    done = subprocess.run(
        ["git", "commit", "-am", "Changed"], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    run = mlcli("show", "@", "--json").stdout
    assert ('"dirty": true' in run, '"unkept": null' in run, git("status", "--porcelain")) == (
        True, True, "?? .gitignore",
    )  # fmt: skip


def test_a_lock_that_was_left_behind_does_not_matter(dirty: Path) -> None:
    expected = kept(dirty)
    (dirty / ".git" / "index.lock").touch()
    assert kept(dirty) == expected


def test_commits_of_the_user_are_never_in_the_way(repo: Path, git, mlcli) -> None:
    with ThreadPoolExecutor(1) as pool:
        (repo / "new.py").write_text("1\n")
        runs = [pool.submit(mlcli, "run", "--", "true") for _ in range(6)]
        commits = [
            subprocess.run(
                ["git", "commit", "-q", "--allow-empty", "-m", str(number)], capture_output=True, check=False
            ).returncode
            for number in range(40)
        ]
        assert ({run.result().returncode for run in runs}, set(commits)) == ({0}, {0})


def test_a_sha256_repository_is_kept_as_any_other(machine: Path, git) -> None:
    git("init", "-q", "--object-format=sha256", ".")
    Path("a.py").write_text("1\n")
    git("add", "-A")
    git("commit", "-qm", "a")
    Path("a.py").write_text("2\n")
    state = kept(machine / "work")
    assert (len(state.code), files_of(git, state.code)) == (64, {"a.py": "100644 2"})


@pytest.mark.parametrize("branch", ["-x", "ünï/cödé", "a;touch-PWN", "$(touch-PWN)", "--output=PWN"])
def test_a_branch_may_be_called_anything(repo: Path, git, mlcli, branch: str) -> None:
    git("update-ref", f"refs/heads/{branch}", "HEAD")
    git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
    (repo / "new.py").write_text("1\n")
    done = mlcli("run", "--", "true")
    state = kept(repo)
    assert (done.returncode, state.branch, state.unkept, (repo / "PWN").exists()) == (0, branch, None, False)


@pytest.mark.parametrize(
    "settings",
    [
        {"core.fsmonitor": "touch PWN; false"},
        {"core.hooksPath": "hooks"},
        {"filter.evil.clean": "touch PWN; cat"},
        {"filter.evil.process": "touch PWN; false", "filter.evil.required": "true"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_nothing_that_a_repository_configures_is_started(dirty: Path, git, mlcli, settings: dict[str, str]) -> None:
    (dirty / "hooks").mkdir()
    for hook in ("post-index-change", "reference-transaction"):
        (dirty / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {dirty}/PWN\n")
        (dirty / "hooks" / hook).chmod(0o755)
    (dirty / ".gitattributes").write_text("*.bin filter=evil\n*.py filter=evil\n")
    for key, value in settings.items():
        git("config", key, value.replace("PWN", f"{dirty}/PWN"))
    done = mlcli("run", "--", "true")
    assert (done.returncode, kept(dirty).unkept, (dirty / "PWN").exists()) == (0, None, False)
    assert KEPT == "refs/mlruns"


def test_files_that_hold_what_looks_like_a_secret_are_kept_and_told(repo: Path, git, mlcli) -> None:
    token = "gh" + "p_" + "a1B2" * 9
    (repo / "train.py").write_text(f"client('{token}')\n")
    (repo / "new.yaml").write_text("db:\n  password: " + "hunter2\n")
    (repo / "fine.py").write_text("import os\npassword = os.environ['PASSWORD']\nmax_tokens = 512\n")
    (repo / "data.bin").write_bytes(b"\0" + token.encode())
    (repo / "link.py").symlink_to("train.py")
    (repo / "large.txt").write_text(f"{token}\n" * 30_000)
    snapshot = kept(repo).snapshot
    assert (snapshot.secrets, snapshot.left_out) == (["new.yaml", "train.py"], [])
    assert {"new.yaml", "train.py", "fine.py"} <= set(files_of(git, snapshot.commit))
    done = mlcli("run", "--", "true")
    assert (
        "new.yaml (and 1 more) holds what looks like a secret, and is kept with the code in this clone" in done.stderr
    )
    assert 'snapshot_secrets = "leave out"' in done.stderr


def test_files_that_hold_what_looks_like_a_secret_can_be_left_out(repo: Path, git, mlcli) -> None:
    committed = files_of(git, "HEAD")["train.py"]
    (repo / "train.py").write_text("password = '" + "hunter2'\n")
    (repo / "new.py").write_text("password = '" + "hunter2'\n")
    (repo / "fine.py").write_text("print(1)\n")
    (repo / "mlcli.toml").write_text('snapshot_secrets = "leave out"\n')
    done = mlcli("run", "--idfile", ".git/id", "--", "true")
    assert "not kept with the code: new.py (21 B: it holds what looks like a secret) and 1 more" in done.stderr
    commit = git("for-each-ref", "--format=%(objectname)", "refs/mlruns")
    held = files_of(git, commit)
    assert (held["train.py"], "new.py" in held, "fine.py" in held) == (committed, False, True)
    left_out = kept(repo, LIMITS.__class__(durable=False, secrets=False)).snapshot.left_out
    assert [(file.path, file.reason) for file in left_out] == [("new.py", "holds secret"), ("train.py", "holds secret")]
