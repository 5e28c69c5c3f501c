"""What git knows of a registry: conflicts, the two sides of a merge, and all that its documents ever were."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cached_property

from ..domain.checked import CheckedVersion
from ..domain.history import Event
from ..errors import GitError
from ..gitrepo import find_root, merges
from ..gitrepo.merges import Sides
from ..store.elsewhere import Place, event_in, place_of, version_in
from ..store.layout import MODELS
from ..workspace import Workspace

_HEADS = "GITHEAD_"  # what git merge tells the programs that it starts, followed by the commit that is merged


class Known:
    """What git knows of a workspace's registry; nothing where there is no repository around it."""

    def __init__(self, workspace: Workspace) -> None:
        self.root, self.below = _places(workspace)
        self._heads = [name.removeprefix(_HEADS) for name in workspace.environ if name.startswith(_HEADS)]
        self._ever: dict[str, dict[Place, set[str]]] = {}

    @cached_property
    def sides(self) -> Sides:
        """What is under way; where files have a conflict all the same, as after `git stash pop`, HEAD is upstream."""
        if not self.root:
            return Sides("", None, [], "", "")
        sides = merges.sides(self.root, self._heads)
        return sides._replace(upstream=["HEAD"]) if self.conflicts and not sides.operation else sides

    @property
    def merging(self) -> bool:
        """Whether a running `git merge` asks, with the commits that it told of."""
        return bool(self._heads) and self.sides.operation == "merge"

    @property
    def under_way(self) -> bool:
        """Whether what is settled belongs into a commit that is being made."""
        return bool(self.conflicts or self.sides.operation)

    @cached_property
    def conflicts(self) -> dict[Place, dict[int, bytes]]:
        """The registry's documents that have a conflict, each with what the index has of it by stage."""
        if not self.root:
            return {}
        try:
            found = merges.unmerged(self.root, self.path(MODELS))
        except GitError:  # of another user, too old, or not installed: nothing can be asked of it
            self.root = ""
            return {}
        blobs = merges.contents(self.root, {blob for stages in found.values() for blob in stages.values()})
        places = ((place_of(path.removeprefix(f"{self.below}/")), stages) for path, stages in found.items())
        return {
            place: {stage: blobs[blob] for stage, blob in stages.items() if blob in blobs}
            for place, stages in places
            if place is not None
        }

    def of(self, model: str, kind: str) -> dict[str, dict[int, bytes]]:
        """The conflicts of one model in one of its directories, by key."""
        return {at.key: stages for at, stages in self.conflicts.items() if (at.model, at.kind) == (model, kind)}

    def path(self, name: str) -> str:
        """Where a file of the store lies from the repository's root."""
        return f"{self.below}/{name}"

    def upstream(self, place: Place) -> Iterator[bytes]:
        """What a document says upstream, in those commits that have it."""
        if self.root:
            names = [f"{commit}:{self.path(place.name)}" for commit in self.sides.upstream]
            found = merges.contents(self.root, names)
            yield from (found[name] for name in names if name in found)

    def theirs(self, place: Place) -> bytes | None:
        """What a document says on the side that is merged; None where none is, or it does not have it."""
        name = f"{self.sides.theirs}:{self.path(place.name)}"
        return merges.contents(self.root, [name]).get(name) if self.sides.theirs else None

    def event(self, model: str, digest: str) -> bytes | None:
        """An event as it lies somewhere in git; None where it is in no commit that is here."""
        place = Place(model, "events", digest.removeprefix("sha256:"))
        return next((data for data in self._contents([place]).get(place, []) if event_in(data, place)), None)

    def versions(self, model: str, digests: set[str]) -> dict[str, tuple[CheckedVersion, bytes]]:
        """Those of the versions of these digests that lie somewhere in git: as read, and as they lie there."""
        found: dict[str, tuple[CheckedVersion, bytes]] = {}
        if digests:
            places = [place for place in self._ever_of(model) if place.kind == "versions"]
            for place, every in self._contents(places).items():
                for data in every:
                    version = version_in(data, place)
                    if version and version.digest in digests:
                        found[version.digest] = (version, data)
        return found

    def numbers(self, model: str) -> set[int]:
        """All numbers that versions of a model ever had, in any branch."""
        every = (place.key for place in self._ever_of(model) if place.kind == "versions")
        return {int(key) for key in every if key.isdecimal()}

    def stage(self, names: Iterable[str]) -> None:
        """Let the index have these files of the store as they lie there."""
        merges.stage(self.root, map(self.path, names))

    def _contents(self, places: Iterable[Place]) -> dict[Place, list[bytes]]:
        if not self.root:
            return {}
        blobs = {place: sorted(self._ever_of(place.model).get(place, ())) for place in places}
        found = merges.contents(self.root, {blob for every in blobs.values() for blob in every})
        return {place: [found[blob] for blob in every if blob in found] for place, every in blobs.items()}

    def _ever_of(self, model: str) -> dict[Place, set[str]]:
        if model not in self._ever:
            commits = [self.sides.theirs] if self.sides.theirs else []
            below = self.path(f"{MODELS}/{model}")
            found = merges.blobs_ever_below(self.root, below, commits) if self.root else {}
            places = ((place_of(path.removeprefix(f"{self.below}/")), blobs) for path, blobs in found.items())
            self._ever[model] = {place: blobs for place, blobs in places if place is not None}
        return self._ever[model]


def _places(workspace: Workspace) -> tuple[str, str]:
    """The repository's root, and where the store lies below it; '' twice where it lies in none."""
    root = find_root(workspace.root)
    if root is None:
        return "", ""
    below = os.path.relpath(os.path.realpath(workspace.store.root), root).replace(os.sep, "/")
    return ("", "") if below.startswith("../") else (root, below)


def events_before(known: Known, model: str, events: dict[str, Event], damaged: set[str]) -> dict[Place, bytes]:
    """What events name as what came before them and is not here, as far as git has it; put among `events`."""
    brought: dict[Place, bytes] = {}
    asked: set[str] = set()
    while gone := {p for e in events.values() for p in e.parents} - events.keys() - damaged - asked:
        for digest in sorted(gone):
            asked.add(digest)
            place = Place(model, "events", digest.removeprefix("sha256:"))
            data = known.event(model, digest)
            event = event_in(data, place) if data is not None else None
            if data is not None and event is not None:
                events[digest] = event
                brought[place] = data
    return brought
