"""Which code differs: the functions of Python files, what git calls the places in others, and what does nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from msgspec import Struct

from ..difference import Change, CodeChange, Executed, executed, have_same_tree
from ..domain.functions import touched
from ..domain.run import Run
from ..errors import MlcliError
from ..gitrepo.changes import ChangedFile, changed_files, changed_paths, changed_places, changed_texts
from ..gitrepo.commits import is_commit_id
from ..workspace import Workspace

_SOURCES = (
    *(".R", ".r", ".jl", ".c", ".cc", ".cpp", ".h", ".hpp", ".cu", ".pyx"),
    *(".rs", ".go", ".java", ".scala", ".js", ".ts"),
)
_TEXTS = (".md", ".rst", "/.gitignore", "/.gitattributes", "/LICENSE", "/NOTICE", "/CHANGELOG", "/CODEOWNERS")
_LOOKS = 50


class Touched(Struct, frozen=True, kw_only=True):
    """A file of the code that differs, how, and the functions and names in it that do.

    `inert` says that no program does other things for it: comments, layout, docstrings, a text for people.
    """

    path: str
    status: str
    names: list[str] = []
    inert: bool = False


class Codes:
    """The code of runs, two at a time; what was compared once is known, and after fifty git is not asked again."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._same: dict[tuple[str, str, frozenset[str]], bool] = {}

    def same(self, one: Run, other: Run) -> bool:
        """Whether two runs are known to have run code that does the same."""
        ran = executed(one, other)
        if ran is not None and ran.same:
            return True
        if not (is_whole(one) and is_whole(other)):
            return False
        before, after = one.git.code or "", other.git.code or ""
        if before == after or have_same_tree(one, other):
            return True
        named = frozenset(input_.path for run in (one, other) for input_ in run.inputs)
        key = min(before, after), max(before, after), named
        if key not in self._same and len(self._same) < _LOOKS:
            try:
                self._same[key] = self._do_the_same(before, after, self._in_git(named))
            except MlcliError:
                self._same[key] = False
        return self._same.get(key, False)

    def _do_the_same(self, before: str, after: str, inputs: set[str]) -> bool:
        """Whether what differs between two commits does nothing; what cannot be known of it is not read."""
        root = self._workspace.repository.root
        paths = [path for path in changed_paths(root, before, after) if path not in inputs and not _is_text(path)]
        if not all(path.endswith(".py") for path in paths):
            return False
        files = changed_files(root, before, after, "**/*.py") if paths else []
        return all(
            each.inert for each in self._touched(CodeChange(from_commit=before, to_commit=after, files=files), inputs)
        )

    def touched(self, change: CodeChange, *runs: Run) -> list[Touched]:
        """The files that differ and are no inputs of the runs: with functions first, the most changed first."""
        return self._touched(change, self._in_git({input_.path for run in runs for input_ in run.inputs}))

    def executed(self, ran: Executed, files: Sequence[Touched]) -> list[Touched]:
        """Those of the files that were executed, with what git does not tell of: code outside, or in no commit."""
        names = {self._named(change.key) if files else change.key: change for change in ran.files}
        found = [file for file in files if file.path in names]
        rest = [change for name, change in names.items() if name not in {file.path for file in found}]
        found += [_ran(change) for change in rest if change.how == "changed"]
        return found or [_ran(change) for change in rest]

    def _touched(self, change: CodeChange, inputs: set[str]) -> list[Touched]:
        root = self._workspace.repository.root
        before, after = change.from_commit, change.to_commit
        left = [file for file in change.files if file.path not in inputs]
        left.sort(key=lambda file: -((file.added or 0) + (file.removed or 0)))
        functions: dict[tuple[str, str], list[str] | None] = {}
        if any(_is_edited(file, (".py",)) for file in left):
            for text in changed_texts(root, before, after, "**/*.py"):
                functions[text.blobs] = touched(text.before, text.after)
        if any(_is_edited(file, _SOURCES) for file in left):
            functions |= changed_places(root, before, after, *(f"**/*{ending}" for ending in _SOURCES))
        made = [_touched(file, functions.get((file.blob_a or "", file.blob_b or ""))) for file in left]
        return sorted(made, key=lambda each: (each.inert, not each.names))

    def _in_git(self, inputs: Iterable[str]) -> set[str]:
        """Inputs as git names them, from the repository's top."""
        return set(map(self._named, inputs))

    def _named(self, path: str) -> str:
        """The name that git has for a file of the workspace."""
        top, below = self._workspace.repository.root, self._workspace.root
        return os.path.relpath(os.path.join(below, path), top).replace(os.sep, "/")


def is_whole(run: Run) -> bool:
    """Whether the commit of a run's code is all of it."""
    return is_commit_id(run.git.code) and run.git.lost is None


def _ran(change: Change) -> Touched:
    told = {"added": "executed anew", "removed": "not executed any more"}
    return Touched(path=change.key, status=told.get(change.how, change.how))


def _is_edited(file: ChangedFile, endings: tuple[str, ...]) -> bool:
    return bool(file.blob_a and file.blob_b and file.path.endswith(endings))


def _is_text(path: str) -> bool:
    return f"/{path}".endswith(_TEXTS)


def _touched(file: ChangedFile, names: list[str] | None) -> Touched:
    nothing = names is not None and not names and file.path.endswith(".py") and file.status == "changed"
    return Touched(
        path=file.path,
        status=file.status,
        names=names or [],
        inert=nothing or _is_text(file.path) or file.status == "mode changed",
    )
