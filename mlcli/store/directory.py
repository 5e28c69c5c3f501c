"""A directory of JSON documents, one file each, as a mapping. What knows TinyDB is in `documents`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from ..errors import MlcliError
from . import schema
from .layout import trashed
from .schema import Document

if TYPE_CHECKING:
    from .base import Codec, DocumentFiles


class Sealed:
    """Documents of one kind, as schema.py seals and opens them."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def encode(self, document: Document) -> bytes:
        """The document as bytes, with its digest."""
        return schema.encode(schema.sealed(self.kind, document))

    def decode(self, data: bytes, where: str) -> Document:
        """The document in `data`, verified."""
        return schema.decode(data, self.kind, where)


class DocumentDir(MutableMapping[str, Document]):
    """A lazy {id: document} over one directory. `shard` is how many leading digits of the id name a sub-directory."""

    def __init__(self, files: DocumentFiles, directory: str, codec: Codec, *, shard: int = 0) -> None:
        self.files, self.directory, self.codec, self.shard = files, directory, codec, shard
        self.presented: Callable[[Document], Document] | None = None
        self.problems: list[MlcliError] = []

    def name(self, key: str) -> str:
        """Where the document lies."""
        below = f"{key[: self.shard]}/{key}" if self.shard else key
        return f"{self.directory}/{below}.json"

    def __getitem__(self, key: str) -> Document:
        document = self.as_written(key)
        return self.presented(document) if self.presented else document

    def as_written(self, key: str) -> Document:
        """The document as it lies there."""
        name = self.name(key)
        try:
            data = self.files.read(name)
        except (FileNotFoundError, NotADirectoryError):
            raise KeyError(key) from None
        return self.codec.decode(data, f".mlruns/{name}")

    def __setitem__(self, key: str, document: Document) -> None:
        self.files.replace(self.name(key), self.codec.encode(document))

    def create(self, key: str, document: Document) -> bool:
        """Add a document; False where the id is taken."""
        return self.files.create(self.name(key), self.codec.encode(document))

    def __delitem__(self, key: str) -> None:
        if not self.files.move(self.name(key), trashed(self.name(key))):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.files.exists(self.name(key))

    def keys_from(self, prefix: str) -> list[str]:
        """The ids that begin with `prefix`, sorted; only the shards that can hold them are listed."""
        if not self.shard:
            shards = [""]
        elif len(prefix) >= self.shard:
            shards = [prefix[: self.shard]]
        else:
            listed = self.files.names(self.directory)
            shards = [name for name in listed if len(name) == self.shard and name.startswith(prefix)]
        names = (name for shard in shards for name in self.files.names(f"{self.directory}/{shard}".rstrip("/")))
        keys = [name[:-5] for name in names if name.endswith(".json") and name.startswith(prefix)]
        return sorted(keys, key=lambda key: (len(key), key))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_from(""))

    def __len__(self) -> int:
        return len(self.keys_from(""))

    def items(self) -> Any:
        """Each id with its document; one that cannot be read is put among `problems` and hides no other."""
        for key in self:
            try:
                yield key, self[key]
            except KeyError:
                continue  # removed since the directory was listed
            except MlcliError as problem:
                self.problems.append(problem)
