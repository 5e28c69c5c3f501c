"""The files of a run: what it was made from, and what it wrote and left."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from ..domain.numbers import parsed_size
from ..domain.observed import Output
from ..domain.run import PACKAGED, Input, Run
from ..domain.secrets import masked_text
from ..errors import MlcliError
from ..inputs import MAX_FILES, files_digest, names_digest
from ..observation.events import Listed, Reached, Stream
from ..observation.files import Read, Touched, touched
from ..workspace import Workspace

if TYPE_CHECKING:
    from ..domain.run import Digests

MOST_FILES = 1000
_MOST_URLS = 1000


def touched_by(workspace: Workspace, streams: Sequence[Stream]) -> Touched:
    """What the processes read and wrote, but for what is mlcli's own."""
    ours = [workspace.store.root, workspace.cache_directory]
    return touched(streams, root=workspace.root, ours=ours)


def urls(streams: Sequence[Stream]) -> list[str]:
    """The URLs and databases that were asked, without credentials."""
    return sorted({masked_text(event.u) for stream in streams for event in stream.of(Reached)})[:_MOST_URLS]


def listed(
    workspace: Workspace, streams: Sequence[Stream], read: Sequence[Input], written: Sequence[Output]
) -> dict[str, str]:
    """The directories of the project that were listed, each with a digest of the names in it."""
    places = {os.path.normpath(event.p) for stream in streams for event in stream.of(Listed)}
    whole = {each.path for each in read if each.files}
    named = {_shown_directory(workspace, place): place for place in sorted(places)}
    kept = {name: place for name, place in named.items() if name not in whole and os.path.isdir(place)}
    return {name: names_digest(place, name, read, written) for name, place in kept.items()}


def _shown_directory(workspace: Workspace, place: str) -> str:
    return "./" if place == os.path.realpath(workspace.root) else f"{shown(workspace, place)}/"


def inputs(workspace: Workspace, run: Run, found: Touched, digests: Digests) -> list[Input]:
    """What was read, but for the inputs that were declared."""
    declared = {each.path for each in run.inputs}
    reads = _fewer(found.reads)
    told = {shown(workspace, path): path for path in sorted(reads)}
    return [
        _directory(path, name, digests) if path.endswith("/") else _input(reads[path], name, digests)
        for name, path in told.items()
        if name not in declared
    ]


def _fewer(reads: Mapping[str, Read]) -> dict[str, Read]:
    """At most a thousand of them, as far as directories with the most files can stand for what was read in them."""
    grouped: dict[str, list[str]] = {}
    for path in reads:
        if not path.endswith("/"):
            grouped.setdefault(os.path.dirname(path) + "/", []).append(path)
    left = dict(reads)
    for directory in sorted(grouped, key=lambda place: len(grouped[place]), reverse=True):
        if len(left) <= MOST_FILES or len(grouped[directory]) == 1:
            break
        for path in grouped[directory]:
            del left[path]
        left[directory] = Read(path=directory, many=len(grouped[directory]))
    return left


def too_many(written: Collection[str]) -> list[str]:
    """What to tell where more was written than a document can name."""
    if len(written) <= MOST_FILES:
        return []
    return [f"{len(written)} files were written, of which {MOST_FILES} are told; write an archive of them"]


def at(paths: Iterable[str]) -> dict[str, str]:
    """The files at these paths, a directory's below it, as those that were written are told: no function is known."""
    found: dict[str, str] = {}
    for path in paths:
        found |= dict.fromkeys(islice(_files_at(path), MAX_FILES), "")
    return found


def _files_at(path: str) -> Iterator[str]:
    if os.path.isfile(path):
        yield path
    for directory, _, names in os.walk(path):
        yield from (os.path.join(directory, name) for name in sorted(names))


def outputs(
    workspace: Workspace,
    written: Mapping[str, str],
    read: Sequence[Input],
    streams: Sequence[Stream],
    declared: Collection[str] = (),
) -> list[Output]:
    """What was written and is there, its content kept where it is not too large; of `declared` it is known to be."""
    from ..observation import fits, kinds

    room = _Room(workspace)
    makers = fits.makers(streams)
    only_read = {each.path for each in read if not each.changed}
    left = []
    # Models come first, then what is small, where there is not room for all.
    for path in sorted(written, key=lambda path: (path not in makers, _size(path), path))[:MOST_FILES]:
        name = shown(workspace, path)
        if (name in only_read and path not in declared) or not os.path.isfile(path):  # opened for both, and only read
            continue
        with suppress(MlcliError, OSError):
            size, digest, keep = room.taken(path)
            kind, maker = kinds.recognised(path), makers.get(path)
            classes = kind.classes if kind.kind == "model" else []
            left.append(
                Output(
                    path=name,
                    size=size,
                    digest=digest,
                    kept=keep,
                    kind="model" if maker and maker.model and kind.kind in {"file", "data"} else kind.kind,
                    format=kind.format,
                    cls=maker.cls if maker and maker.cls else next(iter(classes), ""),
                    by=maker.how if maker else written[path],
                    fit=maker.fit if maker else None,
                )
            )
    return sorted(left, key=lambda output: output.path)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


class _Room:
    """What may be kept of the outputs of a run: each up to a limit, and all together up to another."""

    def __init__(self, workspace: Workspace) -> None:
        self._store = workspace.store
        self._each = parsed_size(workspace.settings.output_file_limit) or 0
        self._left = parsed_size(workspace.settings.output_limit) or 0

    def taken(self, path: str) -> tuple[int, str, bool]:
        """The size and digest of a file, and whether its content was kept: not above the limits, nor on a full disk."""
        size = os.path.getsize(path)
        if size <= min(self._each, self._left):
            with suppress(MlcliError):
                size, digest = self._store.take_input(path, keep=True)
                self._left -= size
                return size, digest, True
        return *self._store.take_input(path, keep=False), False


def shown(workspace: Workspace, path: str) -> str:
    """A path as documents tell it: relative to the workspace with '/', absolute where it lies outside.

    What came with a package is told from `site-packages/` on, as that lies elsewhere on each machine.
    """
    for directory in PACKAGED:
        _, found, below = path.partition(f"/{directory}")
        if found:
            return _text(directory + below)
    for top in (workspace.root, os.path.realpath(workspace.root)):
        if path.startswith(top + os.sep):
            path = path[len(top) + 1 :]
            break
    return _text(path)


def _text(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace").replace(os.sep, "/")


def _input(read: Read, name: str, digests: Digests) -> Input:
    try:
        now = os.stat(read.path)
    except OSError:
        size = read.stamp[0] if read.stamp else 0
        return Input(path=name, size=size, digest=read.digest, seen=True, by=read.by, changed=True)
    stamp = (now.st_size, now.st_mtime_ns, now.st_ino)
    if read.stamp is not None and read.stamp != stamp:
        return Input(path=name, size=read.stamp[0], digest=read.digest, seen=True, by=read.by, changed=True)
    return Input(path=name, size=now.st_size, digest=digests.of(read.path), seen=True, by=read.by)


def _directory(path: str, name: str, digests: Digests) -> Input:
    """A directory of which so many files were read that it is one input: all that lie in it, by one digest."""
    sizes = []
    with suppress(OSError), os.scandir(path) as entries:
        sizes = [entry.stat().st_size for entry in entries if entry.is_file()]
    digest = files_digest(path, digests.of)
    return Input(path=name, size=sum(sizes), digest=digest, seen=True, files=len(sizes))
