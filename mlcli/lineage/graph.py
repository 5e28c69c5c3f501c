"""A lineage as nodes and edges: each edge leads from what was first to what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from ..domain.model import ModelVersion
from ..domain.run import Run, RunStatus
from ..domain.stage import Stage
from .down import PARENT, READ, REPRODUCES, Descendant
from .known import Known
from .up import Ancestry

RUN, VERSION, FILE, COMMIT = "run", "version", "file", "commit"
MADE, REGISTERED, CODE = "made", "registered", "code"


class Node(Struct, frozen=True, kw_only=True):
    """A run, version, file or commit, by an id that is the same in each answer.

    `here` says whether a run is in this clone itself, None of other kinds; `subject` that it is what was asked about.
    """

    id: str
    kind: str
    label: str
    status: RunStatus | None = None
    stage: Stage | None = None
    size: int | None = None
    here: bool | None = None
    subject: bool = False


class Edge(Struct, frozen=True, kw_only=True):
    """That `target` came of `source`: made, read, registered, code, parent or reproduces; of files at which `paths`."""

    source: str
    target: str
    kind: str
    paths: list[str] = []


class Graph(Struct, frozen=True):
    """Nodes and edges, each once."""

    nodes: list[Node]
    edges: list[Edge]


class Builder:
    """Puts a graph together; what is told twice is in it once."""

    def __init__(self, known: Known, subject: Iterable[str]) -> None:
        self.known = known
        self.subject = set(subject)
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str, str], list[str]] = {}

    def graph(self) -> Graph:
        """What was told."""
        edges = [Edge(source=s, target=t, kind=k, paths=sorted(set(p))) for (s, t, k), p in self.edges.items()]
        return Graph(list(self.nodes.values()), edges)

    def whole(self, run: Run) -> None:
        """A run with its commit, all that it read and all that it made."""
        self.reader(run)
        artifacts = [(file.path, file.size, file.digest) for file in run.artifacts]
        for path, size, digest in [*artifacts, *((each.path, each.size, each.digest) for each in run.outputs)]:
            if digest:
                self.edge(self.run(run), self.file(digest, path, size), MADE, path)

    def reader(self, run: Run) -> None:
        """A run with its commit, its parent and all that it read."""
        there = self.run(run)
        if run.git.commit:
            self.edge(self.commit(run.git.commit, run.git.subject), there, CODE)
        for each in run.inputs:
            if each.digest:
                self.edge(self.file(each.digest, each.path, each.size), there, READ, each.path)
        for kind, other in ((PARENT, run.parent_id), (REPRODUCES, run.reproduces.run_id if run.reproduces else None)):
            found = self.known.run(other) if other else None
            if found is not None:
                self.edge(self.run(found), there, kind)

    def ancestry(self, found: Ancestry, since: Iterable[str]) -> None:
        """The runs that lead up from some: what they read, and of what they made that which others read."""
        waiting = list(since)
        seen = set(waiting)
        while waiting:
            run = found.runs[waiting.pop()]
            self.reader(run)
            for maker, paths in found.made[run.id].items():
                self.passed(found.runs[maker], run, paths)
                if maker not in seen:
                    seen.add(maker)
                    waiting.append(maker)

    def descendant(self, each: Descendant, runs: Mapping[str, Run], files: Mapping[str, str]) -> None:
        """A run of the way down with its versions, and by which files it came of others."""
        for step in each.of:
            if step.kind != READ:
                self.edge(self.run(runs[step.run]), self.run(each.run), step.kind)
            elif step.run:
                self.passed(runs[step.run], each.run, step.paths)
            else:
                for read in each.run.inputs:
                    if read.digest in files:
                        self.edge(self.file(read.digest, read.path, read.size), self.run(each.run), READ, read.path)
        for read in each.run.inputs:
            if f"file:{read.digest}" in self.nodes:
                self.edge(f"file:{read.digest}", self.run(each.run), READ, read.path)
        for standing in each.versions:
            self.version(standing.version, standing.stage)

    def passed(self, maker: Run, reader: Run, paths: Sequence[str]) -> None:
        """That one run read at these paths what another made."""
        read = {each.digest: each for each in reader.inputs if each.digest and each.path in set(paths)}
        wrote = {each.digest: each.path for each in maker.artifacts if each.digest in read}
        wrote |= {each.digest: each.path for each in maker.outputs if each.digest in read}
        for digest, each in read.items():
            node = self.file(digest, each.path, each.size)
            self.edge(self.run(maker), node, MADE, wrote.get(digest, each.path))
            self.edge(node, self.run(reader), READ, each.path)

    def run(self, run: Run) -> str:
        """A run's node."""
        here = self.known.is_here(run.id)
        return self._node(f"run:{run.id}", RUN, f"{run.name}", status=run.status, here=here)

    def version(self, version: ModelVersion, stage: Stage) -> str:
        """A version's node, with the run that it was registered from."""
        there = self._node(f"version:{version.digest}", VERSION, version.ref, stage=stage)
        self.edge(self.run(version.run), there, REGISTERED, version.path)
        return there

    def commit(self, commit: str, subject: str | None) -> str:
        """A commit's node."""
        return self._node(f"commit:{commit}", COMMIT, f"{commit[:7]} {subject or ''}".rstrip())

    def file(self, digest: str, path: str, size: int | None) -> str:
        """A file's node: the same content is one, whatever it is called."""
        return self._node(f"file:{digest}", FILE, path, size=size)

    def edge(self, source: str, target: str, kind: str, path: str = "") -> None:
        """An edge, with one more path of the file that it is about."""
        self.edges.setdefault((source, target, kind), []).extend([path] if path else [])

    def _node(
        self,
        node_id: str,
        kind: str,
        label: str,
        *,
        status: RunStatus | None = None,
        stage: Stage | None = None,
        size: int | None = None,
        here: bool | None = None,
    ) -> str:
        if node_id not in self.nodes:
            self.nodes[node_id] = Node(
                id=node_id,
                kind=kind,
                label=label,
                status=status,
                stage=stage,
                size=size,
                here=here,
                subject=node_id in self.subject,
            )
        return node_id
