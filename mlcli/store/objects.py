"""Content-addressed artifacts: copied in once while their digest is taken, kept read-only, reached by link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any

from ..domain.names import check_artifact_path, quoted
from ..domain.run import Artifact
from ..errors import Corrupt, InvalidValue, Missing, NotFound
from . import layout
from .digest import digest_of
from .faults import reason
from .files import Files, write_all

_CHUNK = 2**20


def put(files: Files, source: str, path: str) -> Artifact:
    """Keep the content of the file `source` as an object; what it will be called below a run's artifacts is `path`.

    The user's file is only read. Raises NotFound, InvalidValue (not a regular file) or WriteFailed.
    """
    reading = _open_source(source)
    try:
        temporary = files.temporary_path()
        with files.writing(layout.OBJECTS):
            writing = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            try:
                size, digest = _copied(reading, writing)
                os.fchmod(writing, 0o444)
                files.sync_file(writing)
            except BaseException:
                os.unlink(temporary)
                raise
            finally:
                os.close(writing)
    finally:
        os.close(reading)
    files.adopt(temporary, layout.object_path(digest))
    return Artifact(path=path, size=size, digest=digest)


def _open_source(source: str) -> int:
    try:
        reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotFound(f"no such file: {quoted(source)}") from None
    except OSError as error:
        raise InvalidValue(f"cannot read {quoted(source)}: {reason(error)}") from None
    if not stat.S_ISREG(os.fstat(reading).st_mode):
        os.close(reading)
        raise InvalidValue(f"{quoted(source)} is not a regular file")
    return reading


def _copied(reading: int, writing: int) -> tuple[int, str]:
    sha, size = _sha256(), 0
    while part := os.read(reading, _CHUNK):
        sha.update(part)
        write_all(writing, part)
        size += len(part)
    return size, f"sha256:{sha.hexdigest()}"


def _sha256() -> Any:
    from hashlib import sha256

    return sha256()


def digest_of_file(path: str) -> str:
    """The digest of a file's content; NotFound or InvalidValue where it cannot be read."""
    reading = _open_source(path)
    try:
        sha = _sha256()
        while part := os.read(reading, _CHUNK):
            sha.update(part)
        return f"sha256:{sha.hexdigest()}"
    finally:
        os.close(reading)


def verify(files: Files, artifact: Artifact) -> str:
    """The path of the artifact's content, read and found unaltered; else Missing or Corrupt."""
    name = layout.object_path(artifact.digest)
    path = files.path(name)
    if not files.exists(name):
        raise Missing(f"{quoted(artifact.path)} is not in this clone: .mlruns/{name} is missing")
    if digest_of_file(path) != artifact.digest:
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
    found = []
    for directory, subdirectories, names in os.walk(source):
        subdirectories.sort()
        for name in subdirectories:
            _refuse_link_out(os.path.join(directory, name), top)
            if os.path.islink(os.path.join(directory, name)):
                raise InvalidValue(f"{quoted(os.path.join(directory, name))} is a link to a directory")
        for name in sorted(names):
            path = os.path.join(directory, name)
            _refuse_link_out(path, top)
            relative = os.path.relpath(path, source).replace(os.sep, "/")
            found.append((path, check_artifact_path(f"{below}/{relative}" if below else relative)))
    return found


def _refuse_link_out(path: str, top: str) -> None:
    if os.path.islink(path):
        target = os.path.realpath(path)
        if target != top and not target.startswith(top + os.sep):
            raise InvalidValue(
                f"{quoted(path)} is a link out of the directory", "log the file it points to by its own name"
            )


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
