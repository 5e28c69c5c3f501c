"""The way down: the runs and versions that came of a run or a file, as far as it is known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from ..domain.model import VersionState
from ..domain.run import Run
from .known import Known, by_id, made_for

READ, PARENT, REPRODUCES = "read", "parent", "reproduces"


class Step(Struct, frozen=True, kw_only=True):
    """How a run came of another: it `read` what that made, is its child, or reproduces it.

    `run` is the other's id, '' for the file that was asked about; `paths` what was read.
    """

    run: str
    kind: str
    paths: list[str] = []


class Descendant(Struct, frozen=True, kw_only=True):
    """A run that came of what was asked about, each way that it did, and the versions registered from it."""

    run: Run
    of: list[Step]
    versions: list[VersionState] = []


def descendants(
    known: Known, roots: Sequence[Run], *, files: Collection[str] = (), through: Collection[str] | None = None
) -> list[Descendant]:
    """What came of these runs, which are not in it themselves, and of the files of these digests; the nearest first.

    With `through`, only what read content of these digests of the roots.
    """
    walk = _Walk(known, roots)
    for reader in reversed(known.having("input", files)):
        read = sorted({each.path for each in reader.inputs if each.digest in files})
        walk.note(reader, Step(run="", kind=READ, paths=read))
    frontier = [*roots, *(run for run in walk.take_new() if run.id not in walk.roots)]
    while frontier:
        walk.readers(frontier, through)
        if through is None:
            walk.kin(frontier)
        through = None
        frontier = walk.take_new()
    return walk.told()


class _Walk:
    def __init__(self, known: Known, roots: Iterable[Run]) -> None:
        self.known = known
        self.roots = by_id(roots)
        self.found: dict[str, Run] = {}
        self.of: dict[str, list[Step]] = {}
        self._new: dict[str, Run] = {}

    def note(self, run: Run, step: Step) -> None:
        if run.id in self.roots:
            return
        if run.id not in self.found:
            self.found[run.id] = self._new[run.id] = run
        self.of.setdefault(run.id, []).append(step)

    def take_new(self) -> list[Run]:
        """The runs that were found since, the first that began first."""
        new = sorted(self._new.values(), key=lambda run: (run.started_at, run.id))
        self._new = {}
        return new

    def readers(self, frontier: list[Run], through: Collection[str] | None) -> None:
        """Note who read what these made, where nobody made the same between the two."""
        made = {digest for run in frontier for mark, digest in run.marks if mark == "output"}
        if through is not None:
            made &= set(through)
        readers = self.known.having("input", made)
        makers = self.known.makers(readers, made)
        ours = {run.id for run in frontier}
        for reader in reversed(readers):
            for maker, paths in made_for(reader, makers).items():
                if maker in ours:
                    self.note(reader, Step(run=maker, kind=READ, paths=paths))

    def kin(self, frontier: list[Run]) -> None:
        """Note the runs that began within these, and those that made these again."""
        ids = [run.id for run in frontier]
        for child in reversed(self.known.having("parent", ids)):
            self.note(child, Step(run=child.parent_id or "", kind=PARENT))
        for twin in reversed(self.known.having("original", ids)):
            if twin.reproduces:
                self.note(twin, Step(run=twin.reproduces.run_id, kind=REPRODUCES))

    def told(self) -> list[Descendant]:
        versions: dict[str, list[VersionState]] = {}
        for version in self.known.versions("run", self.found.keys()):
            versions.setdefault(version.run.id, []).append(
                VersionState(version=version, stage=self.known.stage_of(version))
            )
        return [
            Descendant(run=run, of=self.of[run_id], versions=versions.get(run_id, []))
            for run_id, run in self.found.items()
        ]
