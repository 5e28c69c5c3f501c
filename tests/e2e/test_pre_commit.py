"""The hook refuses a commit whose production model nobody could lead back, and lets the others pass: by real commits."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

Git = Callable[..., str]
Mlcli = Callable[..., "subprocess.CompletedProcess[str]"]
PIP_CACHE = os.environ.get("PIP_CACHE_DIR") or str(Path("~/.cache/pip").expanduser())
REFUSED = "iris@1: it was made from uncommitted code: train.py"


class Outcome(NamedTuple):
    """What `git commit` answered, and whether there is a commit more."""

    code: int
    told: str
    committed: bool


def commit(git: Git, *arguments: str, at: Path | None = None) -> Outcome:
    before = git("rev-parse", "HEAD", at=at)
    done = subprocess.run(
        ["git", "commit", "-m", "A step", *arguments], cwd=at, capture_output=True, text=True, check=False
    )
    return Outcome(done.returncode, done.stdout + done.stderr, git("rev-parse", "HEAD", at=at) != before)


@pytest.fixture
def hooked(repo: Path, git: Git, mlcli: Mlcli) -> Path:
    """A repository with the hook of `mlcli init --hook`, everything committed."""
    assert mlcli("init", "--hook").returncode == 0
    (repo / "sub").mkdir()
    (repo / "sub" / "notes.txt").write_text("none\n")
    git("add", "-A")
    git("commit", "-qm", "The store")
    return repo


def test_a_model_of_committed_code_passes_without_a_word(hooked, git, ship):
    ship()
    git("add", ".mlruns")
    assert commit(git, "--quiet") == Outcome(0, "", committed=True)


def test_a_model_of_uncommitted_code_is_refused(hooked, git, ship):
    (hooked / "train.py").write_text("print('a quick try')\n")
    ship()
    git("add", ".mlruns")
    code, told, committed = commit(git)
    assert (code, committed) == (1, False)
    assert told == (
        f"error   dirty  {REFUSED}\n        hint: commit, then run and register again\n1 version: 1 error\n"
    )


def test_it_is_refused_from_a_subdirectory(hooked, git, ship):
    (hooked / "train.py").write_text("print('a quick try')\n")
    ship()
    git("add", ".mlruns")
    code, told, committed = commit(git, at=hooked / "sub")
    assert (code, committed) == (1, False)
    assert REFUSED in told


def test_commit_all_is_judged_by_what_it_would_commit(hooked, git, ship):
    (hooked / "train.py").write_text("print('a quick try')\n")
    ship()
    git("add", "--intent-to-add", ".mlruns")
    code, told, committed = commit(git, "--all")
    assert (code, committed) == (1, False)
    assert REFUSED in told


def test_commit_of_the_registry_alone_is_refused(hooked, git, ship):
    (hooked / "train.py").write_text("print('a quick try')\n")
    ship()
    git("add", ".mlruns")
    code, told, committed = commit(git, "--", ".mlruns")
    assert (code, committed) == (1, False)
    assert REFUSED in told


def test_commit_of_another_path_passes_while_the_refused_model_stays_staged(hooked, git, ship):
    (hooked / "train.py").write_text("print('a quick try')\n")
    ship()
    git("add", ".mlruns")
    assert commit(git, "--", "train.py").committed
    assert ".mlruns/models/iris/versions/1.json" in git("diff", "--cached", "--name-only")


def test_half_a_promotion_is_refused(hooked, git, ship):
    ship()
    git("add", ".mlruns")
    assert commit(git).committed
    ship()
    git("add", ".mlruns/models/iris/stages")
    code, told, committed = commit(git)
    assert (code, committed) == (1, False)
    assert told.startswith("error   stage-disagrees  iris@production: ")


def test_a_linked_worktree_is_judged_by_its_own_index(hooked, git, ship, tmp_path):
    other = tmp_path / "other"
    git("worktree", "add", "-q", str(other), "-b", "side")
    (other / "train.py").write_text("print('a quick try')\n")
    ship(at=other)
    git("add", ".mlruns", at=other)
    code, told, committed = commit(git, at=other)
    assert (code, committed) == (1, False)
    assert REFUSED in told
    assert commit(git, "--allow-empty").committed


@pytest.fixture
def pre_committed(repo: Path, git: Git, clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose .pre-commit-config.yaml names our hook, at HEAD of a clone of this repository; installed."""
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "pre-commit"))
    monkeypatch.setenv("PIP_CACHE_DIR", PIP_CACHE)
    (repo / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {clone}\n  rev: {git('rev-parse', 'HEAD', at=clone)}\n  hooks:\n  - id: mlcli-check\n"
    )
    git("add", "-A")
    git("commit", "-qm", "Hooks")
    subprocess.run([sys.executable, "-m", "pre_commit", "install", "--install-hooks"], check=True)
    return repo


@pytest.mark.slow
def test_pre_commit_itself_refuses_and_lets_pass(pre_committed, git, ship):
    ship()
    git("add", ".mlruns")
    passed = commit(git)
    (pre_committed / "train.py").write_text("print('a quick try')\n")
    ship()
    git("add", ".mlruns")
    code, told, committed = commit(git)
    assert passed.committed, passed.told
    assert re.search(r"^mlcli check\.+Passed$", passed.told, re.M)
    assert (code, committed) == (1, False)
    assert "- hook id: mlcli-check\n- exit code: 1\n" in told
    assert "error   dirty  iris@2: it was made from uncommitted code: train.py" in told
    assert (pre_committed / "train.py").read_text() == "print('a quick try')\n"
