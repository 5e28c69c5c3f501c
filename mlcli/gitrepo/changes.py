"""What lies between two commits: files, patch, and both texts of a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from msgspec import Struct

from ..domain.source import FETCH_CODE
from ..errors import GitError, Missing
from .command import answer, git_dir_of, is_root, readable
from .commits import is_here, is_shallow

_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@ ?(.*)")
_SUBMODULE = "160000"
_WHOLE = "-U1000000000"
_WORDS = {"A": "added", "C": "added", "D": "removed", "M": "changed", "R": "renamed", "T": "type changed"}
# What mlcli keeps and byte code are no source, as in `state`.
_SOURCE = (":(top,exclude,glob)**/.mlruns/**", ":(top,exclude,glob)**/__pycache__/**")
_SETTINGS = (
    *("-c", "core.quotePath=false", "-c", "core.compression=-1", "-c", "diff.suppressBlankEmpty=false"),
    *("-c", "core.attributesFile=/dev/null"),
)
# diff-tree reads less of the user's configuration than diff does, and what it reads is said here.
_PINNED = (
    *("diff-tree", "-r", "--no-commit-id", "--find-renames=50%", "-l1000", "--no-color"),
    *("--no-ext-diff", "--no-textconv", "--ignore-submodules=none", "--submodule=short", "--diff-algorithm=myers"),
    *("--indent-heuristic", "--inter-hunk-context=0"),
)


class ChangedFile(Struct, frozen=True, kw_only=True):
    """A file that differs: `was` is the path that it was renamed from, lines are None where it is binary.

    A mode is git's (100755, 120000 for a link, 160000 for a submodule), None on the side that has no such file; a blob
    is the id of the content.
    """

    path: str
    was: str | None = None
    status: str
    added: int | None = None
    removed: int | None = None
    binary: bool = False
    mode_a: str | None = None
    mode_b: str | None = None
    blob_a: str | None = None
    blob_b: str | None = None


class Texts(Struct, frozen=True, kw_only=True):
    """A text that differs: the ids of its contents before and after, and the contents."""

    blobs: tuple[str, str]
    before: bytes
    after: bytes


def require_commits(root: str, commits: Iterable[str], *, snapshots: bool = False) -> None:
    """Missing, naming the first of these commits that is not here, and what would fetch it."""
    for commit in commits:
        if not is_here(root, commit):
            raise Missing(
                f"commit {readable(commit.encode(errors='replace'))[:12]} is not in this repository",
                "git fetch --unshallow" if not snapshots and is_shallow(git_dir_of(root)) else FETCH_CODE,
            )


def changed_paths(root: str, before: str, after: str) -> list[str]:
    """The paths that differ between two commits, also in submodules: no content is read."""
    return [
        readable(below + path)
        for where, first, second, below in _trees(root, before, after)
        for path, _ in _entries(where, first, second)
    ]


def _entries(root: str, before: str, after: str) -> Iterator[tuple[bytes, list[str]]]:
    """Each path that differs, with git's modes, ids and letter."""
    tokens = _asked(root, before, after, ("-z", "--raw", "--no-abbrev", "--no-renames")).split(b"\0")
    for about, path in zip(tokens[::2], tokens[1::2], strict=False):
        yield path, about[1:].decode("ascii").split()


def changed_files(root: str, before: str, after: str, *globs: str) -> list[ChangedFile]:
    """The files that differ between two commits, by path, and then those in submodules; renames are found."""
    return [file for tree in _trees(root, before, after) for file in _files(*tree, globs or ("**",))]


def _files(root: str, before: str, after: str, below: bytes, globs: Iterable[str]) -> list[ChangedFile]:
    tokens = iter(_asked(root, before, after, ("-z", "--raw", "--no-abbrev", "--numstat"), globs).split(b"\0"))
    found: dict[bytes, tuple[list[str], bytes | None]] = {}
    counts: dict[bytes, list[bytes]] = {}
    for token in tokens:
        if token.startswith(b":"):
            about = token[1:].decode("ascii").split()
            first = next(tokens)
            second = next(tokens) if about[4][0] in "RC" else None
            found[second or first] = about, first if second else None
        elif token:
            *numbers, path = token.split(b"\t", 2)
            if not path:
                path = (next(tokens), next(tokens))[1]
            counts[path] = numbers
    return [
        _file(below + path, about, below + was if was else None, counts.get(path, [b"0", b"0"]))
        for path, (about, was) in sorted(found.items())
    ]


def _file(path: bytes, about: list[str], was: bytes | None, numbers: list[bytes]) -> ChangedFile:
    binary = numbers[0] == b"-"
    letter = about[4][0]
    return ChangedFile(
        path=readable(path),
        was=readable(was) if was is not None and letter == "R" else None,
        status="mode changed" if letter == "M" and about[2] == about[3] else _WORDS.get(letter, "changed"),
        added=None if binary else int(numbers[0]),
        removed=None if binary else int(numbers[1]),
        binary=binary,
        mode_a=_there(about[0]),
        mode_b=_there(about[1]),
        blob_a=_there(about[2]),
        blob_b=_there(about[3]),
    )


def _there(id_: str) -> str | None:
    return id_ if id_.strip("0") else None


def patch(root: str, before: str, after: str, *, binary: bool) -> bytes:
    """The patch that leads from one commit to another, submodules included; with `binary` git can apply it."""
    how = ("-p", "-U3", *(("--binary", "--full-index") if binary else ("--abbrev=7",)))
    return b"".join(
        _asked(
            where, first, second, (*how, f"--src-prefix=a/{os.fsdecode(below)}", f"--dst-prefix=b/{os.fsdecode(below)}")
        )
        for where, first, second, below in _trees(root, before, after)
    )


def changed_texts(root: str, before: str, after: str, *globs: str) -> Iterator[Texts]:
    """Both sides of each text that differs below these globs; one process answers for all of a repository."""
    blobs = None
    for where, first, second, _ in _trees(root, before, after):
        lines = iter(_asked(where, first, second, ("-p", "--full-index", "--text", _WHOLE), globs).split(b"\n"))
        for line in lines:
            if line.startswith(b"index "):
                blobs = _blobs(line)
            elif (hunk := _HUNK.match(line)) and blobs:
                sides = _sides(lines, int(hunk[1] or b"1"), int(hunk[2] or b"1"))
                yield Texts(blobs=blobs, before=b"\n".join(sides[0]), after=b"\n".join(sides[1]))


def _sides(lines: Iterator[bytes], *left: int) -> tuple[list[bytes], list[bytes]]:
    """The next lines of a patch, so many of each side."""
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    while len(sides[0]) < left[0] or len(sides[1]) < left[1]:
        line = next(lines)
        for side, absent in zip(sides, (b"+", b"-"), strict=True):
            if line[:1] not in {absent, b"\\"}:
                side.append(line[1:])
    return sides


def changed_places(root: str, before: str, after: str, *globs: str) -> dict[tuple[str, str], list[str]]:
    """What git calls the functions in which each text below these globs differs, by the ids of its contents."""
    found: dict[tuple[str, str], list[str]] = {}
    blobs = None
    for where, first, second, _ in _trees(root, before, after):
        # Without context every line of content begins with a sign, and what looks like a heading is one.
        for line in _asked(where, first, second, ("-p", "--full-index", "--text", "-U0"), globs).split(b"\n"):
            if line.startswith(b"index "):
                blobs = _blobs(line)
            elif blobs and (hunk := _HUNK.match(line)) and hunk[3]:
                places = found.setdefault(blobs, [])
                places += [place] if (place := readable(hunk[3].strip())) not in places else []
    return found


def _trees(root: str, before: str, after: str, below: bytes = b"") -> Iterator[tuple[str, str, str, bytes]]:
    """This repository and its two commits, then those of each submodule that differs, is checked out and has both."""
    yield root, before, after, below
    if not os.path.isfile(os.path.join(root, ".gitmodules")):
        return
    for path, about in _entries(root, before, after):
        place = os.path.join(os.path.realpath(root), os.fsdecode(path))
        if about[:2] != [_SUBMODULE] * 2 or os.path.realpath(place) != place or not is_root(place):
            continue
        with suppress(GitError, Missing):
            require_commits(place, about[2:4])
            yield from _trees(place, about[2], about[3], below + path + b"/")


def _blobs(line: bytes) -> tuple[str, str]:
    first, _, second = line[6:].partition(b" ")[0].decode("ascii").partition("..")
    return first, second


def _asked(root: str, before: str, after: str, options: Iterable[str], globs: Iterable[str] = ("**",)) -> bytes:
    where = [f":(top,glob){glob}" for glob in globs]
    try:
        return answer(root, (*_PINNED, *options, "--end-of-options", before, after, "--", *where, *_SOURCE), _SETTINGS)
    except GitError:
        require_commits(root, (before, after))
        raise
