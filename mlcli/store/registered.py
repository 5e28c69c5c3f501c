"""The registry's documents on disk: versions and events, which never change, and the names of stages and aliases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..domain.history import Event, History, Holder, fold
from ..domain.model import ModelVersion
from ..domain.names import quoted
from ..domain.stage import Stage
from ..errors import Corrupt, MlcliError, NotFound
from . import layout, remembered, schema

if TYPE_CHECKING:
    from ..domain.checked import Recorded
    from .base import DocumentFiles
    from .directory import DocumentDir
    from .files import Files
    from .index import Index

KINDS = {"versions": "version", "events": "event", "stages": "stage", "aliases": "alias"}
TABLES = (layout.versions, layout.events, layout.stages, layout.aliases)


class HeldOpen:
    """What is held open from one look to the next: the index of runs, and the marks of each model's versions."""

    def __init__(self) -> None:
        self.index: Index | None = None
        self.marks: dict[str, dict[int, set[tuple[str, str]]]] = {}

    def close(self) -> None:
        """Let go of the index."""
        if self.index is not None:
            self.index.close()
            self.index = None


class RegisteredDocuments:
    """The part of a store that knows models. `_registry` may be git's index, and is then only read."""

    files: Files
    held: HeldOpen | None
    _registry: DocumentFiles
    _directory: Callable[[str], DocumentDir]

    def models(self) -> list[str]:
        names = self._registry.names(layout.MODELS)
        return sorted(name for name in names if not name.startswith(".") and self.version_numbers(name))

    def histories(self) -> list[str]:
        names = self._registry.names(layout.MODELS)
        kinds = (layout.events, layout.stages, layout.aliases)
        return sorted(name for name in names if any(self._registry.names(kind(name)) for kind in kinds))

    def version_numbers(self, model: str) -> list[int]:
        return sorted(self._numbers_in(layout.versions(model)))

    def version(self, model: str, number: int) -> ModelVersion:
        where = f".mlruns/{layout.versions(model)}/{number}.json"
        try:
            document = self._directory(layout.versions(model))[str(number)]
        except KeyError:
            raise self._no_version(model, number) from None
        version = schema.version_from(document, number, where)
        if version.model != model:
            raise Corrupt(f"{where} is a version of {quoted(version.model)}", "mlcli doctor")
        return version

    def add_version(self, version: ModelVersion, *, above: int = 0) -> ModelVersion:
        table = self._directory(layout.versions(version.model))
        used = [*self.version_numbers(version.model), *self._numbers_in(layout.trashed(table.directory))]
        number = max([above, *used]) + 1
        while not table.create(str(number), schema.version_fields(version)):
            number += 1
        return self.version(version.model, number)

    def marked_versions(
        self, mark: str, values: Collection[str], models: Iterable[str] | None = None
    ) -> list[ModelVersion]:
        wanted = {(mark, value) for value in values}
        found = []
        for model in (self.models() if models is None else models) if wanted else ():
            for number, marks in self._marks_of_versions(model).items():
                if wanted & marks:
                    with suppress(MlcliError):
                        found.append(self.version(model, number))
        return found

    def _digests_of_versions(self, prefix: str) -> set[str]:
        named = ("output", "input", "version")
        every = (marks for model in self.models() for marks in self._marks_of_versions(model).values())
        return {value for marks in every for mark, value in marks if mark in named and value.startswith(prefix)}

    def _marks_of_versions(self, model: str) -> dict[int, set[tuple[str, str]]]:
        if self.held is None:
            return self._read_marks(model)
        if model not in self.held.marks:
            self.held.marks[model] = self._read_marks(model)
        return self.held.marks[model]

    def _read_marks(self, model: str) -> dict[int, set[tuple[str, str]]]:
        table = layout.versions(model)

        def read(key: str) -> set[tuple[str, str]]:
            try:
                return self.version(model, int(key)).marks if key.isdecimal() else set()
            except MlcliError:
                return set()

        if self._registry is not self.files:
            return {number: read(str(number)) for number in self.version_numbers(model)}
        known = remembered.marks(self.files, table, read)
        return {int(key): marks for key, marks in known.items() if key.isdecimal()}

    def history(self, model: str) -> History:
        return fold(self._event(model, key) for key in self._directory(layout.events(model)))

    def standing(self, model: str) -> History:
        if self._registry is not self.files:
            return self.history(model)
        return remembered.history(self.files, layout.events(model), partial(self._event, model))

    def _event(self, model: str, key: str) -> Event:
        table = self._directory(layout.events(model))
        where = f".mlruns/{table.name(key)}"
        event = schema.event_from(table[key], where)
        if event.digest != f"sha256:{key}":
            raise Corrupt(f"{where} does not carry the digest of its name", "mlcli doctor")
        if event.model != model:
            raise Corrupt(f"{where} is an event of {quoted(event.model)}", "mlcli doctor")
        return event

    def recorded(self, model: str) -> Recorded:
        from .anew import recorded

        return recorded(self._directory, model, self._event)

    def body_digest(self, event: Event) -> str:
        return schema.event_body(event)

    def add_event(self, event: Event) -> Event:
        document = schema.sealed("event", schema.event_fields(event))
        self._directory(layout.events(event.model)).create(document["digest"].partition(":")[2], document)
        return replace(event, digest=document["digest"])

    def holder(self, model: str, stage: Stage) -> Holder | None:
        table = self._directory(layout.stages(model))
        document = table.get(stage.value)
        return schema.holder_from(document, f".mlruns/{table.name(stage.value)}") if document else None

    def set_holder(self, model: str, stage: Stage, holder: Holder) -> None:
        self._directory(layout.stages(model))[stage.value] = schema.holder_fields(holder)

    def aliases(self, model: str) -> list[str]:
        return list(self._directory(layout.aliases(model)))

    def alias(self, model: str, name: str) -> Holder | None:
        table = self._directory(layout.aliases(model))
        document = table.get(name)
        return schema.holder_from(document, f".mlruns/{table.name(name)}") if document else None

    def set_alias(self, model: str, name: str, holder: Holder) -> None:
        self._directory(layout.aliases(model))[name] = schema.holder_fields(holder)

    def replace_version(self, old: ModelVersion, new: ModelVersion, event: Event) -> tuple[ModelVersion, Event]:
        table = self._directory(layout.versions(old.model))
        document = schema.version_changed(table.as_written(str(old.number)), old, new)
        event = self.add_event(replace(event, version=document["digest"], replaces=old.digest))
        table[str(old.number)] = document
        return self.version(old.model, old.number), event

    def _no_version(self, model: str, number: int) -> NotFound:
        return NotFound(f"{model} has no version {number}", f"mlcli history {model}")

    def _numbers_in(self, directory: str) -> list[int]:
        names = self._registry.names(directory)
        return [int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdecimal()]
