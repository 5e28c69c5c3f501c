"""What is there now of what a run was made from: each file, repository and environment looked at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ..capture import environment
from ..domain.digest import blob_id
from ..domain.numbers import parsed_size
from ..domain.run import Artifact
from ..domain.source import Environment
from ..inputs import files_digest, found
from ..workspace import Workspace

if TYPE_CHECKING:
    from ..domain.run import Digests
    from . import Asked


class Present:
    """What a command would find now. Paths are those of documents: relative to the workspace, or absolute."""

    def __init__(self, workspace: Workspace, asked: Asked, digests: Digests) -> None:
        self.workspace = workspace
        self.asked = asked
        self._digests = digests
        self._known: dict[str, str] = {}
        self._blobs: dict[tuple[str, str], set[str]] = {}

    def is_there(self, path: str) -> bool:
        """Whether there is a file, or for a path that ends with '/' a directory."""
        place = self.workspace.place(path)
        return os.path.isdir(place) if path.endswith("/") else os.path.isfile(place)

    def digest(self, path: str) -> str:
        """The digest of a file, or of the files in a directory; '' where there is none."""
        if path not in self._known:
            place = self.workspace.place(path)
            of = self._digests.of
            self._known[path] = files_digest(place.rstrip("/"), of) if path.endswith("/") else of(place)
        return self._known[path]

    def is_blob(self, path: str, blob: str) -> bool:
        """Whether a file has the content that git gives this id, if need be with the line ends that git keeps."""
        algorithm = "sha256" if len(blob) == 64 else "sha1"
        if (path, algorithm) not in self._blobs:
            self._blobs[path, algorithm] = _blobs(self.workspace.place(path), algorithm)
        return blob in self._blobs[path, algorithm]

    def digest_of_code(self, place: str, files: Sequence[str]) -> str:
        """One digest over files of code of another repository."""
        from ..observation.code import digest_below

        return digest_below(place, files)

    def has_content(self, path: str, digest: str) -> bool:
        """Whether the store holds content of this digest."""
        return self.workspace.store.has_content(Artifact(path=path, size=0, digest=digest))

    def may_keep(self, path: str) -> bool:
        """Whether a file is small enough to be kept before it is replaced."""
        limit = parsed_size(self.workspace.settings.output_file_limit) or 0
        return os.path.getsize(self.workspace.place(path)) <= limit

    @cached_property
    def declared_outputs(self) -> list[str]:
        """The outputs that were declared."""
        return [self.workspace.relative(os.path.join(self.asked.cwd, path)) for path in self.asked.outputs]

    @cached_property
    def declared(self) -> dict[str, str]:
        """The digests of the declared inputs; raises as a run would where one is missing."""
        sources = found(self.workspace, self.asked.inputs, cwd=self.asked.cwd)
        return {source.path: self._digests.of(source.file) for source in sources}

    def environment(self, before: Environment) -> Environment:
        """The environment that the command finds, for one that it had before."""
        directories = [self.asked.cwd, self.workspace.root]
        return environment.again(self._own, before, self.asked.argv, self.workspace.environ, directories)

    @cached_property
    def _own(self) -> Environment:
        return environment.noted(self.asked.argv, self.workspace.environ, self.asked.variables)


def _blobs(path: str, algorithm: str) -> set[str]:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return set()
    spelled = {content, content.replace(b"\r\n", b"\n")}
    return {blob_id(each, algorithm) for each in spelled}
