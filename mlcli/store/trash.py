"""What was removed: brought back, or taken for good together with content that nothing cites any more."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ..domain.trash import Removed, Swept
from ..errors import MlcliError, NotFound, Refused
from . import layout, objects, schema

if TYPE_CHECKING:
    from .files import Files

_DIGEST = re.compile(rb"sha256:([0-9a-f]{64})")


class Trash:
    """The trash of one store."""

    def __init__(self, files: Files) -> None:
        self.files = files

    # Back again

    def removed(self) -> list[Removed]:
        """What lies in the trash, the last that was removed first."""
        found = []
        for name, kind in documents(self.files):
            where = f".mlruns/{name}"
            try:
                at = datetime.fromtimestamp(os.lstat(self.files.path(name)).st_mtime, timezone.utc)
                document = schema.decode(self.files.read(name), kind, where)
                if kind == "run":
                    found.append(Removed(schema.run_from(document, where), at))
                else:
                    found.append(Removed(schema.version_from(document, int(_id(name)), where), at))
            except (MlcliError, OSError, ValueError):
                continue  # doctor tells of it
        return sorted(found, key=lambda each: each.at, reverse=True)

    def bring_back(self, name: str, told: str) -> None:
        """Move what was called `name` back; NotFound where it is not in the trash, Refused where its place is taken."""
        lies = layout.trashed(name)
        if not self.files.exists(lies):
            raise NotFound(f"{told} is not in the trash", "mlcli restore")
        if self.files.exists(name):
            raise Refused(f"{told} is here already: .mlruns/{name}", f"rm .mlruns/{lies}, if it is the same")
        self.files.move(lies, name)

    # For good

    def sweep(self, keep: timedelta, elsewhere: Iterable[bytes], *, dry_run: bool) -> Swept:
        """Empty the trash of what has lain there for longer than `keep`, and move content that nothing cites to it.

        Documents go before the content that they cite, and content goes through the trash, so that a sweep may be
        killed at any moment. Only the last look at what is cited, which reads what changed since the first, and the
        moving keep others from adding content.
        """
        due, left = self._due(self._discarded(), keep)
        if not dry_run:
            due += self._followed(due)
            self._delete(due)
        cited = _Citations(self.files, elsewhere, left_out=due)
        cited.look()
        if dry_run:
            loose = self._loose(cited.look(), keep)
        else:
            with self.files.lock(layout.CONTENT_LOCK):
                loose = self._loose(cited.look(), keep)
                for name in loose:
                    self.files.move(name, layout.trashed(name))
        dropped, waiting = self._due(self._below(layout.OBJECTS), keep)
        if dry_run and not keep:
            dropped += loose
        size = sum(map(self._size, dropped))
        if not dry_run:
            self._delete(dropped)
        return Swept(
            runs=[_id(name) for name in due if _is_run(name)],
            versions=[_ref(name) for name in due if name.startswith(f"{layout.TRASH}/{layout.MODELS}/")],
            objects=len(dropped),
            bytes=size,
            left=sum(_is_document(name) for name in left),
            waiting=len(waiting) + (len(loose) if dry_run and keep else 0),
        )

    def cited_commits(self, elsewhere: Iterable[bytes]) -> set[str]:
        """The ids of git objects in documents here and elsewhere; Corrupt where one cannot be trusted."""
        cited = set().union(*map(schema.commits_in, elsewhere))
        for name in _documents(self.files, ""):
            try:
                cited |= schema.commits_in(_trusted(self.files, name))
            except FileNotFoundError:
                continue
        return cited

    def discarded_commits(self) -> set[str]:
        """The ids of git objects in documents of the trash."""
        cited: set[str] = set()
        for name, _ in documents(self.files):
            with suppress(FileNotFoundError):
                cited |= schema.commits_in(self.files.read(name))
        return cited

    def _followed(self, due: Iterable[str]) -> list[str]:
        """The files of runs whose removal got no further than their documents, once they are in the trash, too."""
        followed = []
        for run_id in [_id(name) for name in due if _is_run(name)]:
            directory = layout.run_directory(run_id)
            if self.files.exists(directory) and not self.files.exists(f"{directory}.json"):
                self.files.move(directory, layout.trashed(directory))
                followed.append(layout.trashed(directory))
        return followed

    def _delete(self, names: Iterable[str]) -> None:
        for name in sorted(names, key=_is_document, reverse=True):
            self.files.delete(name)

    def _due(self, names: Iterable[str], keep: timedelta) -> tuple[list[str], list[str]]:
        """Those that have been there for longer than `keep`, and those that have not."""
        due: list[str] = []
        left: list[str] = []
        for name in names:
            if (age := self._age(name)) is not None:
                (due if age >= keep.total_seconds() else left).append(name)
        return due, left

    def _age(self, name: str) -> float | None:
        """How long something has lain where it lies; None where another sweep took it, or somebody brought it back."""
        try:
            return time.time() - os.lstat(self.files.path(name)).st_mtime
        except FileNotFoundError:
            return None

    def _size(self, name: str) -> int:
        try:
            return os.lstat(self.files.path(name)).st_size
        except FileNotFoundError:
            return 0

    def _discarded(self) -> Iterator[str]:
        """All that lies in the trash but content; and what processes that died left half-written."""
        yield from _documents(self.files, f"{layout.TRASH}/")
        yield from (name for name in self._below(layout.RUNS) if not name.endswith(".json"))
        kinds = {layout.RUNS, layout.MODELS, layout.OBJECTS}
        yield from (f"{layout.TRASH}/{name}" for name in self.files.names(layout.TRASH) if name not in kinds)
        for name in self.files.names(layout.TEMPORARY):
            if not is_being_written(name):
                yield f"{layout.TEMPORARY}/{name}"

    def _below(self, kind: str) -> list[str]:
        return [f"{layout.TRASH}/{kind}/{name}" for name in self.files.names(f"{layout.TRASH}/{kind}")]

    def _loose(self, cited: set[str], keep: timedelta) -> list[str]:
        """Objects that nothing cites and that were not put lately."""
        return self._due((name for name in objects.kept(self.files) if name.rpartition("/")[2] not in cited), keep)[0]


def is_being_written(temporary: str) -> bool:
    """Whether the process that made a temporary file lives, as far as its name tells."""
    pid = temporary.partition("-")[0]
    return pid.isdecimal() and os.path.exists(f"/proc/{pid}")


class _Citations:
    """Which content the documents of a store cite; looking again reads only documents that changed."""

    def __init__(self, files: Files, elsewhere: Iterable[bytes], left_out: Iterable[str]) -> None:
        self.files, self.left_out = files, set(left_out)
        self.elsewhere = {digest.decode() for data in elsewhere for digest in _DIGEST.findall(data)}
        self.known: dict[str, tuple[tuple[int, int, int], set[str]]] = {}

    def look(self) -> set[str]:
        """The digests that are cited now; Corrupt where a document that is no trash cannot be trusted."""
        known = {}
        for name in [*_documents(self.files, ""), *_documents(self.files, f"{layout.TRASH}/")]:
            if name in self.left_out:
                continue
            try:
                found = os.lstat(self.files.path(name))
                stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
                before = self.known.get(name)
                # A document that is as old as the first look may have been changed within one tick of the clock.
                same = before is not None and before[0] == stamp and time.time_ns() - stamp[0] > 2_000_000_000
                known[name] = before if before is not None and same else (stamp, self._cited_in(name))
            except FileNotFoundError:
                continue  # removed since the directory was listed: it is in the trash, which is listed after
        self.known = known
        return self.elsewhere.union(*(digests for _, digests in known.values()))

    def _cited_in(self, name: str) -> set[str]:
        in_trash = name.startswith(f"{layout.TRASH}/")
        data = self.files.read(name) if in_trash else _trusted(self.files, name)
        return {digest.decode() for digest in _DIGEST.findall(data)}


def _trusted(files: Files, name: str) -> bytes:
    """A document that is no trash; Corrupt where it cannot be trusted."""
    data = files.read(name)
    schema.decode(data, "run" if name.startswith(f"{layout.RUNS}/") else "version", f".mlruns/{name}")
    return data


def documents(files: Files) -> Iterator[tuple[str, str]]:
    """The documents in the trash, each with its kind."""
    for name in _documents(files, f"{layout.TRASH}/"):
        yield name, "run" if _is_run(name) else "version"


def _documents(files: Files, top: str) -> Iterator[str]:
    """The run and version documents below the store, or its trash."""
    shards = [""] if top else [f"/{name}" for name in files.names(layout.RUNS) if len(name) == 2]
    for shard in shards:
        for name in files.names(f"{top}{layout.RUNS}{shard}"):
            if name.endswith(".json"):
                yield f"{top}{layout.RUNS}{shard}/{name}"
    for model in files.names(f"{top}{layout.MODELS}"):
        for name in files.names(f"{top}{layout.versions(model)}"):
            if name.endswith(".json"):
                yield f"{top}{layout.versions(model)}/{name}"


def _is_document(name: str) -> bool:
    return name.endswith(".json")


def _is_run(name: str) -> bool:
    return name.startswith(f"{layout.TRASH}/{layout.RUNS}/") and _is_document(name)


def _id(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".json")


def _ref(name: str) -> str:
    return f"{name.split('/')[2]}@{_id(name)}"
