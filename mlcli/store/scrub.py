"""Taking a value out of the files of a store: what a command printed, content, what was derived, what is left of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from . import layout
from .files import Files

_MASK = b"***"
_BLOCK = 2**20


def clean_output(files: Files, run_id: str, texts: Sequence[bytes], *, dry_run: bool) -> int:
    """Replace these texts in what a run printed, in a new file that takes the old one's place; how many there were."""
    name = layout.output(run_id)
    found: list[int] = []
    parts = _replaced(files.blocks(name, _BLOCK), texts, found)
    if dry_run or not holds(files, name, texts):
        for _ in parts:
            pass
        return sum(found)
    temporary, _, _ = files.gather(parts)
    files.install(temporary, name)
    return sum(found)


def _replaced(blocks: Iterable[bytes], texts: Sequence[bytes], found: list[int]) -> Iterator[bytes]:
    """The blocks without these texts, also where one begins in one block and ends in the next."""
    pattern = re.compile(b"|".join(map(re.escape, texts)))
    beyond = max(map(len, texts)) - 1
    left = b""
    for block in blocks:
        cleaned, count = pattern.subn(_MASK, left + block)
        found.append(count)
        cut = max(0, len(cleaned) - beyond)
        yield cleaned[:cut]
        left = cleaned[cut:]
    yield left


def holds(files: Files, name: str, texts: Sequence[bytes]) -> bool:
    """Whether a file holds one of these texts."""
    beyond, left = max(map(len, texts)) - 1, b""
    for block in files.blocks(name, _BLOCK):
        data = left + block
        if any(text in data for text in texts):
            return True
        left = data[-beyond:]
    return False


def content_holds(files: Files, digest: str, texts: Sequence[bytes]) -> bool:
    """Whether content that is here, or in the trash, holds one of these texts."""
    name = layout.object_path(digest)
    return any(files.exists(place) and holds(files, place, texts) for place in (name, layout.trashed(name)))


def drop_content(files: Files, digest: str) -> None:
    """Take content for good, also from the trash; what reaches it by a name of its own is for the caller."""
    name = layout.object_path(digest)
    for place in (name, layout.trashed(name)):
        files.delete(place)


def forget_derived(files: Files) -> None:
    """Drop what is derived from documents: a database keeps the bytes of rows that it no longer has."""
    for name in (layout.INDEX, f"{layout.INDEX}-wal", f"{layout.INDEX}-shm", f"{layout.INDEX}-journal", layout.DIGESTS):
        with suppress(FileNotFoundError):
            files.delete(name)
    with suppress(FileNotFoundError):
        files.delete(layout.REMEMBERED)


def left_with(files: Files, run_id: str, texts: Sequence[bytes]) -> list[str]:
    """The files that still hold one of these texts: a run's own, the registry's and those in the trash."""
    tops = (layout.run_directory(run_id), layout.MODELS, layout.TRASH)
    names = [f"{layout.run_directory(run_id)}.json", *(name for top in tops for name in _below(files, top))]
    return [name for name in names if files.exists(name) and holds(files, name, texts)]


def _below(files: Files, top: str) -> Iterator[str]:
    import os

    for directory, _, names in os.walk(files.path(top)):
        below = os.path.relpath(directory, files.root).replace(os.sep, "/")
        yield from (f"{below}/{name}" for name in sorted(names))
