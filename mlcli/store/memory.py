"""The store in memory: proof that the protocol says enough. Documents, points and names are dictionaries.

Content has to be a file for whoever asks for its path, so that it alone lies in a directory, which is given.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..domain.checked import CheckedVersion, Recorded
from ..domain.history import Event, History, Holder, fold
from ..domain.model import ModelVersion
from ..domain.names import quoted
from ..domain.order import NEWEST_FIRST, Sort, ordered
from ..domain.query import Filter
from ..domain.run import Artifact, FoundRuns, Metric, MetricPoint, Run, RunStatus, summarised
from ..domain.source import Process
from ..domain.stage import Stage
from ..domain.trash import Removed, Swept
from ..errors import NotFound
from . import layout, objects, schema, scrub
from .files import Files
from .matching import compiled

if TYPE_CHECKING:
    from .base import Store
    from .digests import Digests


class _Recorder:
    """Points, one after the other."""

    def __init__(self, store: MemoryStore, run_id: str) -> None:
        self.store, self.run_id = store, run_id
        self.heads: dict[str, str] = {}

    def know(self, metric: str) -> str:
        self.heads[metric] = metric
        return metric

    def add(self, metric: str, value: float, step: int, nanoseconds: int | None = None) -> None:
        self.add_many({metric: value}, step, nanoseconds)

    def add_many(self, values: Mapping[str, float], step: int, nanoseconds: int | None = None) -> None:
        since = time.time_ns() if nanoseconds is None else nanoseconds
        at = datetime.fromtimestamp(0, timezone.utc) + timedelta(microseconds=since // 1000)
        self.store.add_points(self.run_id, [MetricPoint(key, value, step, at) for key, value in values.items()])

    def close(self) -> None:
        pass


class MemoryStore:
    """A store that is gone with its process; `root` is an empty directory for content and output."""

    def __init__(self, root: str, *, is_alive: Callable[[Process], bool] = lambda process: True) -> None:
        self.root = root
        self._files = Files(root, sync=False)
        self._is_alive = is_alive
        self._runs: dict[str, schema.Document] = {}
        self._points: dict[str, list[MetricPoint]] = {}
        self._versions: dict[str, dict[int, schema.Document]] = {}
        self._events: dict[str, dict[str, schema.Document]] = {}
        self._holders: dict[tuple[str, Stage], Holder] = {}
        self._aliases: dict[tuple[str, str], Holder] = {}
        self._trash: dict[tuple[str, int], tuple[schema.Document, datetime]] = {}
        self._commands: dict[str, Process] = {}
        self._writing = threading.RLock()

    # Runs

    def add_run(self, run: Run) -> None:
        if run.id in self._runs:
            raise ValueError(f"Document with ID {run.id} already exists")
        self._runs[run.id] = schema.run_fields(run)

    def run(self, run_id: str) -> Run:
        if run_id not in self._runs:
            raise NotFound(f"no run has the id {quoted(run_id)}", "mlcli ls")
        return schema.run_from(self._as_it_stands(run_id), run_id)

    def run_ids(self, prefix: str = "") -> list[str]:
        return sorted(run_id for run_id in self._runs if run_id.startswith(prefix))

    def find_runs(
        self,
        filter_: Filter | None = None,
        *,
        sort: Sort = NEWEST_FIRST,
        limit: int | None = None,
        whole: bool = True,
    ) -> FoundRuns:
        matches = compiled(filter_) if filter_ else lambda document: True
        found = [run_id for run_id in self._runs if matches(self._as_it_stands(run_id))]
        return FoundRuns(ordered(map(self.run, found), sort)[:limit])

    def marked_runs(
        self,
        mark: str,
        values: Collection[str],
        *,
        limit: int | None = None,
        before: datetime | None = None,
        each: int | None = None,
    ) -> list[Run]:
        wanted = {(mark, value) for value in values}
        found = [run for run in map(self.run, self._runs) if run.marks & wanted and _had_begun(run, before)]
        return ordered(found, NEWEST_FIRST)[:limit]

    @contextmanager
    def looking(self) -> Iterator[None]:
        yield

    def digests_from(self, prefix: str) -> list[str]:
        every = [self.run(run_id).marks for run_id in self._runs]
        every += [self.version(model, n).marks for model in self.models() for n in self.version_numbers(model)]
        named = {"output", "input", "version"}
        return sorted({v for marks in every for mark, v in marks if mark in named and v.startswith(prefix)})

    def change_run(self, run_id: str, change: Callable[[Run], Run]) -> Run:
        with self._writing:
            if run_id not in self._runs:
                raise NotFound(f"no run has the id {quoted(run_id)}", "mlcli ls")
            document = self._runs[run_id]
            before = schema.run_from(document, run_id)
            after = change(before)
            self._runs[run_id] = schema.changed(document, before, after)
            return after

    # Removed

    def remove_run(self, run_id: str) -> None:
        if run_id not in self._runs:
            raise NotFound(f"no run has the id {quoted(run_id)}", "mlcli ls")
        self._trash[run_id, 0] = (self._runs.pop(run_id), self._now())

    def remove_version(self, model: str, number: int) -> None:
        if number not in self._versions.get(model, {}):
            raise self._no_version(model, number)
        self._trash[model, number] = (self._versions[model].pop(number), self._now())

    def removed(self) -> list[Removed]:
        found = [
            Removed(schema.version_from(document, number, name) if number else schema.run_from(document, name), at)
            for (name, number), (document, at) in self._trash.items()
        ]
        return sorted(found, key=lambda each: each.at, reverse=True)

    def restore_run(self, run_id: str) -> None:
        self._runs[run_id] = self._brought_back(run_id, 0, f"run {quoted(run_id)}")

    def restore_version(self, model: str, number: int) -> None:
        told = quoted(f"{model}@{number}")
        self._versions.setdefault(model, {})[number] = self._brought_back(model, number, told)

    def _brought_back(self, name: str, number: int, told: str) -> schema.Document:
        if (name, number) not in self._trash:
            raise NotFound(f"{told} is not in the trash", "mlcli restore")
        return self._trash.pop((name, number))[0]

    def sweep(self, keep: timedelta, elsewhere: Iterable[bytes] = (), *, dry_run: bool = False) -> Swept:
        due = [key for key, (_, at) in self._trash.items() if self._now() - at >= keep]
        documents = [*self._runs.values(), *(each for model in self._versions.values() for each in model.values())]
        documents += [document for key, (document, _) in self._trash.items() if key not in due]
        cited = "".join(map(repr, documents)) + "".join(data.decode() for data in elsewhere)
        loose = [name for name in objects.kept(self._files) if name.rpartition("/")[2] not in cited and not keep]
        swept = Swept(
            runs=[name for name, number in due if not number],
            versions=[f"{name}@{number}" for name, number in due if number],
            objects=len(loose),
            bytes=sum(os.path.getsize(self._files.path(name)) for name in loose),
            left=len(self._trash) - len(due),
        )
        if not dry_run:
            for key in due:
                self._trash.pop(key)
                self._points.pop(key[0], None)
            for name in loose:
                self._files.delete(name)
        return swept

    @contextmanager
    def adding_content(self) -> Iterator[None]:
        yield

    def _now(self) -> datetime:
        return datetime.now(timezone.utc)

    def _no_version(self, model: str, number: int) -> NotFound:
        return NotFound(f"{model} has no version {number}", f"mlcli history {model}")

    # What is logged

    def add_points(self, run_id: str, points: Sequence[MetricPoint]) -> None:
        self._points.setdefault(run_id, []).extend(points)

    def points(self, run_id: str, metric: str | None = None) -> list[MetricPoint]:
        there = self._points.get(run_id, []) if (run_id, 0) not in self._trash else []
        return [point for point in there if metric is None or point.metric == metric]

    def recorder(self, run_id: str) -> _Recorder:
        return _Recorder(self, run_id)

    def summary(self, run_id: str) -> dict[str, Metric]:
        return summarised({}, self.points(run_id))

    def settle_points(self, run_id: str) -> tuple[dict[str, Metric], None]:
        return self.summary(run_id), None

    def output_descriptor(self, run_id: str) -> int:
        return self._files.log_descriptor(layout.output(run_id))

    def events_directory(self, run_id: str) -> str:
        self._files.make_directory(layout.watched(run_id), sync=False)
        return self._files.path(layout.watched(run_id))

    def note_command(self, run_id: str, process: Process) -> None:
        self._commands[run_id] = process

    def command_of(self, run_id: str) -> Process | None:
        return self._commands.get(run_id)

    def open_runs(self) -> list[str]:
        return sorted(self._commands)

    def forget_events(self, run_id: str) -> None:
        self._files.delete(layout.watched(run_id))
        self._commands.pop(run_id, None)

    # Artifacts

    def keep(self, run_id: str, source: str, path: str) -> list[Artifact]:
        below = layout.artifacts(run_id)
        sources = objects.gathered(source, path)
        objects.refuse_case_twins(self._files, below, (name for _, name in sources))
        return objects.keep(self._files, below, sources)

    def detach(self, run_id: str, paths: Iterable[str]) -> None:
        for path in paths:
            self._files.forget(f"{layout.artifacts(run_id)}/{path}")

    def take_input(self, source: str, *, keep: bool) -> tuple[int, str]:
        return objects.taken(self._files, source, keep=keep)

    def artifacts_directory(self, run_id: str) -> str:
        return self._files.path(layout.artifacts(run_id))

    def content_path(self, artifact: Artifact) -> str:
        return objects.verify(self._files, artifact)

    def has_content(self, artifact: Artifact) -> bool:
        return self._files.exists(layout.object_path(artifact.digest))

    def digest_of(self, path: str) -> str:
        return objects.content_digest(path)

    def digesting(self) -> Digests:
        from .digests import Digests

        return Digests(self._files)

    @contextmanager
    def settling_content(self) -> Iterator[None]:
        with self._writing:
            yield

    def cited_commits(self, elsewhere: Iterable[bytes] = ()) -> set[str]:
        there = [*self._runs.values(), *(each for model in self._versions.values() for each in model.values())]
        return _commits_in(there).union(*map(schema.commits_in, elsewhere))

    def discarded_commits(self) -> set[str]:
        return _commits_in(document for document, _ in self._trash.values())

    def manifest(self, artifacts: Sequence[Artifact], path: str) -> str:
        return objects.manifest_digest(list(artifacts), path)

    # Taken out

    def clean_output(self, run_id: str, texts: Sequence[bytes], *, dry_run: bool = False) -> int:
        return scrub.clean_output(self._files, run_id, texts, dry_run=dry_run)

    def content_holds(self, digest: str, texts: Sequence[bytes]) -> bool:
        return scrub.content_holds(self._files, digest, texts)

    def drop_content(self, digest: str) -> None:
        scrub.drop_content(self._files, digest)

    def forget_derived(self) -> None:
        pass

    def left_with(self, run_id: str, texts: Sequence[bytes]) -> list[str]:
        lies = {f"{layout.run_directory(run_id)}.json": self._runs.get(run_id)}
        lies |= {
            f"{layout.versions(m)}/{n}.json": each for m, all_ in self._versions.items() for n, each in all_.items()
        }
        lies |= {f"{layout.TRASH}/{name}": document for (name, _), (document, _) in self._trash.items()}
        held = [name for name, each in lies.items() if each and any(text in schema.encode(each) for text in texts)]
        return [*held, *scrub.left_with(self._files, run_id, texts)]

    def replace_version(self, old: ModelVersion, new: ModelVersion, event: Event) -> tuple[ModelVersion, Event]:
        with self._writing:
            document = schema.version_changed(self._versions[old.model][old.number], old, new)
            event = self.add_event(replace(event, version=document["digest"], replaces=old.digest))
            self._versions[old.model][old.number] = document
            return self.version(old.model, old.number), event

    # Registry

    def models(self) -> list[str]:
        return sorted(model for model, versions in self._versions.items() if versions)

    def histories(self) -> list[str]:
        return sorted(self._events)

    def version_numbers(self, model: str) -> list[int]:
        return sorted(self._versions.get(model, {}))

    def version(self, model: str, number: int) -> ModelVersion:
        document = self._versions.get(model, {}).get(number)
        if document is None:
            raise self._no_version(model, number)
        return schema.version_from(document, number, f"{model}@{number}")

    def add_version(self, version: ModelVersion, *, above: int = 0) -> ModelVersion:
        with self._writing:
            trashed = [number for name, number in self._trash if name == version.model]
            number = max([above, *trashed, *self.version_numbers(version.model)]) + 1
            document = schema.sealed("version", schema.version_fields(version))
            self._versions.setdefault(version.model, {})[number] = document
            return self.version(version.model, number)

    def marked_versions(
        self, mark: str, values: Collection[str], models: Iterable[str] | None = None
    ) -> list[ModelVersion]:
        wanted = {(mark, value) for value in values}
        among = self.models() if models is None else models
        every = (self.version(model, number) for model in among for number in self.version_numbers(model))
        return [version for version in every if wanted & version.marks]

    def body_digest(self, event: Event) -> str:
        return schema.event_body(event)

    def standing(self, model: str) -> History:
        return self.history(model)

    def history(self, model: str) -> History:
        return fold(schema.event_from(document, model) for document in self._events.get(model, {}).values())

    def recorded(self, model: str) -> Recorded:
        documents = {number: self._versions[model][number] for number in self.version_numbers(model)}
        read = [
            schema.convert({**document, "number": number}, CheckedVersion, f"{model}@{number}")
            for number, document in documents.items()
        ]
        return Recorded(model=model, versions=read, history=self.history(model))

    def add_event(self, event: Event) -> Event:
        document = schema.sealed("event", schema.event_fields(event))
        self._events.setdefault(event.model, {})[document["digest"]] = document
        return replace(event, digest=document["digest"])

    def holder(self, model: str, stage: Stage) -> Holder | None:
        return self._holders.get((model, stage))

    def set_holder(self, model: str, stage: Stage, holder: Holder) -> None:
        self._holders[model, stage] = holder

    def aliases(self, model: str) -> list[str]:
        return sorted(alias for of, alias in self._aliases if of == model)

    def alias(self, model: str, name: str) -> Holder | None:
        return self._aliases.get((model, name))

    def set_alias(self, model: str, name: str, holder: Holder) -> None:
        self._aliases[model, name] = holder

    @contextmanager
    def turn(self, command: str, waiting: Callable[[str], None]) -> Iterator[None]:
        yield

    @contextmanager
    def changing(self, model: str) -> Iterator[None]:
        with self._writing:
            yield

    def _as_it_stands(self, run_id: str) -> schema.Document:
        document = self._runs[run_id]
        if document["status"] != RunStatus.RUNNING.value:
            return document
        run = schema.run_from(document, run_id)
        run = replace(run, metrics=self.summary(run_id))
        command = self._commands.get(run_id)
        goes_on = command is not None and self._is_alive(command)
        if run.process and not self._is_alive(run.process) and not goes_on:
            run = replace(run, status=RunStatus.KILLED, reason="its process vanished before it could end the run")
        return schema.run_fields(run)


if TYPE_CHECKING:
    _kept: Store = MemoryStore("")


def _had_begun(run: Run, before: datetime | None) -> bool:
    return before is None or run.started_at <= before


def _commits_in(documents: Iterable[schema.Document]) -> set[str]:
    return {commit for document in documents for commit in schema.commits_in(schema.encode(document))}
