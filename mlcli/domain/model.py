"""Models: a loadable artifact with its flavor and signature, and the numbered versions of a registered name."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from .run import Artifact, Model, Run
from .source import Person
from .stage import Stage


class ModelVersion(Struct, frozen=True, kw_only=True):
    """An immutable, numbered registration. It carries its whole run document, so lineage works in any clone.

    `number` is a name, given by the file the version lies in; it is not part of the digest, so that a version can be
    renumbered after a merge without ceasing to be itself.
    """

    model: str
    number: int
    path: str
    run: Run
    registered_at: datetime
    registered_by: Person
    commit: str | None = None
    why: str = ""
    digest: str = ""

    @property
    def ref(self) -> str:
        """As it is typed: iris@3."""
        return f"{self.model}@{self.number}"

    @property
    def name(self) -> str:
        """The registered name, as MLflow calls it."""
        return self.model

    @property
    def version(self) -> int:
        """The number, as MLflow calls it."""
        return self.number

    @property
    def artifact(self) -> Model | None:
        """What is known of the model in the run, None where a plain file was registered."""
        return next((model for model in self.run.models if model.path == self.path), None)

    @property
    def marks(self) -> set[tuple[str, str]]:
        """What a version can be found by without its name: those of its run, ("run", id), ("version", digest)."""
        return self.run.marks | {("run", self.run.id), ("version", self.digest)}

    @property
    def files(self) -> list[Artifact]:
        """The files of the registered artifact."""
        return self.run.files_of(self.path)


class VersionState(Struct, frozen=True, kw_only=True):
    """A version and where it stands."""

    version: ModelVersion
    stage: Stage
