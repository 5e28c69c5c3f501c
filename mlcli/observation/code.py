"""The project's own code that a run executed, as git knows it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from ..domain.digest import blob_id, digest_of
from ..domain.observed import Code, Elsewhere, Module
from ..domain.source import GitState
from ..gitrepo import blobs_at, find_root, read_state
from .events import Loaded, Stamp, Stream

COMMITTED, MODIFIED, UNTRACKED, CHANGED = "committed", "modified", "untracked", "changed"
_MAX_SIZE = 2**26
# Of mlcli itself nothing is told, but where it is what is worked on.
_OWN = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep


def executed(streams: Sequence[Stream], scripts: Sequence[str], *, root: str, git: GitState) -> Code | None:
    """What was loaded of the project, and of repositories outside it; `scripts` are files that the command names.

    None where nothing was: code that is only installed is told of by the packages.
    """
    top = os.path.realpath(root) + os.sep
    loaded: dict[str, tuple[str, Stamp | None]] = dict.fromkeys(scripts, ("", None))
    for stream in streams:
        for event in stream.of(Loaded):
            path = os.path.realpath(event.p)
            if path.startswith(_OWN) and not _OWN.startswith(top):
                continue
            name = "" if event.n == "__main__" else event.n
            if path not in loaded or (not loaded[path][0] and name):
                loaded[path] = name, event.st
    inside = {path: told for path, told in loaded.items() if path.startswith(top)}
    modules = _modules(inside, top, git)
    elsewhere = _elsewhere({path: told for path, told in loaded.items() if path not in inside})
    if not modules and not elsewhere:
        return None
    lines = [f"{each.blob}  {each.path}\n" for each in modules]
    lines += [f"{each.digest}  {os.path.basename(each.path)}/\n" for each in elsewhere]
    digest = digest_of("".join(sorted(lines)).encode("utf-8", "surrogateescape"))
    return Code(digest=digest, modules=modules, elsewhere=elsewhere)


def blob_of(path: str, algorithm: str = "sha1") -> str:
    """The id that git gives a file's content; '' where it cannot be read."""
    try:
        with open(path, "rb") as file:
            content = file.read(_MAX_SIZE)
    except OSError:
        return ""
    return blob_id(content, algorithm)


def algorithm_of(git: GitState) -> str:
    """How the repository digests what it holds, told by the length of its ids."""
    return "sha256" if git.commit and len(git.commit) == 64 else "sha1"


def _modules(loaded: Mapping[str, tuple[str, Stamp | None]], top: str, git: GitState) -> list[Module]:
    paths = {path[len(top) :]: path for path in loaded}
    repository = find_root(top) if git.commit else None
    in_git = {path: os.path.relpath(paths[path], os.path.realpath(repository)) for path in paths} if repository else {}
    known = blobs_at(repository, git.commit, in_git.values()) if repository and git.commit else {}
    different = {*git.changed, *git.hidden}
    algorithm = algorithm_of(git)
    modules = []
    for path in sorted(paths):
        name, stamp = loaded[paths[path]]
        blob, committed = blob_of(paths[path], algorithm), known.get(in_git.get(path, ""))
        if not blob or (stamp is not None and _stamp(paths[path]) != stamp):
            state = CHANGED
        elif committed is None:
            state = UNTRACKED
        elif blob == committed:
            state = COMMITTED
        elif in_git[path] in different or git.left_out:
            state = MODIFIED
        else:  # git says that it is what was committed: a filter, as of line ends, lies between
            blob, state = committed, COMMITTED
        modules.append(Module(path=_text(path), name=name, blob=blob, state=state))
    return modules


def _elsewhere(loaded: Mapping[str, tuple[str, Stamp | None]]) -> list[Elsewhere]:
    grouped: dict[str, list[str]] = {}
    for path in sorted(loaded):
        place = os.path.dirname(path)
        grouped.setdefault(find_root(place) or place, []).append(path)
    return [_repository(place, paths) for place, paths in sorted(grouped.items())]


def _repository(place: str, paths: Sequence[str]) -> Elsewhere:
    state, _ = read_state(place)
    files = [_text(os.path.relpath(path, place)) for path in paths]
    return Elsewhere(
        path=_text(place),
        commit=state.commit,
        dirty=state.dirty,
        modules=len(paths),
        digest=digest_below(place, files),
        files=files,
    )


def digest_below(place: str, files: Iterable[str]) -> str:
    """One digest over files of code below a directory, named by their paths in it."""
    lines = [f"{blob_of(os.path.join(place, path))}  {path}\n" for path in files]
    return digest_of("".join(lines).encode("utf-8", "surrogateescape"))


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def _text(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")
