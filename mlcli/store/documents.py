"""TinyDB over directories of JSON documents, one file each: its tables, its operations, its queries.

The only module that knows TinyDB's tables.
A document is read when it is asked for and written only when it changed, whole or
not at all, so that readers need no lock and writers of different documents never meet. TinyDB's own storage rewrites
one file with everything in it, in place, and its query cache does not see another process: both are replaced here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, cast

from tinydb import TinyDB
from tinydb.storages import Storage
from tinydb.table import Document as TinyDocument
from tinydb.table import Table

from ..domain.query import Filter
from ..errors import MlcliError
from .directory import DocumentDir
from .matching import compiled
from .schema import Document


class DocumentStorage(Storage):
    """What TinyDB holds on to: which tables there are. Documents go through the tables."""

    def __init__(self, table: Callable[[str], DocumentDir], names: Callable[[], list[str]]) -> None:
        self.table, self.names = table, names

    def read(self) -> dict[str, Any] | None:
        """Every table as a lazy mapping."""
        return {name: self.table(name) for name in self.names()} or None

    def write(self, data: dict[str, Any]) -> None:
        """Called by TinyDB only to drop tables: their documents go to the trash."""
        for gone in set(self.names()) - data.keys():
            table = self.table(gone)
            for key in list(table):
                del table[key]


class _Edit(MutableMapping[Any, Any]):
    """What an updater sees: reads through to the documents and remembers what it changed."""

    def __init__(self, base: DocumentDir, to_id: Callable[[str], Any]) -> None:
        self.base, self.to_id = base, to_id
        self.seen: dict[Any, Any] = {}
        self.before: dict[Any, bytes] = {}
        self.gone: set[Any] = set()

    def __getitem__(self, key: Any) -> Any:
        if key in self.gone:
            raise KeyError(key)
        if key not in self.seen:
            self.seen[key] = self.base.as_written(str(key))
            self.before[key] = self.base.codec.encode(self.seen[key])
        return self.seen[key]

    def __setitem__(self, key: Any, document: Any) -> None:
        self.seen[key] = document
        self.gone.discard(key)

    def __delitem__(self, key: Any) -> None:
        if key not in self:
            raise KeyError(key)
        self.seen.pop(key, None)
        self.gone.add(key)

    def __contains__(self, key: object) -> bool:
        return key not in self.gone and (key in self.seen or str(key) in self.base)

    def __iter__(self) -> Iterator[Any]:
        old = [self.to_id(key) for key in self.base]
        yield from (key for key in old if key not in self.gone)
        yield from (key for key in self.seen if key not in old)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def clear(self) -> None:
        """Remove every document."""
        for key in list(self):
            del self[key]


class DocumentTable(Table):
    """A TinyDB table whose documents are files: reads one file a document, writes only those that changed."""

    default_query_cache_capacity = 0  # another process may write at any time

    def __init__(self, storage: Storage, name: str, cache_size: int = 0, persist_empty: bool = False) -> None:
        super().__init__(storage, name, cache_size=0, persist_empty=persist_empty)

    @property
    def directory(self) -> DocumentDir:
        """The documents themselves."""
        storage = self._storage
        if not isinstance(storage, DocumentStorage):
            raise TypeError("a DocumentTable needs a DocumentStorage")
        return storage.table(self.name)

    def _read_table(self) -> Any:
        return self.directory

    def _update_table(self, updater: Callable[[Any], None]) -> None:
        base = self.directory
        edit = _Edit(base, self.document_id_class)
        updater(edit)
        for key in edit.gone:
            if str(key) in base:
                del base[str(key)]
        for key, document in edit.seen.items():
            if key not in edit.before and str(key) not in base:
                if not base.create(str(key), document):
                    raise ValueError(f"Document with ID {key} already exists")
            elif edit.before.get(key) != base.codec.encode(document):
                base[str(key)] = document
        self.clear_cache()


class DocumentDB(TinyDB):
    """TinyDB whose tables are directories of documents."""

    table_class = DocumentTable
    default_storage_class: Any = DocumentStorage


class NamedTable(DocumentTable):
    """Documents with names: TinyDB counts its own, so that its types know whole numbers only."""

    document_id_class: Any = str

    def named(self, name: str) -> Document | None:
        """The document of that name, None where there is none."""
        found: Any = self.get(doc_id=cast(int, name))
        return None if found is None else dict(found)

    def keep(self, name: str, document: Document) -> None:
        """Add a document; ValueError where the name is taken."""
        self.insert(TinyDocument(document, cast(int, name)))

    def revise(self, name: str, change: Callable[[Document], Document]) -> bool:
        """Replace a document by what `change` makes of it; False where there is none of that name."""

        def revised(document: Any) -> None:
            after = change(dict(document))
            document.clear()
            document.update(after)

        try:
            return bool(self.update(revised, doc_ids=[cast(int, name)]))
        except KeyError:  # TinyDB before 4.9
            return False

    def discard(self, name: str) -> bool:
        """Move a document to the trash; False where there is none of that name."""
        try:
            return bool(self.remove(doc_ids=[cast(int, name)]))
        except KeyError:  # TinyDB before 4.9
            return False

    def matching(self, filter_: Filter | None) -> tuple[dict[str, Document], list[MlcliError]]:
        """The documents that the filter lets through, by name, and what could not be read on the way."""
        problems = self.directory.problems
        problems.clear()
        found = self.search(compiled(filter_)) if filter_ else self.all()
        return {str(document.doc_id): dict(document) for document in found}, list(problems)


class NamedDB(DocumentDB):
    """A DocumentDB of named documents."""

    table_class = NamedTable
