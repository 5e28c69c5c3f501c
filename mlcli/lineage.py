"""Lineage: the way from a version through its run to what it was made from."""

from __future__ import annotations

from msgspec import Struct

from .domain.model import ModelVersion
from .domain.reproduction import Reproduction
from .domain.run import Artifact, Run
from .domain.source import Rewritten
from .domain.stage import Stage
from .errors import MlcliError, NotFound
from .lookup import Commit, Content, find_any, history_of, reproductions_of, versions_of
from .workspace import Workspace


class Origin(Struct, frozen=True, kw_only=True):
    """A run that made some of the `paths` that another read, and what made its inputs in turn."""

    run: Run
    paths: list[str]
    upstream: list[Origin] = []


class Link(Struct, frozen=True, kw_only=True):
    """A version with where it stands, the run it came from, how that was reproduced, and the files it consists of.

    `rewritten` tells where the code of its commit is now that no branch or tag leads to that.
    """

    version: ModelVersion | None
    stage: Stage | None
    run: Run
    artifacts: list[Artifact]
    here: list[bool]
    reproductions: list[Reproduction]
    rewritten: Rewritten | None
    upstream: list[Origin] = []


class Lineage(Struct, frozen=True, kw_only=True):
    """What a ref leads to: the thing asked for, and one link for each run or version it belongs to."""

    subject: str
    kind: str
    links: list[Link]


def trace(workspace: Workspace, text: str, problems: list[MlcliError] | None = None) -> Lineage:
    """From anything to everything it came from: a version, run, file, digest or commit.

    `problems` takes what cannot be read on the way, which is raised otherwise.
    """
    found = find_any(workspace, text, problems)
    if isinstance(found, ModelVersion):
        return Lineage(subject=found.ref, kind="version", links=[_version_link(workspace, found, problems)])
    if isinstance(found, Run):
        return Lineage(subject=found.id, kind="run", links=_run_links(workspace, found, problems))
    subject, kind = (found.digest, "content") if isinstance(found, Content) else (found.commit, "commit")
    if not found.runs and not found.versions:
        raise NotFound(f"no run was made from commit {subject[:12]}", "mlcli ls")
    return Lineage(subject=subject, kind=kind, links=_links_of(workspace, found, problems))


def _links_of(workspace: Workspace, found: Content | Commit, problems: list[MlcliError] | None) -> list[Link]:
    links = [_version_link(workspace, version, problems) for version in found.versions]
    told = {link.run.id for link in links}
    return links + [_plain_link(workspace, run) for run in found.runs if run.id not in told]


def _run_links(workspace: Workspace, run: Run, problems: list[MlcliError] | None) -> list[Link]:
    own = [version for version in versions_of(workspace, problems=problems) if version.run.id == run.id]
    return [_version_link(workspace, version, problems) for version in own] or [_plain_link(workspace, run)]


def _version_link(workspace: Workspace, version: ModelVersion, problems: list[MlcliError] | None) -> Link:
    stage = history_of(workspace, version.model, problems).stage_of(version.digest)
    files = version.files
    here = [workspace.store.has_content(file) for file in files]
    return Link(
        version=version,
        stage=stage,
        run=version.run,
        artifacts=files,
        here=here,
        reproductions=reproductions_of(workspace, version.run),
        rewritten=workspace.rewritten(version.run.git),
        upstream=upstream_of(workspace, version.run),
    )


def upstream_of(workspace: Workspace, run: Run, *, beyond: frozenset[str] = frozenset()) -> list[Origin]:
    """The runs that made what a run read, as far back as they are here: found by content, wherever it lay.

    Of several that made the same, the newest that had ended when this one began.
    """
    read = {each.digest: each.path for each in run.inputs if each.digest}
    known = beyond | {run.id}
    made: dict[str, tuple[Run, list[str]]] = {}
    makers = workspace.store.marked_runs("output", read) if read else []
    for digest, path in read.items():
        for maker in makers:
            before = maker.ended_at is not None and maker.ended_at <= run.started_at
            if before and maker.id not in known and ("output", digest) in maker.marks:
                made.setdefault(maker.id, (maker, []))[1].append(path)
                break
    return [
        Origin(run=maker, paths=sorted(paths), upstream=upstream_of(workspace, maker, beyond=known))
        for maker, paths in made.values()
    ]


def _plain_link(workspace: Workspace, run: Run) -> Link:
    here = [workspace.store.has_content(file) for file in run.artifacts]
    return Link(
        version=None,
        stage=None,
        run=run,
        artifacts=run.artifacts,
        here=here,
        reproductions=reproductions_of(workspace, run),
        rewritten=workspace.rewritten(run.git),
        upstream=upstream_of(workspace, run),
    )
