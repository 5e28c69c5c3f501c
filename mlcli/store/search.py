"""Finding runs through the index; each that is answered is looked at once more, as the index may be behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from ..domain.order import Sort, ordered
from ..domain.query import Filter
from ..domain.run import FoundRuns, Run
from ..errors import MlcliError
from . import layout, schema
from .index import Entry, Index, Unusable
from .matching import compiled
from .registered import HeldOpen
from .schema import Document

if TYPE_CHECKING:
    from .disk import DiskStore

INDEX = layout.INDEX
CONTENT = ("output", "input")
WORTH_IT = 1000
_WORTH_IT_WHOLE = 100  # where every document would be read whole
T = TypeVar("T")


def found_by_index(
    store: DiskStore, filter_: Filter | None, sort: Sort, limit: int | None, *, whole: bool
) -> FoundRuns | None:
    """The runs that match, in order; None where the documents must be read one by one.

    That is so in a small store, where an index is not worth making, and where it cannot be used now.
    """
    return _asked(store, lambda index: _Search(store, index, filter_, whole=whole).found(sort, limit))


def marked_by_index(
    store: DiskStore, mark: str, values: Iterable[str], before: datetime | None = None, each: int | None = None
) -> list[str] | None:
    """The ids of runs that may have one of these marks; None where the documents must be read one by one."""

    def ask(index: Index) -> list[str]:
        return [*index.live(), *index.marked(mark, values, before, each)]

    return _asked(store, ask, worth_it=_WORTH_IT_WHOLE)


def digests_by_index(store: DiskStore, prefix: str) -> set[str] | None:
    """The digests of what runs made and read that begin so; None where the documents must be read one by one."""
    return _asked(store, lambda index: index.values_from(CONTENT, prefix), worth_it=_WORTH_IT_WHOLE)


def _asked(store: DiskStore, ask: Callable[[Index], T], *, worth_it: int = WORTH_IT) -> T | None:
    if not store.files.exists(INDEX) and len(store.run_ids()) < worth_it:
        return None
    try:
        store.files.make_directory(layout.CACHE)
        return _answer(store, ask)
    except MlcliError:
        return None  # a store that cannot be written to has no index, and is read all the same
    except Unusable as why:
        if why.damaged:
            store.files.forget(INDEX)
        return None


def _answer(store: DiskStore, ask: Callable[[Index], T]) -> T:
    held = store.held or HeldOpen()
    index = held.index
    try:
        if index is None:
            index = held.index = Index(store.files.path(INDEX), store.runs.directory, store.files.path(layout.RUNS))
            index.refresh()
        return ask(index)
    except Unusable:
        held.close()
        raise
    except Exception as error:
        held.close()
        if index is not None and isinstance(error, index.errors):
            raise index.fault(error) from None
        if isinstance(error, OverflowError):  # a number of more than 64 bits, in a filter or a document of another hand
            raise Unusable(str(error), damaged=False) from None
        raise
    finally:
        if held is not store.held:
            held.close()


class _Search:
    def __init__(self, store: DiskStore, index: Index, filter_: Filter | None, *, whole: bool) -> None:
        self.store, self.index, self.filter_, self.whole = store, index, filter_, whole
        query = compiled(filter_) if filter_ else None
        self.matches: Callable[[Document], bool] = query if query is not None else lambda document: True
        self.problems: list[MlcliError] = []

    def found(self, sort: Sort, limit: int | None) -> FoundRuns:
        """The runs, in order, no more than `limit`."""
        runs = [run for run_id in self.index.live() if (run := self._read(run_id))]
        taken = 0
        for entry in self.index.search(self.filter_, sort, self.matches) if limit != 0 else ():
            run = self._verified(entry)
            if run is None:
                continue
            runs.append(run)
            taken += 1
            if limit is not None and taken >= limit and self.index.can_sort(sort):
                break
        return FoundRuns(ordered(runs, sort)[:limit], [*self.index.problems(), *self.problems])

    def _verified(self, entry: Entry) -> Run | None:
        try:
            there = os.stat(self.store.files.path(self.store.runs.directory.name(entry.run_id)), follow_symlinks=False)
        except FileNotFoundError:
            return None
        if self.whole or (there.st_mtime_ns, there.st_size, there.st_ino) != entry.stamp:
            return self._read(entry.run_id)
        return self._run(entry.run_id, entry.document)

    def _read(self, run_id: str) -> Run | None:
        try:
            document = self.store.runs.named(run_id)
        except MlcliError as problem:
            self.problems.append(problem)
            return None
        return self._run(run_id, document) if document is not None and self.matches(document) else None

    def _run(self, run_id: str, document: Document) -> Run | None:
        try:
            return schema.run_from(document, self.store.where_run(run_id))
        except MlcliError as problem:
            self.problems.append(problem)
            return None
