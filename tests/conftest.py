"""Fixtures, few and stacked: an isolated machine, a git repository in it, a workspace, a story."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from mlcli.capture import hook

CHECKOUT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
# What nohup, or a shell that runs us in the background, has us ignore, every process of a test would ignore, too.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
Git = Callable[..., str]
Mlcli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What watched commands load, compiled once for all tests and not in each home anew."""
    return Path(hook.installed(str(tmp_path_factory.mktemp("bootstrap"))))


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bootstrap: Path) -> Iterator[Path]:
    """A machine of its own: HOME, git identity, time zone, no variable of mlcli or git, a directory to work in."""
    home = tmp_path / "home"
    cache = home / ".cache" / "mlcli"
    cache.mkdir(parents=True)
    (cache / bootstrap.name).symlink_to(bootstrap)
    for name in list(os.environ):
        if name.startswith(("GIT_", "MLCLI_", "XDG_")) or name in {"NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CI"}:
            monkeypatch.delenv(name)
    for name, value in {
        "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"), "TZ": "UTC",
        "USER": "ada", "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "COLUMNS": "100",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Ada Lovelace\n\temail = ada@example.com\n"
        "[init]\n\tdefaultBranch = main\n[commit]\n\tgpgsign = false\n"
    )
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield tmp_path
    assert not (CHECKOUT / ".mlruns").exists(), "a test wrote to the checkout's own store"


@pytest.fixture
def git(machine: Path) -> Git:
    """Run git in the current directory, or in `at`; its output."""

    def run(*arguments: str, at: Path | None = None) -> str:
        done = subprocess.run(["git", *arguments], cwd=at, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return run


@pytest.fixture
def repo(machine: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, as the current directory."""
    path = machine / "work" / "project"
    path.mkdir()
    monkeypatch.chdir(path)
    git("init", "-q")
    (path / "train.py").write_text("print('trained')\n")
    git("add", "-A")
    git("commit", "-qm", "Start")
    return path


@pytest.fixture
def mlcli(machine: Path) -> Mlcli:
    """Run the installed command as a shell would; text in and out, its exit code as it is."""

    def run(
        *arguments: str,
        at: Path | None = None,
        input: str | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BIN / "mlcli"), *arguments], cwd=at, capture_output=True, text=True, input=input,
            env={**os.environ, **(env or {})}, check=False,
        )  # fmt: skip

    return run


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """A clock that begins at a fixed time and moves one second each time it is read."""
    seconds = itertools.count()
    start = datetime(2026, 11, 21, 6, 40, tzinfo=timezone.utc)
    return lambda: start + timedelta(seconds=next(seconds))


@pytest.fixture
def ids() -> Callable[[], str]:
    """Run ids that differ in their first digits and are the same in every test."""
    numbers = itertools.count(1)
    return lambda: f"{next(numbers) * 0x3F2A9C1D % 2**32:08x}" + "0" * 24


@pytest.fixture
def workspace(repo: Path, clock: Callable[[], datetime], ids: Callable[[], str]):
    """A workspace over `repo`, its clock and ids given; no store yet."""
    from mlcli.workspace import Workspace

    return Workspace(str(repo), now=clock, new_id=ids)


@pytest.fixture
def record(workspace):
    """Record a run without a process: record(params=..., metrics=..., files=..., status=..., name=...) gives the run."""
    from mlcli import capture, tracking
    from mlcli.domain.run import Model, RunStatus

    def make(
        *, params=None, metrics=None, files=None, model=None, status="finished", name=None, argv=("python", "train.py")
    ):
        source = capture.collect(
            list(argv),
            root=workspace.root,
            cwd=workspace.root,
            environ=os.environ,
            at=workspace.now(),
            limits=workspace.snapshot_limits,
        )
        run = tracking.begin(workspace, source, tracking.Given(name=name))
        if params:
            tracking.log_params(workspace, run.id, params)
        for key, values in (metrics or {}).items():
            for step, value in enumerate(values if isinstance(values, list) else [values]):
                tracking.log_metrics(workspace, run.id, {key: value}, step=step)
        scratch = Path(workspace.root).parent / f"made-{run.id[:8]}"
        scratch.mkdir()
        for path, content in (files or {}).items():
            (scratch / "file").write_text(content)
            tracking.log_artifact(workspace, run.id, str(scratch / "file"), path)
        if model is not None:
            directory = scratch / "model"
            directory.mkdir()
            (directory / "model.joblib").write_text(model)
            described = Model(
                path="model", flavor="joblib", python_class="builtins.str", digest="", file="model.joblib"
            )
            tracking.log_model(workspace, run.id, str(directory), described)
        return tracking.finish(workspace, run.id, RunStatus(status))

    return make


@pytest.fixture
def story(workspace, record, repo: Path):
    """Two clean runs with models, a failed one, a dirty one; iris@1 archived by iris@2, which is in production."""
    from mlcli import registry

    first = record(params={"depth": 1}, metrics={"accuracy": [0.8, 0.9]}, model="first", name="first")
    second = record(params={"depth": 10}, metrics={"accuracy": [0.9, 0.97]}, model="second", name="second")
    failed = record(params={"depth": 3}, status="failed", name="broken")
    registry.register(workspace, "iris", first.id)
    registry.promote(workspace, "iris@1", "production", why="the first")
    registry.register(workspace, "iris", second.id)
    registry.promote(workspace, "iris@2", "production", why="better")
    (repo / "train.py").write_text("print('changed')\n")
    dirty = record(params={"depth": 7}, metrics={"accuracy": 0.99}, model="dirty", name="dirty")
    return {"first": first, "second": second, "failed": failed, "dirty": dirty}


@pytest.fixture
def whole(record, workspace):
    """One model whose two versions were made from committed code; the second is in production."""
    from mlcli import registry

    registry.register(workspace, "iris", record(model="first", name="first").id)
    registry.promote(workspace, "iris@1", "production")
    registry.register(workspace, "iris", record(model="second", name="second").id)
    registry.promote(workspace, "iris@2", "production", why="better")
    return workspace
