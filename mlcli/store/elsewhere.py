"""Documents of the registry that lie elsewhere than in the store, as in git: read from bytes, or None."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..domain.checked import CheckedVersion
from ..domain.history import Event, History, Holder, fold
from ..errors import MlcliError
from . import layout, schema
from .registered import KINDS


class Place(NamedTuple):
    """What a file of the registry is: of which model, in which of its directories, under which key."""

    model: str
    kind: str
    key: str

    @property
    def name(self) -> str:
        """Where it lies below `.mlruns/`."""
        return f"{layout.MODELS}/{self.model}/{self.kind}/{self.key}.json"


def place_of(name: str) -> Place | None:
    """What the file of that name below `.mlruns/` is; None where it is no document of the registry."""
    parts = name.split("/")
    if len(parts) != 4 or parts[0] != layout.MODELS or parts[2] not in KINDS or not parts[3].endswith(".json"):
        return None
    return Place(parts[1], parts[2], parts[3].removesuffix(".json"))


def version_in(data: bytes, place: Place) -> CheckedVersion | None:
    """The version that a document tells of."""
    try:
        document = schema.decode(data, "version", place.name)
        version = schema.convert({**document, "number": int(place.key)}, CheckedVersion, place.name)
    except (MlcliError, ValueError):
        return None
    return version if version.model == place.model else None


def event_in(data: bytes, place: Place) -> Event | None:
    """The event that a document tells of, where it is the one of its name."""
    try:
        event = schema.event_from(schema.decode(data, "event", place.name), place.name)
    except MlcliError:
        return None
    return event if event.model == place.model and event.digest == f"sha256:{place.key}" else None


def holder_in(data: bytes, place: Place) -> Holder | None:
    """What the document of a stage or an alias says."""
    try:
        return schema.holder_from(schema.decode(data, KINDS[place.kind], place.name), place.name)
    except MlcliError:
        return None


def history_in(documents: Mapping[str, bytes]) -> History:
    """What events add up to that are given as {name below .mlruns: content}."""
    read = ((place_of(name), data) for name, data in documents.items())
    told = [event_in(data, place) for place, data in read if place is not None and place.kind == "events"]
    return fold(event for event in told if event is not None)
