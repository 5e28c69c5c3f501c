"""Every command in every weather of git: a recorded answer, an exit code that was promised, and never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Weather = Callable[..., Path]


@pytest.fixture(autouse=True)
def git_settings(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLCLI_DURABILITY", "none")
    with open(machine / "home" / ".gitconfig", "a", encoding="utf-8") as config:
        config.write('[protocol "file"]\n\tallow = always\n[advice]\n\tdetachedHead = false\n')


def no_repository(repo: Path, git) -> Path:
    shutil.rmtree(repo / ".git")
    return repo


def no_commit(repo: Path, git) -> Path:
    shutil.rmtree(repo / ".git")
    git("init", "-q")
    return repo


def detached(repo: Path, git) -> Path:
    git("checkout", "-q", "--detach")
    return repo


def bare(repo: Path, git) -> Path:
    git("clone", "-q", "--bare", str(repo), "../bare.git")
    return repo.parent / "bare.git"


def shallow(repo: Path, git) -> Path:
    git("commit", "-q", "--allow-empty", "-m", "More")
    git("clone", "-q", "--depth", "1", f"file://{repo}", "../shallow")
    return repo.parent / "shallow"


def linked(repo: Path, git) -> Path:
    git("worktree", "add", "-q", "-b", "side", "../side")
    return repo.parent / "side"


def submodule(repo: Path, git) -> Path:
    git("init", "-q", "../outer")
    git("submodule", "--quiet", "add", str(repo), "inner", at=repo.parent / "outer")
    return repo.parent / "outer" / "inner"


def with_submodule(repo: Path, git) -> Path:
    outer = submodule(repo, git).parent
    git("commit", "-qm", "Submodule", at=outer)
    shutil.copy(repo / "train.py", outer / "train.py")
    (outer / "inner" / "train.py").write_text("print('changed')\n")
    return outer


def diverged(repo: Path, git) -> None:
    for branch in ("side", "main"):
        git("checkout", "-q", "-B", branch, "HEAD" if branch == "side" else "main")
        (repo / "train.py").write_text(f"print('{branch}')\n")
        git("commit", "-qam", branch)


def merging(repo: Path, git) -> Path:
    diverged(repo, git)
    subprocess.run(["git", "merge", "-q", "side"], capture_output=True, check=False)
    return repo


def rebasing(repo: Path, git) -> Path:
    diverged(repo, git)
    subprocess.run(["git", "rebase", "-q", "side"], capture_output=True, check=False)
    return repo


def odd_branch(repo: Path, git) -> Path:
    git("update-ref", "refs/heads/-x/ünï$(touch-PWN)", "HEAD")
    git("symbolic-ref", "HEAD", "refs/heads/-x/ünï$(touch-PWN)")
    return repo


def foreign_owner(repo: Path, git) -> Path:
    os.environ["GIT_TEST_ASSUME_DIFFERENT_OWNER"] = "1"
    return repo


def inside_a_hook(repo: Path, git) -> Path:
    os.environ |= {
        "GIT_DIR": str(repo.parent / "other" / ".git"), "GIT_WORK_TREE": str(repo.parent / "other"),
        "GIT_INDEX_FILE": ".git/next-index-1.lock", "GIT_PREFIX": "sub/",
    }  # fmt: skip
    return repo


def rewritten(repo: Path, git) -> Path:
    git("commit", "-q", "--amend", "-m", "Rewritten")
    git("reflog", "expire", "--expire=now", "--all")
    return repo


def hostile(repo: Path, git) -> Path:
    (repo / "hooks").mkdir()
    for hook in ("post-checkout", "reference-transaction", "post-index-change", "pre-commit"):
        (repo / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {repo}/PWN\n")
        (repo / "hooks" / hook).chmod(0o755)
    (repo / ".gitattributes").write_text("*.py filter=evil diff=evil\n")
    for key, value in {
        "core.hooksPath": "hooks", "core.fsmonitor": f"touch {repo}/PWN; false", "core.pager": f"touch {repo}/PWN",
        "filter.evil.clean": f"touch {repo}/PWN; cat", "filter.evil.smudge": f"touch {repo}/PWN; cat",
        "filter.evil.required": "true", "diff.evil.textconv": f"touch {repo}/PWN; cat",
        "diff.external": f"touch {repo}/PWN; false", "diff.evil.command": f"touch {repo}/PWN; false",
    }.items():  # fmt: skip
        git("config", key, value)
    return repo


def damaged(repo: Path, git) -> Path:
    (repo / ".git" / "HEAD").write_text("ref: refs/heads/nowhere\n")
    (repo / ".git" / "refs" / "heads" / "nowhere").write_text("0123456789abcdef0123456789abcdef01234567\n")
    return repo


WEATHER: dict[Weather, dict[str, object]] = {
    no_repository: {"reason": "not a git repository", "dirty": False},
    no_commit: {"reason": "no commit yet", "dirty": True, "branch": "main"},
    detached: {"branch": None, "reason": None},
    bare: {"reason": "a bare repository has no working tree"},
    shallow: {"shallow": True, "pushed": True},
    linked: {"branch": "side"},
    submodule: {"branch": "main", "pushed": True},
    with_submodule: {"dirty": True, "changed": ["inner"]},
    merging: {"operation": "merge", "dirty": True},
    rebasing: {"operation": "rebase", "dirty": True, "branch": None},
    odd_branch: {"branch": "-x/ünï$(touch-PWN)"},
    foreign_owner: {"reason": "the repository belongs to another user and safe.directory does not name it"},
    inside_a_hook: {"branch": "main", "dirty": False, "reason": None},
    rewritten: {"branch": "main"},
    hostile: {"dirty": True, "reason": None},
    damaged: {"dirty": False},
}
QUESTIONS = (
    *(["show", "@"], ["ls"], ["lineage", "@"], ["diff", "@1", "@"], ["why", "@1", "@"]),
    *(["check"], ["doctor"], ["lineage", "iris"], ["gc"]),
    *(["reproduce", "@1"], ["checkout", "@1"], ["checkout", "--remove", "@1"], ["rm", "@"], ["restore", "@"]),
)


@pytest.mark.slow
@pytest.mark.parametrize("weather", WEATHER, ids=lambda weather: weather.__name__)
def test_every_command_has_an_answer(repo: Path, git, mlcli, weather: Weather) -> None:
    before = dict(os.environ)
    try:
        place = weather(repo, git)
        log = "mlcli log metric acc=0.9 && echo model > ../model.bin && mlcli log artifact ../model.bin"
        first = mlcli("run", "--", "sh", "-c", log, at=place)
        second = mlcli("run", "--", "sh", "-c", log, at=place)
        run = json.loads(mlcli("show", "@", "--json", at=place).stdout)["run"]
        mlcli("register", "iris", "@1", at=place)
        told = {tuple(question): mlcli(*question, at=place) for question in QUESTIONS}
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    noted = {key: run["git"][key] for key in WEATHER[weather]}
    assert noted == WEATHER[weather]
    assert {question for question, done in told.items() if "Traceback" in done.stderr or done.returncode == 4} == set()
    assert {done.returncode for done in told.values()} <= {0, 1, 3}
    silent = [question for question, done in told.items() if done.returncode == 3 and "hint:" not in done.stderr]
    assert (silent, (place / "PWN").exists(), (repo / "PWN").exists()) == ([], False, False)
