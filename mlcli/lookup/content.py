"""From a digest, a file or a commit to the runs and versions that hold it or were made from it."""

from __future__ import annotations

import os

from msgspec import Struct
from msgspec.structs import replace

from ..domain.model import ModelVersion
from ..domain.names import quoted
from ..domain.run import Artifact, Run
from ..errors import Ambiguous, GitError, NotFound
from ..workspace import Workspace

_WHOLE = len("sha256:") + 64


class Content(Struct, frozen=True):
    """A digest that was asked for, and the runs and versions that hold content of it or were made from it.

    `digests` are those by which it was looked for: of a directory also those of the files in it.
    """

    digest: str
    runs: list[Run]
    versions: list[ModelVersion]
    digests: list[str] = []

    @property
    def makers(self) -> list[Run]:
        """The runs that hold it, each once, and those that only their versions tell of."""
        return list({run.id: run for run in [*self.runs, *(version.run for version in self.versions)]}.values())


class Commit(Struct, frozen=True):
    """A commit that was asked for, with the runs and versions made from it."""

    commit: str
    runs: list[Run]
    versions: list[ModelVersion]


def by_digest(workspace: Workspace, prefix: str) -> Content | ModelVersion:
    """What has a digest that begins so: a version, or content; NotFound or Ambiguous otherwise."""
    store = workspace.store
    digests = [prefix] if len(prefix) == _WHOLE else store.digests_from(prefix)
    if len(digests) > 1:
        shown = ", ".join(digest[: len(prefix) + 4] for digest in digests[:8])
        raise Ambiguous(f"{prefix} begins {len(digests)} digests: {shown}", "type more of the digest")
    if named := store.marked_versions("version", digests):
        return named[0]
    found = _holding(workspace, digests[0], digests, digests) if digests else None
    if found is None or not found.makers:
        raise NotFound(f"no run or version holds content with the digest {prefix}", "mlcli ls")
    return found


def by_path(workspace: Workspace, path: str) -> Content:
    """What is told of a file or directory by its content, wherever it lies and whatever it is called."""
    if os.path.isdir(path):
        whole, files, below = _digests_below(workspace, path)
        made = [whole] if workspace.store.marked_runs("output", [whole], limit=1) else [whole, *files]
        found = _holding(workspace, whole, made, [whole, *files, *below])
    else:
        with workspace.store.digesting() as digests:
            whole = digests.of(path) or workspace.store.digest_of(path)
        found = _holding(workspace, whole, [whole], [whole])
    if not found.makers:
        raise NotFound(f"no run or version made or read {quoted(path)}", "mlcli run -- COMMAND notes what it makes")
    return found


def _digests_below(workspace: Workspace, path: str) -> tuple[str, list[str], list[str]]:
    """The digest of a directory, those of its files, and those of the files of each directory in it alone."""
    listed: list[Artifact] = []
    below: list[str] = []
    with workspace.store.digesting() as digests:
        for directory, inner, names in os.walk(path):
            inner[:] = [name for name in inner if name not in {".git", os.path.basename(workspace.store.root)}]
            within = os.path.relpath(directory, path)
            files = [
                Artifact(path=os.path.normpath(os.path.join(within, name)), size=0, digest=digest)
                for name in names
                if (digest := digests.of(os.path.join(directory, name)))
            ]
            listed += files
            own = [replace(file, path=os.path.basename(file.path)) for file in files]
            below += [workspace.store.manifest(own, "")] if own else []
    if not listed:
        raise NotFound(f"{quoted(path)} holds no file that can be read", "name a file, or a directory with files in it")
    return workspace.store.manifest(listed, ""), sorted({file.digest for file in listed}), below


def _holding(workspace: Workspace, digest: str, made: list[str], read: list[str]) -> Content:
    """The runs and versions that made or read content of these digests, the newest run first."""
    store = workspace.store
    runs = {run.id: run for run in [*store.marked_runs("output", made), *store.marked_runs("input", read)]}
    registered = {v.ref: v for v in [*store.marked_versions("output", made), *store.marked_versions("input", read)]}
    makes, reads = set(made), set(read)
    versions = []
    for version in registered.values():
        held = {file.digest for file in version.files} | {version.artifact.digest if version.artifact else ""}
        if held & makes or {each.digest for each in version.run.inputs} & reads:
            versions.append(version)
        else:  # another file of its run
            runs.setdefault(version.run.id, version.run)
    newest = sorted(runs.values(), key=lambda run: (run.started_at, run.id), reverse=True)
    by_name = sorted(versions, key=lambda version: (version.model, version.number))
    return Content(digest, newest, by_name, sorted(makes | reads))


def commit_of(workspace: Workspace, text: str) -> Commit | None:
    """The commit that git knows by that name, with what was made from it; None where git knows none."""
    try:
        commit = workspace.repository.resolve_commit(text)
    except GitError:
        return None
    if commit is None:
        return None
    store = workspace.store
    return Commit(commit, store.marked_runs("commit", [commit]), store.marked_versions("commit", [commit]))
