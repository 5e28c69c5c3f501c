"""Which code differs: the functions of Python files, what git calls the places in others, and what does nothing."""

from __future__ import annotations

import os

from msgspec import Struct

from ..difference import CodeChange, have_same_tree
from ..domain.functions import touched
from ..domain.run import Run
from ..errors import MlcliError
from ..gitrepo.changes import ChangedFile, changed_files, changed_places, changed_texts, is_commit_id
from ..workspace import Workspace

_SOURCES = (
    ".R",
    ".r",
    ".jl",
    ".c",
    ".cc",
    ".cpp",
    ".h",
    ".hpp",
    ".cu",
    ".rs",
    ".go",
    ".java",
    ".scala",
    ".js",
    ".ts",
    ".pyx",
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
        self._same: dict[tuple[str, str], bool] = {}

    def same(self, one: Run, other: Run) -> bool:
        """Whether two runs are known to have run code that does the same."""
        if not (is_whole(one) and is_whole(other)):
            return False
        before, after = one.git.code or "", other.git.code or ""
        if before == after or have_same_tree(one, other):
            return True
        key = min(before, after), max(before, after)
        if key not in self._same and len(self._same) < _LOOKS:
            try:
                files = changed_files(self._workspace.repository.root, before, after)
                change = CodeChange(from_commit=before, to_commit=after, files=files)
                self._same[key] = all(each.inert for each in self.touched(change, one, other))
            except MlcliError:
                self._same[key] = False
        return self._same.get(key, False)

    def touched(self, change: CodeChange, *runs: Run) -> list[Touched]:
        """The files that differ and are no inputs of the runs: with functions first, the most changed first."""
        root = self._workspace.repository.root
        inputs = {path for run in runs for path in _inputs_of(run, self._workspace.root, root)}
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


def is_whole(run: Run) -> bool:
    """Whether the commit of a run's code is all of it."""
    return is_commit_id(run.git.code) and (not run.git.dirty or run.git.snapshot is not None)


def _is_edited(file: ChangedFile, endings: tuple[str, ...]) -> bool:
    return bool(file.blob_a and file.blob_b and file.path.endswith(endings))


def _touched(file: ChangedFile, names: list[str] | None) -> Touched:
    nothing = names is not None and not names and file.path.endswith(".py") and file.status == "changed"
    return Touched(
        path=file.path,
        status=file.status,
        names=names or [],
        inert=nothing or f"/{file.path}".endswith(_TEXTS) or file.status == "mode changed",
    )


def _inputs_of(run: Run, below: str, root: str) -> set[str]:
    """The inputs of a run as git names them, from the repository's top."""
    return {os.path.relpath(os.path.join(below, input_.path), root).replace(os.sep, "/") for input_ in run.inputs}
