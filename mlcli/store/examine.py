"""Read everything in a store and tell what is missing, altered, half or foreign."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from msgspec import Struct

from ..domain.observed import Output
from ..domain.run import Artifact, Input, PointsFile, Run, RunStatus
from ..errors import Corrupt, MlcliError
from . import layout, objects, schema, trash
from . import points as history
from .disk import DiskStore
from .files import Reading

_OBJECT = re.compile(r"[0-9a-f]{64}")
_RUN = re.compile(r"[0-9a-f]{32}")


_FILES = re.compile(
    r"""store\.json | \.gitignore | \.gitattributes
    | runs/([0-9a-f]{2})/\1[0-9a-f]{30}
      (\.json | /metrics\.jsonl | /metrics-[0-9a-f-]+\.live | /output\.log | /events/[^/]+ | /artifacts/.+)
    | models/[^/.][^/]*/(versions/[1-9][0-9]*\.json | events/[0-9a-f]{64}\.json | stages/(staging|production)\.json
      | aliases/[^/]+\.json)
    | objects/([0-9a-f]{2})/\5[0-9a-f]{62}
    | (trash|\.cache)/.+""",
    re.X | re.S,
)
_DIRECTORIES = re.compile(
    r"""runs(/([0-9a-f]{2})(/\2[0-9a-f]{30}(/events|/artifacts(/.+)?)?)?)?
    | models(/[^/.][^/]*(/(versions|events|stages|aliases))?)?
    | objects(/[0-9a-f]{2})?
    | (trash|\.cache)(/.+)?""",
    re.X | re.S,
)


class Problem(Struct, frozen=True, kw_only=True):
    """Something that is not as it should be; `mendable` says that it can be mended without guessing."""

    code: str
    where: str
    message: str
    mendable: bool = False
    serious: bool = True


def problems(store: DiskStore) -> Iterator[Problem]:
    """Every problem of the store; reads all documents, metrics and objects."""
    yield from _top(store)
    yield from _places(store)
    yield from _runs(store)
    yield from _models(store)
    yield from _objects(store)
    yield from _trash(store)
    yield from _temporaries(store)


def _top(store: DiskStore) -> Iterator[Problem]:
    for name in (layout.STORE, layout.GITIGNORE):
        if not store.files.exists(name):
            yield Problem(code="file-missing", where=name, message="it is missing", mendable=True)
    if store.files.exists(layout.STORE):
        try:
            schema.decode(store.files.read(layout.STORE), "store", f".mlruns/{layout.STORE}")
        except Corrupt as error:
            yield Problem(code=error.code, where=layout.STORE, message=error.message, mendable=True)


def _places(store: DiskStore) -> Iterator[Problem]:
    """Whatever lies where mlcli puts no such thing, and every link."""
    waiting = [""]
    while waiting:
        above = waiting.pop()
        try:
            with os.scandir(store.files.path(above)) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            continue  # told where it is read
        for entry in entries:
            where = f"{above}{entry.name}"
            if entry.is_symlink():
                yield Problem(code="link", where=where, message="it is a symbolic link, which mlcli does not follow")
            elif not _is_ours(where, directory=entry.is_dir()):
                yield Problem(code="foreign", where=where, message="mlcli did not put it there", serious=False)
            elif entry.is_dir():
                waiting.append(f"{where}/")


def _runs(store: DiskStore) -> Iterator[Problem]:
    for shard in sorted(store.files.names(layout.RUNS)):
        names = set(store.files.names(f"{layout.RUNS}/{shard}"))
        for name in sorted(names):
            where = f"{layout.RUNS}/{shard}/{name}"
            run_id = name.removesuffix(".json")
            if not _RUN.fullmatch(run_id) or run_id[:2] != shard:
                continue
            if name != run_id:
                yield from _run(store, run_id, where)
            elif f"{name}.json" not in names:
                yield _without_document(store, where)


def _without_document(store: DiskStore, where: str) -> Problem:
    in_trash = store.files.exists(layout.trashed(f"{where}.json"))
    return Problem(
        code="run-missing",
        where=f"{where}.json",
        message="it was removed, and its files were not yet"
        if in_trash
        else "a run's files are here, not its document",
        mendable=in_trash,
    )


def _run(store: DiskStore, run_id: str, where: str) -> Iterator[Problem]:
    try:
        run = store.run(run_id)
        raw = schema.decode(store.files.read(where), "run", f".mlruns/{where}")
    except MlcliError as error:
        yield Problem(code=error.code, where=where, message=error.message)
        return
    if run.id != run_id:
        yield Problem(code="misplaced", where=where, message=f"it is the document of run {run.id[:8]}")
    if run.status is RunStatus.KILLED and raw["status"] == RunStatus.RUNNING.value:
        yield Problem(
            code="run-vanished", where=where, message="its process is gone and its end was not recorded", mendable=True
        )
    yield from _metrics(store, run)
    for artifact in run.artifacts:
        if artifact.digest not in run.scrubbed:
            yield from _artifact(store, run, artifact)
    yield from _inputs(store, run)
    if run.status is not RunStatus.RUNNING:
        yield from _untold(store, run)


def _untold(store: DiskStore, run: Run) -> Iterator[Problem]:
    """Files that lie among a run's artifacts and that its document does not tell of."""
    top, told = layout.artifacts(run.id), {artifact.path for artifact in run.artifacts}
    for directory, _, names in os.walk(store.files.path(top)):
        below = os.path.relpath(directory, store.files.path(top)).replace(os.sep, "/")
        for path in sorted(name if below == "." else f"{below}/{name}" for name in names):
            if path not in told:
                yield Problem(
                    code="leftover",
                    where=f"{top}/{path}",
                    message="the run's document does not tell of it",
                    mendable=True,
                    serious=False,
                )


def _metrics(store: DiskStore, run: Run) -> Iterator[Problem]:
    where = layout.metrics(run.id)
    live = history.live_files(store.files, run.id)
    counted, damaged = history.examined(store.files, where)
    if damaged:
        lines = ", ".join(map(str, damaged[:5])) + (" …" if len(damaged) > 5 else "")
        message = f"lines that cannot be trusted: {lines}; they are passed over"
        # What a killed process tore was so when the run ended, or came after; other damage may be made good elsewhere.
        torn = run.points is None or store.files.checksum(where, run.points.size) == _ended_with(run.points)
        yield Problem(code="metrics-damaged", where=where, message=message, mendable=torn)
    for name in live:
        records = history.damaged_records(store.files, name)
        if records:
            message = f"{records} records that cannot be trusted; they are passed over"
            yield Problem(code="metrics-damaged", where=name, message=message)
    for name in history.merged_files(store.files, run.id):
        yield Problem(
            code="leftover", where=name, message="what it holds is in metrics.jsonl", mendable=True, serious=False
        )
    if run.ended_at is None:
        return
    told = sum(metric.count for metric in run.metrics.values())
    if live:
        message = "the run has ended, and what a process logged was not yet added to metrics.jsonl"
        yield Problem(code="metrics-differ", where=where, message=message, mendable=True)
    elif counted != told and not damaged:
        message = f"the run counts {told} points and {counted} are here"
        yield Problem(code="metrics-differ", where=where, message=message, mendable=counted > told)
    elif run.points is not None and run.points != history.checksum(store.files, where) and not damaged:
        yield Problem(
            code="metrics-differ", where=where, message="it is not the file that the run ended with", mendable=True
        )


def _ended_with(points: PointsFile) -> tuple[int, int]:
    return points.size, int(points.crc32, 16)


def _artifact(store: DiskStore, run: Run, artifact: Artifact) -> Iterator[Problem]:
    name = layout.object_path(artifact.digest)
    if not store.files.exists(name):
        message = f"the content of {artifact.path} of run {run.id[:8]} is missing"
        mendable = store.files.exists(layout.trashed(name))
        yield Problem(code="object-missing", where=name, message=message, mendable=mendable)
        return
    where = f"{layout.artifacts(run.id)}/{artifact.path}"
    path = store.files.path(where)
    if not os.path.lexists(path):
        yield Problem(
            code="artifact-unlinked", where=where, message="it is missing; its content is kept", mendable=True
        )
    elif not os.path.samefile(path, store.files.path(name)) and _digest(where, path) != artifact.digest:
        yield Problem(
            code="artifact-altered", where=where, message="it was altered; its content is kept", mendable=True
        )


def _inputs(store: DiskStore, run: Run) -> Iterator[Problem]:
    told: list[tuple[str, Input | Output]] = [("input", each) for each in run.inputs]
    told += [("output", each) for each in run.outputs]
    for what, each in told:
        name = layout.object_path(each.digest)
        if each.kept and not store.files.exists(name) and each.digest not in run.scrubbed:
            message = f"the content of {what} {each.path} of run {run.id[:8]} is missing"
            mendable = store.files.exists(layout.trashed(name))
            yield Problem(code="object-missing", where=name, message=message, mendable=mendable)


def _digest(where: str, path: str) -> str:
    with Reading(where):
        return objects.digest_of_file(path)


def _models(store: DiskStore) -> Iterator[Problem]:
    for model in sorted(store.files.names(layout.MODELS)):
        if model.startswith("."):
            continue
        for number in store.version_numbers(model):
            try:
                store.version(model, number)
            except MlcliError as error:
                yield Problem(code=error.code, where=f"{layout.versions(model)}/{number}.json", message=error.message)
        try:
            store.history(model)
        except MlcliError as error:
            yield Problem(code=error.code, where=layout.events(model), message=error.message)


def _objects(store: DiskStore) -> Iterator[Problem]:
    for shard in sorted(store.files.names(layout.OBJECTS)):
        for name in sorted(store.files.names(f"{layout.OBJECTS}/{shard}")):
            where = f"{layout.OBJECTS}/{shard}/{name}"
            if not _OBJECT.fullmatch(name) or name[:2] != shard:
                continue
            try:
                with Reading(where):
                    altered = objects.digest_of_file(store.files.path(where)) != f"sha256:{name}"
            except MlcliError as error:
                yield Problem(code="unreadable", where=where, message=error.message)
                continue
            if altered:
                yield Problem(code="object-altered", where=where, message="it does not match its digest")


def _trash(store: DiskStore) -> Iterator[Problem]:
    for name, kind in trash.documents(store.files):
        try:
            schema.decode(store.files.read(name), kind, f".mlruns/{name}")
        except MlcliError as error:
            yield Problem(code=error.code, where=name, message=f"{error.message}; it cannot be restored", serious=False)


def _temporaries(store: DiskStore) -> Iterator[Problem]:
    for name in sorted(store.files.names(layout.TEMPORARY)):
        if not trash.is_being_written(name):
            where = f"{layout.TEMPORARY}/{name}"
            yield Problem(
                code="leftover", where=where, message="a process died while it wrote", mendable=True, serious=False
            )


def _is_ours(name: str, *, directory: bool) -> bool:
    """Whether mlcli would put a file or directory there."""
    return bool((_DIRECTORIES if directory else _FILES).fullmatch(name))
