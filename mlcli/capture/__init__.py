"""What is noted about a run without being asked: one module a source."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from .. import gitrepo, machine
from ..domain.source import Command, GitState, Person, SnapshotLimits, Source
from . import command, environment, hook, native

__all__ = ["collect", "command", "environment", "hook", "native", "with_command"]


def collect(
    argv: Sequence[str],
    *,
    root: str,
    cwd: str,
    environ: Mapping[str, str],
    at: datetime,
    limits: SnapshotLimits | None = None,
    git: GitState | None = None,
    variables: Sequence[str] = (),
) -> Source:
    """All that a run of `argv` is made from, as it stands now. Trouble is noted in the source, never raised.

    With `limits` a dirty tree is kept as a commit. `git` is the state of the code where that is known, as in a worktree
    of a run that is made again; `variables` of the environment are noted beside the usual ones.
    """
    state, person = (git, gitrepo.read_person(root)) if git else gitrepo.read_state(root, limits=limits)
    login = environ.get("USER") or environ.get("LOGNAME") or ""
    return Source(
        command=command.noted(argv, os.path.relpath(cwd, root).replace(os.sep, "/")),
        git=state,
        environment=environment.noted(argv, environ, variables),
        process=machine.this_process(),
        user=person if person.name or person.email else Person(name=login),
        at=at,
    )


def with_command(source: Source, noted: Command) -> Source:
    """The source with the command that is told of it, where the process was not started by mlcli."""
    return replace(source, command=noted)
