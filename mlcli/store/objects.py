"""Content-addressed artifacts: copied in once while their digest is taken, kept read-only, reached by link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

from ..domain.digest import LARGE, digest_of, for_content
from ..domain.names import check_artifact_path, quoted
from ..domain.run import Artifact
from ..errors import Corrupt, InvalidName, InvalidValue, Missing, NotFound
from . import layout
from .faults import reason
from .files import Files, write_all

_CHUNK = 2**20
_SMALL = 2**18
_BUFFER = 2**18
_LARGE = 2**25
_LOOKED_AT = 20_000


def keep(files: Files, directory: str, sources: Iterable[tuple[str, str]]) -> list[Artifact]:
    """Keep the content of the files `sources`, each reached by the path it comes with, below a run's `directory`.

    Small files are written where the run finds them and then linked to their digests, durable together; content that is
    here already is linked only. Nothing is left behind where one of them cannot be kept.
    """
    keeper = _Keeper(files, directory)
    try:
        kept = [keeper.keep(source, path) for source, path in sources]
        keeper.publish()
    except BaseException:
        keeper.undo()
        raise
    return kept


class _Keeper:
    def __init__(self, files: Files, directory: str) -> None:
        self.files, self.directory = files, directory
        self.made: set[str] = set()
        self.created: list[str] = []
        self.pending: dict[str, str] = {}

    def keep(self, source: str, path: str) -> Artifact:
        target = f"{self.directory}/{path}"
        reading, size = _opened(source)
        try:
            data = os.read(reading, size + 1) if size <= _SMALL else b""
            if len(data) != size:  # large, or written to just now
                os.lseek(reading, 0, os.SEEK_SET)
                artifact = _put_open(self.files, reading, path)
                if not self.files.exists(target):
                    self.created.append(target)
                self.files.link(layout.object_path(artifact.digest), target)
                return artifact
        finally:
            os.close(reading)
        artifact = Artifact(path=path, size=size, digest=_digest_of(data))
        try:
            placed = self._placed(data, layout.object_path(artifact.digest), target)
        except OSError as error:
            raise self.files.failed(target, error) from error
        if not placed:
            self._placed_slowly(data, artifact)
        return artifact

    def _placed(self, data: bytes, name: str, target: str) -> bool:
        """Link the content where the run finds it, or write it there; False where only another way will do."""
        directory = target.rpartition("/")[0]
        if directory not in self.made:
            self.files.make_directory(directory, sync=False)
            self.made.add(directory)
        there = self.files.path(target)
        try:
            os.link(self.files.path(self.pending.get(name, name)), there, follow_symlinks=False)
        except FileNotFoundError:
            pass
        except OSError:
            return False
        else:
            self.created.append(target)
            return True
        try:
            writing = os.open(there, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o444)
        except FileExistsError:
            return False
        self.created.append(target)
        try:
            write_all(writing, data)
        finally:
            os.close(writing)
        self.pending[name] = target
        return True

    def _placed_slowly(self, data: bytes, artifact: Artifact) -> None:
        name = layout.object_path(artifact.digest)
        if not self.files.exists(name):
            if name in self.pending:
                self.publish()
            else:
                self.files.adopt(self.files.gather([data], mode=0o444)[0], name)
        self.files.link(name, f"{self.directory}/{artifact.path}")

    def publish(self) -> None:
        """Give what was written its names by digest, after it is durable."""
        pending, self.pending = self.pending, {}
        self.files.settle_all(list(pending.values()))
        shards = sorted({name.rpartition("/")[0] for name in pending})
        for shard in shards:
            self.files.make_directory(shard)
        for name, target in pending.items():
            if not self.files.link_new(target, name):  # not a file system for links, or another was faster
                if not self.files.exists(name):
                    self.files.adopt(self.files.gather(self.files.blocks(target, _CHUNK), mode=0o444)[0], name)
                self.files.link(name, target)
        self.files.settle_all(shards)

    def undo(self) -> None:
        """Take back what no document will tell of."""
        for target in self.created:
            self.files.forget(target)
        for directory in self.made:
            with suppress(OSError):  # what holds something else stays
                while directory.count("/") > 1:
                    os.rmdir(self.files.path(directory))
                    directory = directory.rpartition("/")[0]


def put(files: Files, source: str, path: str) -> Artifact:
    """Keep the content of the file `source` as an object; what it will be called below a run's artifacts is `path`.

    The user's file is only read. Raises NotFound, InvalidValue (not a regular file) or WriteFailed.
    """
    reading, _ = _opened(source)
    try:
        return _put_open(files, reading, path)
    finally:
        os.close(reading)


def taken(files: Files, source: str, *, keep: bool) -> tuple[int, str]:
    """The size and digest of the file `source`; `keep` its content, copied where it is no object yet."""
    reading, size = _opened(source)
    try:
        if keep and size >= _LARGE and not _is_one_of_that_size(files, size):
            _require_room(files, size, source)  # before all of it is read
        size, digest = _digested(reading)
        if not keep or files.exists(layout.object_path(digest)):
            return size, digest
        os.lseek(reading, 0, os.SEEK_SET)
        kept = _put_open(files, reading, source)
        return kept.size, kept.digest
    finally:
        os.close(reading)


def _put_open(files: Files, reading: int, path: str) -> Artifact:
    size = os.fstat(reading).st_size
    if size >= _LARGE and _is_one_of_that_size(files, size):
        size, digest = _digested(reading)  # most likely here already: then it need not be copied
        if files.exists(layout.object_path(digest)):
            return Artifact(path=path, size=size, digest=digest)
        os.lseek(reading, 0, os.SEEK_SET)
    _require_room(files, size, path)
    temporary = files.temporary_path()
    with files.writing(layout.OBJECTS):
        writing = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o444)
        try:
            size, digest = _digested(reading, writing)
            files.sync_file(writing)
        except BaseException:
            os.unlink(temporary)
            raise
        finally:
            os.close(writing)
    files.adopt(temporary, layout.object_path(digest))
    return Artifact(path=path, size=size, digest=digest)


def _require_room(files: Files, size: int, path: str) -> None:
    """InvalidValue where a file is larger than what is free, as /proc/kcore and sparse files are."""
    room = os.statvfs(files.root)
    if size > room.f_bavail * room.f_frsize:
        raise InvalidValue(f"{quoted(path)} has {size} bytes, and there is room for {room.f_bavail * room.f_frsize}")


def _is_one_of_that_size(files: Files, size: int) -> bool:
    return any(os.lstat(files.path(name)).st_size == size for name in islice(kept(files), _LOOKED_AT))


def _opened(source: str) -> tuple[int, int]:
    """Open a regular file to be read, and its size; NotFound or InvalidValue where there is none."""
    try:
        reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotFound(f"no such file: {quoted(source)}") from None
    except OSError as error:
        raise InvalidValue(f"cannot read {quoted(source)}: {reason(error)}") from None
    found = os.fstat(reading)
    if not stat.S_ISREG(found.st_mode):
        os.close(reading)
        raise InvalidValue(f"{quoted(source)} is not a regular file")
    return reading, found.st_size


def _digested(reading: int, writing: int | None = None) -> tuple[int, str]:
    """Read a file to its end, and copy it if asked; its size and digest."""
    expected = os.fstat(reading).st_size
    sha, size = for_content(expected), 0
    buffer = memoryview(bytearray(min(expected + 1, _BUFFER)))
    while count := os.readv(reading, [buffer]):
        part = buffer[:count]
        sha.update(part)
        if writing is not None:
            write_all(writing, part)
        size += count
    return size, f"sha256:{sha.hexdigest()}"


def _digest_of(data: bytes) -> str:
    sha = for_content(LARGE)  # there may be ten thousand of them
    sha.update(data)
    return f"sha256:{sha.hexdigest()}"


def digest_of_file(path: str) -> str:
    """The digest of a file's content; NotFound or InvalidValue where it cannot be read."""
    reading, size = _opened(path)
    try:
        if size <= _SMALL and len(data := os.read(reading, size + 1)) == size:
            return _digest_of(data)
        os.lseek(reading, 0, os.SEEK_SET)
        return _digested(reading)[1]
    finally:
        os.close(reading)


def verify(files: Files, artifact: Artifact) -> str:
    """The path of the artifact's content, read and found unaltered; else Missing or Corrupt."""
    name = layout.object_path(artifact.digest)
    path = files.path(name)
    try:
        digest = digest_of_file(path)
    except NotFound:
        raise Missing(f"{quoted(artifact.path)} is not in this clone: .mlruns/{name} is missing") from None
    if digest != artifact.digest:
        raise Corrupt(f"{quoted(artifact.path)} was altered: .mlruns/{name} does not match its digest", "mlcli doctor")
    return path


def kept(files: Files) -> Iterator[str]:
    """Where each object lies."""
    for shard in files.names(layout.OBJECTS):
        for name in files.names(f"{layout.OBJECTS}/{shard}"):
            yield f"{layout.OBJECTS}/{shard}/{name}"


def gathered(source: str, below: str) -> list[tuple[str, str]]:
    """The regular files at or under `source`, each with its path below a run's artifacts, sorted.

    A directory's content goes below `below`. A link is followed only where it stays inside `source`.
    """
    if not os.path.isdir(source):
        return [(source, check_artifact_path(below))]
    top = os.path.realpath(source)
    return [(path, check_artifact_path(name)) for path, name in _walked(source, f"{below}/" if below else "", top)]


def _walked(directory: str, prefix: str, top: str) -> Iterator[tuple[str, str]]:
    if prefix:
        check_artifact_path(prefix[:-1])
    try:
        with os.scandir(directory) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise InvalidValue(f"cannot read {quoted(directory)}: {reason(error)}") from None
    directories = []
    for entry in entries:
        if entry.is_symlink():
            _refuse_link_out(entry.path, top)
            if os.path.isdir(entry.path):
                raise InvalidValue(f"{quoted(entry.path)} is a link to a directory")
        elif entry.is_dir():
            directories.append(entry)
            continue
        elif not entry.is_file():
            raise InvalidValue(f"{quoted(entry.path)} is not a regular file")
        yield entry.path, prefix + entry.name
    for entry in directories:
        check_artifact_path(prefix + entry.name)  # which ends what is too deep
        yield from _walked(entry.path, f"{prefix}{entry.name}/", top)


def _refuse_link_out(path: str, top: str) -> None:
    target = os.path.realpath(path)
    if target != top and not target.startswith(top + os.sep):
        raise InvalidValue(
            f"{quoted(path)} is a link out of the directory", "log the file it points to by its own name"
        )


def refuse_case_twins(files: Files, directory: str, paths: Iterable[str]) -> None:
    """InvalidName where a path and one that is there, or another of them, differ in case only.

    So it is where a file would lie where the run has a directory, or a directory where it has a file.
    """
    names: dict[str, dict[str, str]] = {}
    for path in paths:
        at, rest = "", path
        while rest:
            part, _, rest = rest.partition("/")
            if at not in names:
                names[at] = {name.lower(): name for name in files.names(f"{directory}/{at}".rstrip("/"))}
            other = names[at].get(part.lower())
            if other is None:
                names[at][part.lower()] = part
            elif other != part:
                raise InvalidName(f"{quoted(path)} and {quoted(at + other)} differ in case only")
            elif not rest or f"{at}{part}/" not in names:
                _refuse_other_kind(files.path(f"{directory}/{at}{part}"), path, at + part)
            at += f"{part}/"


def _refuse_other_kind(there: str, path: str, part: str) -> None:
    is_directory = os.path.isdir(there)
    if is_directory is (part == path) and os.path.lexists(there):
        kind = "directory" if is_directory else "file"
        raise InvalidName(f"{quoted(path)} cannot be kept: {quoted(part)} is a {kind} of this run")


def manifest_digest(artifacts: list[Artifact], path: str) -> str:
    """One digest for an artifact: its file's, or for a directory that of the sorted list of its files' digests."""
    if len(artifacts) == 1 and artifacts[0].path == path:
        return artifacts[0].digest
    lines = sorted(f"{file.digest}  {file.path[len(path) + 1 :] if path else file.path}\n" for file in artifacts)
    return digest_of("".join(lines).encode())


def content_digest(path: str) -> str:
    """The digest that a file or directory outside the store would have as an artifact."""
    if not os.path.isdir(path):
        return digest_of_file(path)
    listed = [Artifact(path=below, size=0, digest=digest_of_file(file)) for file, below in gathered(path, "")]
    return manifest_digest(listed, "")
