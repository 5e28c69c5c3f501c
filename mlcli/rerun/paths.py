"""A recorded command's paths, as they are in a worktree: its program, its arguments and what Python imports from."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from shutil import which
from urllib.parse import unquote, urlparse

from ..domain.names import is_python
from .places import Place


def inside(place: Place, path: str) -> str | None:
    """Where a path of the user's tree is in the worktree; None for any other path, and for the store's."""
    if f"{os.path.normpath(path)}{os.sep}".startswith(f"{place.store}{os.sep}"):
        return None
    for top in (place.user_root, place.user_workspace):
        below = os.path.relpath(os.path.normpath(path), top) if os.path.isabs(path) else os.pardir
        if below != os.pardir and not below.startswith(os.pardir + os.sep):
            return os.path.normpath(os.path.join(place.root if top == place.user_root else place.workspace, below))
    return None


def argv_in(place: Place, argv: Sequence[str], *, cwd: str, bin_directory: str | None) -> list[str]:
    """The arguments as they are to be given in the worktree's directory `cwd`.

    A path into the user's tree becomes that of the worktree, so that nothing is read or written in the user's; only a
    program that is not in the worktree, as `.venv/bin/python`, stays the user's.
    """
    program, *rest = argv
    return [_program(place, program, cwd, bin_directory), *(_argument(place, arg) for arg in rest)]


def _program(place: Place, program: str, cwd: str, bin_directory: str | None) -> str:
    name = os.path.basename(program)
    if bin_directory and os.path.isfile(os.path.join(bin_directory, name)):
        return os.path.join(bin_directory, name)
    if bin_directory and is_python(name):
        return os.path.join(bin_directory, "python")
    if os.sep in program and not os.path.isabs(program) and not os.path.exists(os.path.join(cwd, program)):
        users = os.path.join(place.user_workspace, os.path.relpath(cwd, place.workspace), program)
        return os.path.abspath(users) if os.path.exists(users) else program
    there = inside(place, program)
    return there if there and os.path.exists(there) else program


def _argument(place: Place, argument: str) -> str:
    option, equals, path = argument.rpartition("=")
    there = inside(place, path)
    return f"{option}{equals}{there}" if there else argument


def environ_in(
    place: Place, environ: Mapping[str, str], program: str, *, cwd: str, bin_directory: str | None
) -> dict[str, str]:
    """The variables for a command in the worktree.

    Python imports the project from there, also where it is installed from the user's tree.
    """
    added = {"PWD": cwd}
    if bin_directory:
        added["PATH"] = os.pathsep.join([bin_directory, environ.get("PATH", os.defpath)])
        added["VIRTUAL_ENV"] = os.path.dirname(bin_directory)
    own = [inside(place, path) or path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    path = list(dict.fromkeys([*_editable(place, _libraries(program, environ)), *own]))
    if path:
        added["PYTHONPATH"] = os.pathsep.join(path)
    left_out = {"PYTHONHOME"} if bin_directory else set()
    return {**{name: value for name, value in environ.items() if name not in left_out}, **added}


def _libraries(program: str, environ: Mapping[str, str]) -> list[str]:
    """Where the packages lie of each Python that the command could mean."""
    found = [which(name, path=environ.get("PATH")) for name in (program, "python", "python3")]
    prefixes = dict.fromkeys(os.path.dirname(os.path.dirname(os.path.abspath(place))) for place in found if place)
    return [site for prefix in prefixes for site in glob.glob(f"{glob.escape(prefix)}/lib/python*/site-packages")]


def _editable(place: Place, libraries: Iterable[str]) -> list[str]:
    """The worktree's directories for those of the user's tree that these libraries import from."""
    found = []
    for library in libraries:
        named = [*_lines_of_paths(library)]
        within = [there for path in named if (there := inside(place, path))]
        for project in _projects(library):
            there = inside(place, project)
            if there and not any(path == there or path.startswith(there + os.sep) for path in within):
                source = os.path.join(there, "src")
                within.append(source if os.path.isdir(source) else there)
        found += within
    return [path for path in found if os.path.isdir(path)]


def _lines_of_paths(library: str) -> Iterator[str]:
    for file in sorted(glob.glob(f"{glob.escape(library)}/*.pth")):
        yield from (line for line in _text(file).splitlines() if os.path.isabs(line))


def _projects(library: str) -> Iterator[str]:
    for file in sorted(glob.glob(f"{glob.escape(library)}/*.dist-info/direct_url.json")):
        try:
            told = json.loads(_text(file))
            if told["dir_info"]["editable"]:
                yield unquote(urlparse(told["url"]).path)
        except (ValueError, KeyError, TypeError):
            continue


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
