"""The store on disk: documents through TinyDB, metrics as lines, content by digest, all by one hand."""

from __future__ import annotations

import os
from _thread import get_ident
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

import msgspec

from ..domain.names import quoted
from ..domain.order import NEWEST_FIRST, Sort, ordered
from ..domain.query import Filter
from ..domain.run import Artifact, FoundRuns, Metric, MetricPoint, PointsFile, Run, RunStatus, summarised
from ..domain.source import Process
from ..errors import BadStore, MlcliError, NotFound
from . import layout, objects, schema, scrub
from . import points as history
from .directory import DocumentDir, Sealed
from .files import Files, Reading
from .registered import KINDS, TABLES, HeldOpen, RegisteredDocuments

if TYPE_CHECKING:
    from ..domain.trash import Removed, Swept
    from .base import DocumentFiles
    from .digests import Digests
    from .documents import NamedTable
    from .trash import Trash


def _nobody_vanishes(process: Process) -> bool:
    return True


class DiskStore(RegisteredDocuments):
    """The store in a directory. `registry` may be given to read models from elsewhere, as git's index."""

    def __init__(
        self,
        root: str,
        *,
        sync: bool = True,
        is_alive: Callable[[Process], bool] = _nobody_vanishes,
        registry: DocumentFiles | None = None,
    ) -> None:
        self.root = root
        self.files = Files(root, sync=sync)
        self._is_alive = is_alive
        self._adding: set[int] = set()
        self.held: HeldOpen | None = None
        self._registry: DocumentFiles = registry or self.files
        self._directories: dict[str, DocumentDir] = {}
        self._runs: NamedTable | None = None

    # Opening

    def is_made(self) -> bool:
        """Whether there is a store here; BadStore or NewerFormat where something else stands in its place."""
        if not os.path.lexists(self.root):
            return False
        if os.path.islink(self.root):
            raise BadStore(f"{self.root} is a symbolic link, and mlcli follows no link into a store")
        if not os.path.isdir(self.root):
            raise BadStore(f"{self.root} is a file, not a store", "move it away, then run the command again")
        try:
            data = self.files.read(layout.STORE)
        except FileNotFoundError:
            # A git stash or an older branch may take the store's own files away and leave the runs.
            return bool(self.files.names(layout.RUNS) or self.files.names(layout.MODELS))
        schema.decode(data, "store", ".mlruns/store.json")
        return True

    def make(self) -> None:
        """Make what is missing of the store's own files; two that do so at once make one."""
        self.files.make_directory("")
        if not self.files.exists(layout.GITIGNORE):
            self.files.create(layout.GITIGNORE, layout.GITIGNORE_TEXT.encode())
        if not self.files.exists(layout.STORE):
            self.files.create(layout.STORE, schema.encode(schema.sealed("store", {})))

    # Runs

    def add_run(self, run: Run) -> None:
        self.runs.keep(run.id, schema.run_fields(run))

    def run(self, run_id: str) -> Run:
        document = self.runs.named(run_id)
        if document is None:
            raise self._no_run(run_id)
        return schema.run_from(document, self.where_run(run_id))

    def run_ids(self, prefix: str = "") -> list[str]:
        return self._directory(layout.RUNS).keys_from(prefix)

    def find_runs(
        self,
        filter_: Filter | None = None,
        *,
        sort: Sort = NEWEST_FIRST,
        limit: int | None = None,
        whole: bool = True,
    ) -> FoundRuns:
        from .search import found_by_index

        found = found_by_index(self, filter_, sort, limit, whole=whole)
        if found is not None:
            return found
        documents, problems = self.runs.matching(filter_)
        runs = []
        for run_id, document in documents.items():
            try:
                runs.append(schema.run_from(document, self.where_run(run_id)))
            except MlcliError as problem:
                problems.append(problem)
        return FoundRuns(ordered(runs, sort)[:limit], problems)

    def marked_runs(
        self,
        mark: str,
        values: Collection[str],
        *,
        limit: int | None = None,
        before: datetime | None = None,
        each: int | None = None,
    ) -> list[Run]:
        from .search import marked_by_index

        wanted = {(mark, value) for value in values}
        ids = marked_by_index(self, mark, values, before, each) if wanted else []
        runs: list[Run] = []
        for run_id in self.run_ids() if ids is None else dict.fromkeys(ids):
            if ids is not None and len(runs) == limit:
                break
            with suppress(MlcliError):
                run = self.run(run_id)
                if run.marks & wanted and (before is None or run.started_at <= before):
                    runs.append(run)
        return ordered(runs, NEWEST_FIRST)[:limit]

    @contextmanager
    def looking(self) -> Iterator[None]:
        if self.held is not None:
            yield
            return
        self.held = HeldOpen()
        try:
            yield
        finally:
            self.held.close()
            self.held = None

    def digests_from(self, prefix: str) -> list[str]:
        from .search import CONTENT, digests_by_index

        told = digests_by_index(self, prefix)
        if told is None:
            runs = self.find_runs().runs
            told = {value for run in runs for mark, value in run.marks if mark in CONTENT and value.startswith(prefix)}
        return sorted(told | self._digests_of_versions(prefix))

    def change_run(self, run_id: str, change: Callable[[Run], Run]) -> Run:
        after: list[Run] = []

        def changed(document: schema.Document) -> schema.Document:
            before = schema.run_from(document, self.where_run(run_id))
            after.append(change(before))
            return schema.changed(document, before, after[0])

        with self.files.lock(f"run-{run_id}"):
            if not self.runs.revise(run_id, changed):
                raise self._no_run(run_id)
        return after[0]

    # Removed

    def remove_run(self, run_id: str) -> None:
        with self.files.lock(f"run-{run_id}"):
            if not self.runs.discard(run_id):
                raise self._no_run(run_id)
            directory = layout.run_directory(run_id)
            self.files.move(directory, layout.trashed(directory))

    def remove_version(self, model: str, number: int) -> None:
        try:
            del self._directory(layout.versions(model))[str(number)]
        except KeyError:
            raise self._no_version(model, number) from None

    def removed(self) -> list[Removed]:
        return self._trash.removed()

    def restore_run(self, run_id: str) -> None:
        with self.files.lock(f"run-{run_id}"):
            directory = layout.run_directory(run_id)
            self.files.move(layout.trashed(directory), directory)  # first, so that the document tells of a whole run
            self._trash.bring_back(self.runs.directory.name(run_id), f"run {quoted(run_id)}")

    def restore_version(self, model: str, number: int) -> None:
        self._trash.bring_back(f"{layout.versions(model)}/{number}.json", quoted(f"{model}@{number}"))

    def sweep(self, keep: timedelta, elsewhere: Iterable[bytes] = (), *, dry_run: bool = False) -> Swept:
        return self._trash.sweep(keep, elsewhere, dry_run=dry_run)

    @contextmanager
    def adding_content(self) -> Iterator[None]:
        thread = get_ident()
        if thread in self._adding:  # where a lock is a lease, a second would wait for the first
            yield
            return
        with self.files.lock(layout.CONTENT_LOCK, shared=True):
            self._adding.add(thread)
            try:
                yield
            finally:
                self._adding.discard(thread)

    def settling_content(self) -> AbstractContextManager[None]:
        return self.files.lock(layout.CONTENT_LOCK)

    def cited_commits(self, elsewhere: Iterable[bytes] = ()) -> set[str]:
        return self._trash.cited_commits(elsewhere)

    def discarded_commits(self) -> set[str]:
        return self._trash.discarded_commits()

    # What is logged

    def add_points(self, run_id: str, points: Sequence[MetricPoint]) -> None:
        self.files.append(layout.metrics(run_id), history.lines(points))

    def points(self, run_id: str, metric: str | None = None) -> list[MetricPoint]:
        document = self.runs.named(run_id) if self.files.exists(layout.run_directory(run_id)) else None
        kept = schema.run_from(document, self.where_run(run_id)).points if document else None
        chunks = history.stream(self.files, run_id, kept)
        return [point for chunk in chunks for point in chunk if metric is None or point.metric == metric]

    def recorder(self, run_id: str) -> history.Recorder:
        return history.Recorder(self.files, run_id)

    def summary(self, run_id: str) -> dict[str, Metric]:
        metrics: dict[str, Metric] = {}
        for chunk in history.stream(self.files, run_id):
            metrics = summarised(metrics, chunk)
        return metrics

    def settle_points(self, run_id: str) -> tuple[dict[str, Metric], PointsFile | None]:
        return history.settle(self.files, run_id)

    def output_descriptor(self, run_id: str) -> int:
        return self.files.log_descriptor(layout.output(run_id))

    def events_directory(self, run_id: str) -> str:
        self.files.make_directory(layout.watched(run_id), sync=False)
        return self.files.path(layout.watched(run_id))

    def note_command(self, run_id: str, process: Process) -> None:
        self.files.make_directory(layout.watched(run_id), sync=False)
        self.files.make_directory(layout.OPEN, sync=False)
        # Of no use after a power loss, which ends the command too: so neither is waited for.
        for name, data in ((layout.command(run_id), msgspec.json.encode(process)), (f"{layout.OPEN}/{run_id}", b"")):
            self.files.note(name, data)

    def command_of(self, run_id: str) -> Process | None:
        with suppress(MlcliError, OSError, msgspec.DecodeError):
            return msgspec.json.decode(self.files.read(layout.command(run_id)), type=Process)
        return None

    def open_runs(self) -> list[str]:
        return sorted(self.files.names(layout.OPEN))

    def forget_events(self, run_id: str) -> None:
        self.files.delete(layout.watched(run_id))
        self.files.forget(f"{layout.OPEN}/{run_id}")

    # Artifacts

    def keep(self, run_id: str, source: str, path: str) -> list[Artifact]:
        below = layout.artifacts(run_id)
        sources = objects.gathered(source, path)
        objects.refuse_case_twins(self.files, below, (name for _, name in sources))
        return objects.keep(self.files, below, sources)

    def detach(self, run_id: str, paths: Iterable[str]) -> None:
        for path in paths:
            self.files.forget(f"{layout.artifacts(run_id)}/{path}")

    def take_input(self, source: str, *, keep: bool) -> tuple[int, str]:
        return objects.taken(self.files, source, keep=keep)

    def artifacts_directory(self, run_id: str) -> str:
        return self.files.path(layout.artifacts(run_id))

    def content_path(self, artifact: Artifact) -> str:
        with Reading(layout.object_path(artifact.digest)):
            return objects.verify(self.files, artifact)

    def has_content(self, artifact: Artifact) -> bool:
        return self.files.exists(layout.object_path(artifact.digest))

    def digest_of(self, path: str) -> str:
        return objects.content_digest(path)

    def digesting(self) -> Digests:
        from .digests import Digests

        return Digests(self.files)

    def manifest(self, artifacts: Sequence[Artifact], path: str) -> str:
        return objects.manifest_digest(list(artifacts), path)

    # Taken out

    def clean_output(self, run_id: str, texts: Sequence[bytes], *, dry_run: bool = False) -> int:
        return scrub.clean_output(self.files, run_id, texts, dry_run=dry_run)

    def content_holds(self, digest: str, texts: Sequence[bytes]) -> bool:
        return scrub.content_holds(self.files, digest, texts)

    def drop_content(self, digest: str) -> None:
        scrub.drop_content(self.files, digest)

    def forget_derived(self) -> None:
        scrub.forget_derived(self.files)

    def left_with(self, run_id: str, texts: Sequence[bytes]) -> list[str]:
        return scrub.left_with(self.files, run_id, texts)

    # Parts

    def turn(self, command: str, waiting: Callable[[str], None]) -> AbstractContextManager[None]:
        return self.files.turn(f"command-{command}", waiting)

    def changing(self, model: str) -> AbstractContextManager[None]:
        return self.files.lock(f"model-{model}")

    @property
    def _trash(self) -> Trash:
        from .trash import Trash

        return Trash(self.files)

    @property
    def runs(self) -> NamedTable:
        """The table of run documents; TinyDB is loaded by the first who asks, and not for the registry's."""
        if self._runs is None:
            from .documents import NamedDB

            self._runs = cast("NamedTable", NamedDB(self._directory, self._table_names).table(layout.RUNS))
        return self._runs

    def _table_names(self) -> list[str]:
        return [layout.RUNS, *(table(model) for model in self.models() for table in TABLES)]

    def _directory(self, name: str) -> DocumentDir:
        if name not in self._directories:
            if name == layout.RUNS:
                made = DocumentDir(self.files, name, Sealed("run"), shard=2)
                made.presented = self._as_it_stands
            else:
                made = DocumentDir(self._registry, name, Sealed(KINDS[name.rpartition("/")[2]]))
            self._directories[name] = made
        return self._directories[name]

    def _as_it_stands(self, document: schema.Document) -> schema.Document:
        """A running run's document with its metrics so far, told as killed where its process is gone."""
        if document.get("status") != RunStatus.RUNNING.value:
            return document
        run = schema.run_from(document, self.where_run(str(document.get("id"))))
        metrics = schema.metric_fields(self.summary(run.id))
        document = {**document, "metrics": metrics}
        if run.process and not self._is_alive(run.process) and not self._goes_on(run.id):
            document |= {"status": RunStatus.KILLED.value, "reason": "its process vanished before it could end the run"}
        return document

    def _goes_on(self, run_id: str) -> bool:
        """Whether the command of a run still works whose wrapper was killed."""
        command = self.command_of(run_id)
        return command is not None and self._is_alive(command)

    def _no_run(self, run_id: str) -> NotFound:
        return NotFound(f"no run has the id {quoted(run_id)}", "mlcli ls")

    def where_run(self, run_id: str) -> str:
        """A run's document, for a message."""
        return f".mlruns/{layout.run_shard(run_id)}/{run_id}.json"
