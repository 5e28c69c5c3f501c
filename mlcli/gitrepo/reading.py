"""Whether what a snapshot consists of can be read, to the last byte."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from hashlib import sha1, sha256
from typing import IO

from .command import answer, command

_PART = 2**20


def unreadable(root: str, snapshots: Mapping[str, str | None]) -> set[str]:
    """Those snapshots of which a part is missing or damaged; each is given with the commit below it, if any.

    What the commit below it holds is git's own matter, and is not read.
    """
    return {snapshot for snapshot, parent in snapshots.items() if not _is_whole(root, snapshot, parent)}


def _is_whole(root: str, snapshot: str, parent: str | None) -> bool:
    beyond = ("--not", parent) if parent else ()
    asked = ("rev-list", "--objects", "--missing=print", snapshot, *beyond)
    listed = answer(root, asked, ok=(0, 1, 128))
    objects = [line.split(b" ")[0] for line in listed.splitlines()]
    return bool(objects) and not any(each.startswith(b"?") for each in objects) and _can_be_read(root, objects)


def _can_be_read(root: str, objects: Iterable[bytes]) -> bool:
    """Read each object in full, a part at a time, and verify it against its id, which git does not do here."""
    argv, environ = command(root, ("cat-file", "--batch", "--buffer"))
    with tempfile.TemporaryFile() as names:
        names.write(b"".join(each + b"\n" for each in objects))
        names.seek(0)
        with subprocess.Popen(
            argv, cwd=root, env=environ, stdin=names, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as git:
            stream = git.stdout
            whole = stream is not None and all(_matches(stream, about.split()) for about in iter(stream.readline, b""))
            if stream is not None:
                stream.close()
        return whole and git.returncode == 0


def _matches(stream: IO[bytes], about: list[bytes]) -> bool:
    """Whether the object that git tells of, as its id, kind and size, is what its id says."""
    if len(about) != 3:
        return False
    left = int(about[2])
    digest = (sha1 if len(about[0]) == 40 else sha256)(b"%s %d\0" % (about[1], left))
    while left and (part := stream.read(min(left, _PART))):
        digest.update(part)
        left -= len(part)
    stream.read(1)
    return digest.hexdigest() == about[0].decode("ascii")
