"""A model's documents read anew, each once, for whoever checks them: one that is damaged hides no other.

Their digests are verified. Of a version's shape only that part is looked at that checking stands on; `doctor` looks at
all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..domain import digest
from ..domain.checked import CheckedVersion, Recorded
from ..domain.history import Event, fold
from ..domain.names import quoted
from ..errors import Corrupt, MlcliError
from . import layout, schema

if TYPE_CHECKING:
    from .directory import DocumentDir

_MANY = 100


def recorded(table: Callable[[str], DocumentDir], model: str, event_of: Callable[[str, str], Event]) -> Recorded:
    """What is recorded of a model, where `table` gives the documents of a directory, and `event_of` reads an event."""
    versions, events = table(layout.versions(model)), table(layout.events(model))
    numbers, names = [key for key in versions if key.isdecimal()], list(events)
    if len(numbers) + len(names) > _MANY:
        digest.expect_many()
    unread: list[tuple[str, MlcliError]] = []
    read: list[CheckedVersion] = []
    told: list[Event] = []
    lost, damaged = set(), set()
    for number in numbers:
        try:
            read.append(_version(versions, model, number))
        except KeyError:
            continue  # removed since the directory was listed
        except MlcliError as error:
            unread.append((f"{model}@{number}", error))
            lost.add(int(number))
    for name in names:
        try:
            told.append(event_of(model, name))
        except KeyError:
            continue
        except MlcliError as error:
            unread.append((model, error))
            damaged.add(f"sha256:{name}")
    return Recorded(model=model, versions=read, history=fold(told), unread=unread, damaged=damaged, lost=lost)


def _version(table: DocumentDir, model: str, key: str) -> CheckedVersion:
    document, where = table.as_written(key), f".mlruns/{table.name(key)}"
    try:
        version = schema.convert({**document, "number": int(key)}, CheckedVersion, where)
    except Corrupt:
        schema.version_from(document, int(key), where)  # which says it in the words of a whole version
        raise
    if version.model != model:
        raise Corrupt(f"{where} is a version of {quoted(version.model)}", "mlcli doctor")
    return version
