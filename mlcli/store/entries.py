"""What the index keeps of run documents, read a directory of them at a time, by two processes where there are many."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..domain.source import check_of
from ..errors import MlcliError
from .files import read_all, write_all
from .schema import Document

if TYPE_CHECKING:
    from .directory import DocumentDir

RACY_NS = 2_000_000_000
EXACT = 2**53
# What no filter asks for and no list shows: it would be most of the index.
_BULKY = ("inputs", "urls", "outputs", "code", "fits", "capture")
_MADE = ("artifacts", "outputs", "models")
_LEFT_OUT = {"packages", "changed", "untracked", "variables"}
# Reading costs what keeping does: of so many directories, the process that keeps reads one.
_SHARE = 16

Stamp = tuple[int, int, int]
Known = tuple[int, int, Stamp]
# id, stamp, when it started, name, 1 while it runs, CRC-32 of the document, the document, what is wrong, its values
Entry = tuple[str, Stamp, str, str | None, int, int, bytes, str | None, list[tuple[str, Any]]]


class ShardEntries(NamedTuple):
    """What has changed in a directory of runs since it was known, and the ids that are gone."""

    changed: list[Entry]
    gone: list[str]


class ShardReader:
    """Reads the directories that run documents lie in."""

    def __init__(self, runs: DocumentDir, top: str) -> None:
        self.runs, self.top = runs, top

    def read(self, shard: str, known: Mapping[str, Known], *, seen: int) -> ShardEntries:
        """What has changed in a directory since it was `seen`."""
        there, changed = set(), []
        with os.scandir(f"{self.top}/{shard}") as entries:
            for entry in entries:
                if not entry.name.endswith(".json"):
                    continue
                run_id = entry.name[:-5]
                there.add(run_id)
                found = entry.stat(follow_symlinks=False)
                stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
                same = run_id in known and known[run_id][2] == stamp
                if same and seen - stamp[0] > RACY_NS:
                    continue
                read = self._entry(run_id, stamp)
                if same and read[5] == known[run_id][1]:
                    continue  # written so shortly before it was read that its time proves nothing; its content does
                changed.append(read)
        return ShardEntries(changed, [run_id for run_id in known if run_id not in there])

    def read_all(self, shards: Sequence[str]) -> Iterator[ShardEntries]:
        """All that is in these directories, most of them read by a second process where there can be one."""
        theirs = (
            iter(()) if _must_be_alone() else self._beside([shard for at, shard in enumerate(shards) if at % _SHARE])
        )
        for at, shard in enumerate(shards):
            found = next(theirs, None) if at % _SHARE else None
            yield self.read(shard, {}, seen=0) if found is None else found

    def _beside(self, shards: Sequence[str]) -> Iterator[ShardEntries]:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.close(reading)
                for shard in shards:
                    data = msgspec.msgpack.encode(self.read(shard, {}, seen=0))
                    write_all(writing, len(data).to_bytes(8, "little") + data)
            finally:
                os._exit(0)
        os.close(writing)
        try:
            while len(head := read_all(reading, 8)) == 8:
                data = read_all(reading, size := int.from_bytes(head, "little"))
                if len(data) < size:
                    return  # it was killed: what it did not tell is read here
                yield msgspec.msgpack.decode(data, type=ShardEntries)
        finally:
            os.close(reading)
            os.waitpid(child, 0)

    def _entry(self, run_id: str, stamp: Stamp) -> Entry:
        try:
            document = self.runs.as_written(run_id)
        except (KeyError, MlcliError) as problem:
            told = problem.message if isinstance(problem, MlcliError) else f"run {run_id} went away"
            return run_id, stamp, "", "", 0, 0, b"", told, []
        _prune(document)
        blob = msgspec.msgpack.encode(document)
        started, live = _sortable(document.get("started_at", "")), int(document.get("status") == "running")
        return run_id, stamp, started, document.get("name"), live, zlib.crc32(blob), blob, None, pairs_of(document)


def _must_be_alone() -> bool:
    """Whether a second process would be of no use, or could wait for a thread that it does not have."""
    try:
        threads = len(os.listdir("/proc/self/task"))
    except OSError:
        threads = 2
    return threads > 1 or (os.cpu_count() or 1) < 2


def _prune(document: Document) -> None:
    """Take out of a document what the index does without; by what its files are found is told in their stead."""
    document["marks"] = _marks(document)
    for key in ("format", "kind", "digest", *_BULKY):
        document.pop(key, None)
    for part in (document.get("environment"), document.get("git")):
        if isinstance(part, dict):
            for key in _LEFT_OUT:
                part.pop(key, None)


def _marks(document: Document) -> list[tuple[str, str]]:
    """What Run.marks tells, of a document that nobody has looked at yet."""
    try:
        command = document["command"]
        found = [("command", check_of(command["cwd"], command["argv"]))]
        made = {one["digest"] for key in _MADE for one in document.get(key) or ()}
        found += [("output", digest) for digest in made if digest]
        found += [("input", digest) for digest in {one["digest"] for one in document.get("inputs") or ()} if digest]
        git = document["git"]
        commits = {git.get("commit"), (git.get("snapshot") or {}).get("commit")}
        found += [("commit", commit) for commit in commits if commit]
        if parent := document.get("parent_id"):
            found.append(("parent", parent))
        if original := document.get("reproduces"):
            found.append(("original", original["run_id"]))
    except (KeyError, TypeError, AttributeError):
        return []
    return found


def pairs_of(document: Document) -> list[tuple[str, Any]]:
    """The values that a filter or an order can be narrowed by, each with its key."""
    pairs = []
    try:
        for name, metric in document["metrics"].items():
            value = metric["last"]
            pairs.append((f"m:{name}", value if type(value) is float else _INFINITE.get(value, value)))
        for name, param in document["params"].items():
            value = param["value"]
            if type(value) is not float:
                value = _INFINITE.get(value, value) if type(value) is str else _scalar(value)
            pairs.append((f"p:{name}", value))
        pairs += [(f"is:{mark}", value) for mark, value in document["marks"]]
    except (KeyError, TypeError, AttributeError):
        return []  # its shape is no run's, so that it matches nothing and is told as a problem when it is read
    return pairs


_INFINITE = {"Infinity": float("inf"), "-Infinity": float("-inf")}


def _sortable(moment: Any) -> str:
    """A document's time so that its text sorts as it does: with microseconds even where they are 0."""
    text = str(moment)
    return f"{text[:-1]}.000000Z" if len(text) == 20 else text


def _scalar(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) > EXACT:
        return float(value)
    return value if isinstance(value, int | float | str) else ""
