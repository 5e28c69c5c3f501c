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


# By pre-commit and by prek, each with an environment that it made


class Tool(NamedTuple):
    """One that runs hooks: how it is started, where its environments lie, what it is told by variables."""

    argv: list[str]
    home: Path
    environ: dict[str, str]
    config: str


TOOLS = {"pre-commit": [sys.executable, "-m", "pre_commit"], "prek": [str(Path(sys.executable).parent / "prek")]}
STAGES = ("pre-commit", "pre-merge-commit", "pre-push")
MODEL = b"GGUF" + bytes(range(64))


@pytest.fixture(scope="session", params=sorted(TOOLS))
def tool(request: pytest.FixtureRequest, clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Tool:
    """One of them, after it installed our hooks from a clone of this repository, which takes it a while."""
    home, repo = tmp_path_factory.mktemp("hooks"), tmp_path_factory.mktemp("first")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own = {"PRE_COMMIT_HOME": str(home), "PREK_HOME": str(home), "PIP_CACHE_DIR": PIP_CACHE}
    rev = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=clone, env=environ, text=True).strip()
    config = (
        f"repos:\n- repo: {clone}\n  rev: {rev}\n  hooks:\n"
        "  - id: mlcli-check\n  - id: mlcli-no-artifacts\n    args: [--max-size=1MB]\n"
    )
    (repo / ".pre-commit-config.yaml").write_text(config)
    subprocess.run(["git", "init", "-q"], cwd=repo, env=environ, check=True)
    made = subprocess.run(
        [*TOOLS[request.param], "install-hooks"],
        cwd=repo,
        env={**environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return Tool(TOOLS[request.param], home, own, config)


@pytest.fixture
def guarded(tool: Tool, repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that the tool guards, at commits, merges and pushes; a branch `side` that conflicts with `main`."""
    for name, value in tool.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLCLI_DURABILITY", "none")
    (repo / ".pre-commit-config.yaml").write_text(tool.config)
    (repo / "sub").mkdir()
    (repo / "sub" / "notes.txt").write_text("none\n")
    (repo / "weights.gguf").write_text("none yet\n")
    git("add", "-A")
    git("commit", "-qm", "Hooks")
    git("init", "-q", "--bare", str(repo.parent / "remote.git"))
    git("remote", "add", "origin", str(repo.parent / "remote.git"))
    git("checkout", "-qb", "side")
    (repo / "sub" / "notes.txt").write_text("side\n")
    git("commit", "-qam", "Side")
    git("checkout", "-q", "main")
    (repo / "sub" / "notes.txt").write_text("main\n")
    git("commit", "-qam", "Main")
    kinds = [word for stage in STAGES for word in ("--hook-type", stage)]
    subprocess.run([*tool.argv, "install", *kinds], capture_output=True, check=True)
    return repo


def all_staged(git: Git, at: Path) -> Outcome:
    git("add", "-A", at=at)
    return commit(git, at=at)


def of_all(git: Git, at: Path) -> Outcome:
    git("add", "--intent-to-add", ".mlruns", at=at)
    return commit(git, "--all", at=at)


def of_paths(git: Git, at: Path) -> Outcome:
    git("add", ".mlruns", at=at)
    return commit(git, "--", "weights.gguf", ".mlruns", at=at)


def from_below(git: Git, at: Path) -> Outcome:
    git("add", "-A", at=at)
    return commit(git, at=at / "sub")


def of_a_merge(git: Git, at: Path) -> Outcome:
    subprocess.run(["git", "merge", "side"], cwd=at, capture_output=True, check=False)
    (at / "sub" / "notes.txt").write_text("both\n")
    git("add", "-A", at=at)
    return commit(git, at=at)


def pushed(git: Git, at: Path) -> Outcome:
    git("add", "-A", at=at)
    git("commit", "-qm", "Behind its back", "--no-verify", at=at)
    done = subprocess.run(["git", "push", "-q", "origin", "main"], cwd=at, capture_output=True, text=True, check=False)
    return Outcome(done.returncode, done.stdout + done.stderr, bool(git("ls-remote", "origin", "main", at=at)))


WAYS = [all_staged, of_all, of_paths, from_below, of_a_merge, pushed]


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_an_unknown_model_and_a_registry_that_leads_nowhere_are_refused(guarded, git, ship, way):
    (guarded / "train.py").write_text("print('a quick try')\n")
    ship()
    (guarded / "weights.gguf").write_bytes(MODEL)
    code, told, committed = way(git, guarded)
    assert (code, committed) == (1, False), told
    assert re.findall(r"^- hook id: (mlcli-\S+)\n(?:- description: .*\n)?- exit code: 1\n", told, re.M) == [
        "mlcli-check", "mlcli-no-artifacts",
    ]  # fmt: skip
    assert f"error   dirty  {REFUSED}" in told
    assert "error   model-unknown  weights.gguf: it is a model (gguf) that no registered version knows" in told
    assert (guarded / "train.py").read_text() == "print('a quick try')\n"


@pytest.mark.slow
def test_they_are_refused_in_a_linked_worktree_too(guarded, git, ship, tmp_path):
    other = tmp_path / "other"
    git("worktree", "add", "-q", str(other), "-b", "linked")
    (other / "train.py").write_text("print('a quick try')\n")
    ship(at=other)
    (other / "weights.gguf").write_bytes(MODEL)
    code, told, committed = all_staged(git, other)
    assert (code, committed) == (1, False), told
    assert (f"error   dirty  {REFUSED}" in told, "error   model-unknown  weights.gguf: " in told) == (True, True)


@pytest.mark.slow
def test_a_registered_model_passes_with_its_content_and_is_pushed(guarded, mlcli, git):
    (guarded / "weights.gguf").write_bytes(MODEL)
    git("commit", "-qam", "The weights", "--no-verify")
    assert mlcli("run", "--", "mlcli", "log", "artifact", "weights.gguf").returncode == 0
    assert mlcli("register", "llm", "@:weights.gguf").returncode == 0
    assert mlcli("promote", "llm", "production").returncode == 0
    (guarded / "copy.gguf").write_bytes(MODEL)
    done = all_staged(git, guarded)
    assert done.committed, done.told
    assert len(re.findall(r"^mlcli (?:check|no artifacts)\.+Passed$", done.told, re.M)) == 2
    assert pushed_plainly(git, guarded)


def pushed_plainly(git: Git, at: Path) -> bool:
    subprocess.run(["git", "push", "-q", "origin", "main"], cwd=at, capture_output=True, check=True)
    return git("ls-remote", "origin", "main", at=at).startswith(git("rev-parse", "HEAD", at=at))


@pytest.mark.slow
def test_a_large_file_and_what_belongs_to_runs_are_refused(guarded, git, ship):
    ship()
    (guarded / "large.csv").write_bytes(b"1\n" * 600_000)
    git("add", "--force", "large.csv", ".mlruns/runs")
    code, told, committed = commit(git)
    assert (code, committed) == (1, False)
    assert "error   file-large  large.csv: it has 1,200,000 bytes, and 1MB are allowed" in told
    assert re.search(r"^ *error   store-local  \.mlruns/runs/\S+: it belongs to a run, which stays on", told, re.M)


@pytest.mark.slow
def test_the_environment_of_the_hook_holds_the_slim_core_alone(tool: Tool):
    [command] = [path for path in tool.home.rglob("bin/mlcli") if (path.parent / "python").exists()]
    asked = "from importlib.util import find_spec as f; print([n for n in ('sklearn', 'numpy', 'pandas', 'joblib') if f(n)])"
    told = subprocess.check_output([str(command.parent / "python"), "-I", "-c", asked], text=True)
    assert told == "[]\n"
