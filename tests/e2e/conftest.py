"""Fixtures of the end-to-end tests: a model brought to production by real processes, a clone of this repository."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
Mlcli = Callable[..., "subprocess.CompletedProcess[str]"]
Ship = Callable[..., None]


class FullDisk(NamedTuple):
    """How it went on a full disk: exit code, output, and every file of the store with its digest before and after."""

    code: int
    stdout: str
    stderr: str
    before: str
    after: str


@pytest.fixture
def ship(machine: Path, mlcli: Mlcli) -> Ship:
    """Run, register as `iris` and promote to production, from the tree as it stands, in the directory `at`."""
    numbers = itertools.count(1)
    model = machine / "model.bin"

    def make(at: Path | None = None) -> None:
        model.write_text(f"model {next(numbers)}\n")
        for line in (
            ["run", "--", "mlcli", "log", "artifact", str(model)],
            ["register", "iris", "@"],
            ["promote", "iris", "production"],
        ):
            done = mlcli(*line, at=at)
            assert done.returncode == 0, done.stderr

    return make


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository at HEAD, as a user would have it; shared, and only to be read."""
    path = tmp_path_factory.mktemp("clone") / "mlcli"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    made = ["git", "clone", "--quiet", str(CHECKOUT), str(path)]
    if subprocess.run(made, env=environ, capture_output=True, check=False).returncode:
        pytest.skip("the tests do not lie in a git repository that can be cloned")
    return path


@pytest.fixture
def read_only() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command while a directory cannot be written, by root either: read_only(directory, *argv, at=None)."""

    def run(directory: Path, *argv: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
        if os.geteuid() == 0:
            mount = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
            require_namespaces()
            argv = ("unshare", "--mount", "sh", "-c", mount, "sh", str(directory), *argv)
            return subprocess.run(argv, cwd=at, capture_output=True, text=True, check=False)
        parts = [directory, *(path for path in directory.rglob("*") if not path.is_symlink())]
        modes = {path: path.stat().st_mode for path in parts}
        try:
            for path, mode in modes.items():
                path.chmod(mode & ~0o222)
            return subprocess.run(argv, cwd=at, capture_output=True, text=True, check=False)
        finally:
            for path, mode in modes.items():
                path.chmod(mode)

    return run


def require_namespaces() -> None:
    """Skip where this user may not mount anything, as in most containers."""
    probe = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    try:
        allowed = subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("mounting in a namespace of one's own is not allowed here")


@pytest.fixture
def full_disk(machine: Path) -> Callable[..., FullDisk]:
    """Run shell lines over a store that lies on a small disk which they may fill: full_disk(store, lines)."""
    prepare = (
        'store=$1 saved=$2; cp -a "$store" "$saved" && mount -t tmpfs -o size=1m none "$store" && cp -a "$saved/." "$store"\n'
        'digests() { (cd "$store" && find . -path ./.cache -prune -o -type f -print | sort | xargs sha256sum); }\n'
        'fill() { mkdir -p "$store/.cache"; head -c 9m /dev/zero > "$store/.cache/filler" 2>/dev/null; true; }\n'
    )

    def run(store: Path, lines: str) -> FullDisk:
        require_namespaces()
        saved = machine / "saved"
        script = f'{prepare}digests > "$saved.before"; {lines}\ncode=$?\ndigests > "$saved.after"; exit $code\n'
        argv = ["unshare", "--mount", "sh", "-c", script, "sh", str(store), str(saved)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        before, after = ((machine / f"saved.{when}").read_text() for when in ("before", "after"))
        return FullDisk(done.returncode, done.stdout, done.stderr, before, after)

    return run
