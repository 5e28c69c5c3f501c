"""The files that a run is made from: found, digested before the command starts, kept if asked, and seen again."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from msgspec import Struct

from .domain.digest import digest_of
from .domain.names import quoted
from .domain.observed import Output
from .domain.run import Input
from .errors import InvalidValue, MlcliError, NotFound, ReadFailed, Refused
from .workspace import Workspace

MAX_FILES = 10_000
_FEWER = "name fewer: the files that the command reads, or one archive of them"


class Source(Struct, frozen=True):
    """A file that was named as an input: where it lies, and the path that a run's document gives it."""

    file: str
    path: str


class Taken(Struct, frozen=True):
    """An input as it was before the command started; `stamp` tells whether its file was written to since."""

    input: Input
    file: str
    stamp: tuple[int, ...]


def found(workspace: Workspace, paths: Sequence[str], *, cwd: str) -> list[Source]:
    """The files at these paths, a directory's below it in order, each once.

    Raises where one is missing, cannot be read or is no regular file, and where there are more than 10,000.
    """
    sources: dict[str, Source] = {}
    for path in paths:
        none = True
        for file in _files_at(os.path.abspath(os.path.join(cwd, path)), path, workspace.store.root, ()):
            none = False
            name = _recorded(workspace, file)
            sources[name] = Source(file, name)
            if len(sources) > MAX_FILES:
                raise Refused(f"--input {quoted(path)}: more than {MAX_FILES:,} files", _FEWER)
        if none:
            raise NotFound(f"--input {quoted(path)}: no file lies in this directory", "name what the command reads")
    return list(sources.values())


@contextmanager
def taken(workspace: Workspace, sources: Sequence[Source], *, keep: bool = False) -> Iterator[list[Taken]]:
    """The inputs as they are now; with `keep`, their content is kept, and no sweep takes it before the end of this."""
    if not keep:
        yield [_taken(workspace, source, keep=False) for source in sources]
        return
    workspace.make_store()
    with workspace.store.adding_content():
        yield [_taken(workspace, source, keep=True) for source in sources]


def changed(workspace: Workspace, inputs: Sequence[Taken]) -> list[str]:
    """What became of inputs that are not as they were: a line for each, none where all are."""
    return [told for each in inputs if (told := _change(workspace, each))]


def files_digest(directory: str, digest: Callable[[str], str]) -> str:
    """One digest for the files that lie in a directory itself, as for an artifact that is a directory; '' for none."""
    lines = []
    with suppress(OSError, MlcliError), os.scandir(directory) as entries:
        lines = sorted(f"{digest(entry.path)}  {entry.name}\n" for entry in entries if entry.is_file())
    return digest_of("".join(lines).encode("utf-8", "surrogateescape")) if lines else ""


def names_digest(directory: str, path: str, read: Iterable[Input], written: Iterable[Output]) -> str:
    """One digest over the names in a directory that is called `path`, as a command finds them that lists it.

    Of files, those that end like one that was `read` below it, all where none was; without what was `written`.
    """
    below = "" if path == "./" else path
    own = {each.path[len(below) :].partition("/")[0] for each in written if each.path.startswith(below)}
    endings = {os.path.splitext(each.path)[1] for each in read if each.path.startswith(below)}
    names = []
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__pycache__")) or entry.name in own:
                continue
            if entry.is_dir():
                names.append(f"{entry.name}/\n")
            elif not endings or os.path.splitext(entry.name)[1] in endings:
                names.append(f"{entry.name}\n")
    return digest_of("".join(sorted(names)).encode("utf-8", "surrogateescape"))


def _change(workspace: Workspace, before: Taken) -> str | None:
    name = quoted(before.input.path)
    try:
        if _stamp(before.file) == before.stamp:
            return None
        _, digest = workspace.store.take_input(before.file, keep=False)
    except (OSError, MlcliError):
        return f"input {name} was there when the command started, and cannot be read any more"
    if digest == before.input.digest:
        return None
    return f"input {name} changed while the command ran: what is recorded is how it was before"


def _taken(workspace: Workspace, source: Source, *, keep: bool) -> Taken:
    try:
        stamp = _stamp(source.file)
        size, digest = workspace.store.take_input(source.file, keep=keep)
    except OSError as error:
        raise ReadFailed(f"--input {quoted(source.path)}: {error.strerror}") from None
    except InvalidValue as error:  # it became another kind of file, or there is no room for it
        told = error.message.replace(quoted(source.file), quoted(source.path))
        raise Refused(f"--input {told}", error.hint or _FEWER) from None
    return Taken(Input(path=source.path, size=size, digest=digest, kept=keep), source.file, stamp)


def _stamp(file: str) -> tuple[int, ...]:
    told = os.stat(file)
    return told.st_size, told.st_mtime_ns, told.st_ino, told.st_dev


def _files_at(place: str, told: str, store: str, above: tuple[str, ...]) -> Iterator[str]:
    """The file at `place`, or all below it; the store's own directory and a repository's are passed over."""
    if not os.path.isdir(place):
        yield _checked(place, told)
        return
    here = os.path.realpath(place)
    if here in above:
        raise Refused(f"--input {quoted(told)} is a link to a directory that holds it", "name what the command reads")
    try:
        names = sorted(os.listdir(place))
    except OSError as error:
        raise ReadFailed(f"--input {quoted(told)}: {error.strerror}") from None
    for name in names:
        inner = os.path.join(place, name)
        if name != ".git" and inner != store:
            yield from _files_at(inner, os.path.join(told, name), store, (*above, here))


def _checked(file: str, told: str) -> str:
    try:
        kind = os.stat(file).st_mode
    except (FileNotFoundError, NotADirectoryError):
        hint = "a path is taken from the directory you are in"
        raise NotFound(f"--input {quoted(told)}: no such file or directory", hint) from None
    except OSError as error:
        raise ReadFailed(f"--input {quoted(told)}: {error.strerror}") from None
    if not stat.S_ISREG(kind):
        raise Refused(f"--input {quoted(told)} is not a regular file", "name what the command reads by its own file")
    if not os.access(file, os.R_OK):
        raise ReadFailed(f"--input {quoted(told)}: it may not be read by this user", f"ls -l {told}")
    return file


def _recorded(workspace: Workspace, file: str) -> str:
    """The path that a document gives a file: relative to the workspace with '/', absolute where it lies outside."""
    for path, top in ((file, workspace.root), (_resolved(file), os.path.realpath(workspace.root))):
        relative = os.path.relpath(path, top)
        if relative != os.pardir and not relative.startswith(os.pardir + os.sep):
            break
    else:
        relative = file
    try:
        relative.encode()
    except UnicodeEncodeError:
        raise Refused(f"--input {quoted(relative)}: its name is not valid UTF-8", "rename it") from None
    return relative.replace(os.sep, "/")


def _resolved(file: str) -> str:
    return os.path.join(os.path.realpath(os.path.dirname(file)), os.path.basename(file))
