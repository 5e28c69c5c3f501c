"""Files as git is about to commit them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..errors import GitError
from .command import answer, ran, readable

_AT_ONCE = 2**26


class StagedFile(NamedTuple):
    """A regular file in the index: its path from the repository's top, its blob, and how many bytes that has."""

    path: str
    blob: str
    size: int


def staged_blobs(root: str, paths: Iterable[str] | None, index: str | None) -> list[StagedFile]:
    """The regular files among `paths` that `index` holds; None: all in which it differs from HEAD.

    Conflicts that are not resolved are left out: git does not commit them.
    """
    if paths is None:
        listed = answer(root, ("diff", "--cached", "--name-only", "--no-renames", "--diff-filter=d", "-z"), index=index)
        names = listed.split(b"\0")[:-1]
    else:
        names = [os.fsencode(path) for path in paths]
    wanted = set(names)
    if not wanted:
        return []
    found = {}
    for entry in answer(root, ("ls-files", "-s", "-z"), index=index).split(b"\0")[:-1]:
        about, _, name = entry.partition(b"\t")
        mode, blob, stage = about.split()
        if name in wanted and stage == b"0" and mode in {b"100644", b"100755"}:
            found[name] = blob
    lines = b"".join(blob + b"\n" for blob in found.values())
    sizes = ran(root, ("cat-file", "--batch-check=%(objectsize)"), stdin=lines).stdout.split(b"\n")[:-1]
    return [
        StagedFile(readable(name), blob.decode("ascii"), int(size))
        for (name, blob), size in zip(found.items(), sizes, strict=True)
        if size.isdigit()
    ]


def staged_below(root: str, below: str, index: str | None) -> dict[str, str]:
    """The blobs of the regular files at or below a path from the top; GitError where one has a conflict."""
    listed = answer(root, ("ls-files", "-s", "-z", "--", f":(top,literal){below}"), index=index)
    blobs = {}
    for entry in listed.split(b"\0")[:-1]:
        about, _, path = entry.partition(b"\t")
        mode, blob, stage = about.decode("ascii").split()
        if stage != "0":
            raise GitError(
                f"{readable(path)} has an unresolved conflict", f"resolve it, then: git add {readable(path)}"
            )
        if mode in {"100644", "100755"}:
            blobs[readable(path)] = blob
    return blobs


def batches(blobs: Mapping[str, int]) -> Iterator[set[str]]:
    """Blobs, each given with its size, in sets that memory has room for."""
    batch: set[str] = set()
    room = _AT_ONCE
    for blob, size in blobs.items():
        if batch and size > room:
            yield batch
            batch, room = set(), _AT_ONCE
        batch.add(blob)
        room -= size
    if batch:
        yield batch
