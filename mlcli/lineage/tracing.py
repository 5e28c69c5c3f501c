"""From anything to its lineage: what it came from, and what came of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from ..domain.model import ModelVersion
from ..domain.ref import RunArtifact, parse
from ..domain.reproduction import Reproduction
from ..domain.run import Artifact, Run
from ..domain.source import Rewritten
from ..domain.stage import Stage
from ..errors import MlcliError, NotFound
from ..lookup import Commit, Content, find_any, reproductions_of
from ..workspace import Workspace
from .down import Descendant, descendants
from .graph import Builder, Graph
from .known import Known, by_id
from .up import Ancestry, Origin, ancestry


class Link(Struct, frozen=True, kw_only=True):
    """A version with where it stands, the run it came from, how that was reproduced, and the files it consists of.

    `rewritten` tells where the code of its commit is now that no branch or tag leads to that; `parent` is the run
    that this one began in, `original` the one that it reproduces. `run_here` says whether the run itself is in this
    clone, `here` whether the files are.
    """

    version: ModelVersion | None
    stage: Stage | None
    run: Run
    artifacts: list[Artifact]
    here: list[bool]
    reproductions: list[Reproduction]
    rewritten: Rewritten | None
    upstream: list[Origin] = []
    run_here: bool = True
    parent: Run | None = None
    original: Run | None = None


class Lineage(Struct, frozen=True, kw_only=True):
    """What a ref leads to: the thing asked for, one link for each run or version it belongs to, and what came of it.

    `digests` are those of the content that was asked for.
    """

    subject: str
    kind: str
    links: list[Link]
    digests: list[str] = []
    downstream: list[Descendant] = []
    graph: Graph = Graph([], [])


def trace(
    workspace: Workspace, text: str, problems: list[MlcliError] | None = None, *, up: bool = True, down: bool = True
) -> Lineage:
    """From anything to what it came from (`up`) and what came of it (`down`): a version, run, file, digest or commit.

    `problems` takes what cannot be read on the way, which is raised otherwise.
    """
    workspace.require_store()
    with workspace.store.looking():
        return _traced(workspace, text, problems, up=up, down=down)


def _traced(workspace: Workspace, text: str, problems: list[MlcliError] | None, *, up: bool, down: bool) -> Lineage:
    found = find_any(workspace, text)
    tracer = _Tracer(Known(workspace, problems), up=up, down=down)
    if isinstance(found, ModelVersion):
        return tracer.of_version(found)
    if isinstance(found, Run):
        ref = parse(text)
        return tracer.of_artifact(found, ref.path) if isinstance(ref, RunArtifact) else tracer.of_run(found)
    if isinstance(found, Content):
        return tracer.of_content(found)
    if not found.runs and not found.versions:
        raise NotFound(f"no run was made from commit {found.commit[:12]}", "mlcli ls")
    return tracer.of_commit(found)


class _Tracer:
    def __init__(self, known: Known, *, up: bool, down: bool) -> None:
        self.known, self.workspace = known, known.workspace
        self.up, self.down = up, down

    def of_version(self, version: ModelVersion) -> Lineage:
        led = self._led([version.run], through=_held(version.run, version.path)) if self.down else []
        return self._lineage(version.ref, "version", [version], [], led, [f"version:{version.digest}"])

    def of_run(self, run: Run) -> Lineage:
        own = self.known.versions("run", [run.id])
        return self._lineage(run.id, "run", own, [run], self._led([run]) if self.down else [], [f"run:{run.id}"])

    def of_artifact(self, run: Run, path: str) -> Lineage:
        held = _held(run, path)
        if not held:
            raise NotFound(f"run {run.id[:8]} has no artifact '{path}'", f"mlcli show {run.id[:8]}")
        own = [each for each in self.known.versions("run", [run.id]) if _held(run, each.path) & held]
        led = self._led([run], through=held) if self.down else []
        files = [f"file:{digest}" for digest in held]
        return self._lineage(run.id, "run", own, [run], led, files, digests=sorted(held))

    def of_content(self, found: Content) -> Lineage:
        led = descendants(self.known, [], files=set(found.digests)) if self.down else []
        files = [f"file:{digest}" for digest in found.digests]
        asked = set(found.digests)
        versions = [each for each in found.versions if self._wanted(each.run, asked)]
        runs = [each for each in found.runs if self._wanted(each, asked)]
        return self._lineage(found.digest, "content", versions, runs, led, files, digests=found.digests)

    def _wanted(self, run: Run, digests: set[str]) -> bool:
        """Whether a run is on the way that was asked for, from content."""
        return (self.up and made(run, digests)) or (self.down and any(each.digest in digests for each in run.inputs))

    def of_commit(self, found: Commit) -> Lineage:
        roots = by_id([*found.runs, *(version.run for version in found.versions)])
        led = self._led(list(roots.values())) if self.down else []
        subject = [f"commit:{found.commit}"]
        return self._lineage(found.commit, "commit", found.versions, found.runs, led, subject)

    def _led(self, roots: Sequence[Run], through: set[str] | None = None) -> list[Descendant]:
        return descendants(self.known, roots, through=through)

    def _lineage(
        self,
        subject: str,
        kind: str,
        versions: list[ModelVersion],
        runs: list[Run],
        led: list[Descendant],
        asked: list[str],
        digests: list[str] | None = None,
    ) -> Lineage:
        told = {version.run.id for version in versions}
        alone = [run for run in runs if run.id not in told]
        every = [*(version.run for version in versions), *alone]
        above = ancestry(self.known, every) if self.up else Ancestry({}, {})
        links = [self._version_link(version, above) for version in versions]
        links += [self._link(run, above, run.artifacts) for run in alone]
        graph = self._graph(links, above, led, asked, set(digests or ()))
        return Lineage(subject=subject, kind=kind, links=links, digests=digests or [], downstream=led, graph=graph)

    def _version_link(self, version: ModelVersion, above: Ancestry) -> Link:
        return self._link(version.run, above, version.files, version, self.known.stage_of(version))

    def _link(
        self,
        run: Run,
        above: Ancestry,
        files: list[Artifact],
        version: ModelVersion | None = None,
        stage: Stage | None = None,
    ) -> Link:
        return Link(
            version=version,
            stage=stage,
            run=run,
            artifacts=files,
            here=[self.workspace.store.has_content(file) for file in files],
            reproductions=reproductions_of(self.workspace, run),
            rewritten=self.workspace.rewritten(run.git),
            upstream=above.origins(run) if self.up else [],
            run_here=self.known.is_here(run.id),
            parent=self.known.run(run.parent_id) if run.parent_id else None,
            original=self.known.run(run.reproduces.run_id) if run.reproduces else None,
        )

    def _graph(
        self, links: list[Link], above: Ancestry, led: list[Descendant], asked: list[str], digests: set[str]
    ) -> Graph:
        builder = Builder(self.known, asked)
        for link in links:
            if self.up and (not digests or made(link.run, digests)):
                builder.whole(link.run)
            if link.version is not None and link.stage is not None:
                builder.version(link.version, link.stage)
            else:
                builder.run(link.run)
        if self.up:
            makers = [link.run.id for link in links if not digests or made(link.run, digests)]
            builder.ancestry(above, makers)
        runs = by_id([*(link.run for link in links), *(each.run for each in led)])
        for each in led:
            builder.descendant(each, runs, dict.fromkeys(digests, ""))
        return builder.graph()


def made(run: Run, digests: Collection[str]) -> bool:
    """Whether a run made content of one of these digests."""
    return any(mark == "output" and digest in digests for mark, digest in run.marks)


def _held(run: Run, path: str) -> set[str]:
    """The digests of an artifact and of the files that it consists of."""
    described = {model.digest for model in run.models if model.path == path}
    return ({file.digest for file in run.files_of(path)} | described) - {""}
