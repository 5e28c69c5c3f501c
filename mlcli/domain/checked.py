"""The registry as it is checked: every document read anew, once, and of a version only what its links stand on."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from ..errors import MlcliError
from .history import History
from .run import Artifact, RunStatus, Scrub
from .source import GitState


class CheckedRun(Struct, frozen=True, kw_only=True):
    """Of the run in a version's document, what leads to its code and files. Field by field as in a Run."""

    id: str
    status: RunStatus
    git: GitState
    artifacts: list[Artifact] = []
    scrubs: list[Scrub] = []


class CheckedVersion(Struct, frozen=True, kw_only=True):
    """Of a version what its links stand on. Field by field as in a ModelVersion."""

    model: str
    number: int
    path: str
    run: CheckedRun
    registered_at: datetime
    digest: str

    @property
    def ref(self) -> str:
        """As it is typed: iris@3."""
        return f"{self.model}@{self.number}"

    @property
    def files(self) -> list[Artifact]:
        """The files of the registered artifact."""
        below = f"{self.path}/"
        return [file for file in self.run.artifacts if file.path == self.path or file.path.startswith(below)]


class Recorded(Struct, frozen=True, kw_only=True):
    """What is recorded of a model: its versions, oldest first, and its history, as far as they can be read.

    `unread` are the documents that cannot be: what each is about, as iris@2, and why; `damaged` are the digests of the
    events among them, and `lost` the numbers of the versions.
    """

    model: str
    versions: list[CheckedVersion]
    history: History
    unread: list[tuple[str, MlcliError]] = []
    damaged: set[str] = set()
    lost: set[int] = set()

    @property
    def refs(self) -> dict[str, str]:
        """How each version is typed, by its digest."""
        return {version.digest: version.ref for version in self.versions}
