"""What has to be done to one model's documents so that two branches of its history are one."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from ..domain.history import Event, History, fold
from ..store.elsewhere import Place, event_in
from ..store.layout import trashed, versions
from ..workspace import Workspace
from .known import Known, events_before
from .numbers import Numbers, held_by


class Plan(Struct, frozen=True, kw_only=True):
    """What will be done: files to write and to drop (by name below `.mlruns/`), numbers to tell the history of.

    `settled` are files whose conflict is settled, `unable` those where it is not, and why; `renumbered` are the digests
    of versions that have another number since; `names` the places of stages and aliases that have a conflict; `aside`
    are damaged files that go to the trash. `told` is a line for each thing done.
    """

    model: str
    write: dict[str, bytes] = {}
    drop: list[str] = []
    numbers: dict[str, int] = {}
    renumbered: set[str] = set()
    settled: list[str] = []
    names: list[Place] = []
    unable: list[tuple[str, str]] = []
    told: list[str] = []
    aside: list[str] = []

    @property
    def does_anything(self) -> bool:
        """Whether there is something to do."""
        return bool(self.write or self.drop or self.numbers or self.settled or self.names)


def planned(workspace: Workspace, model: str, known: Known) -> Plan:
    """The plan for one model; nothing is written."""
    recorded = workspace.store.recorded(model)
    events = {event.digest: event for event in recorded.history.events}
    whole, unable = _one_content(known, model, events)
    if recorded.damaged - {f"sha256:{place.key}" for place in whole}:
        told = "an event of its history is damaged"
        return Plan(model=model, unable=[(place.name, told) for place in known.conflicts if place.model == model])
    brought = events_before(known, model, events, recorded.damaged)
    history = fold(events.values())
    numbers = Numbers(known, recorded, history, _used(workspace, model, history))
    names = [place for place in known.conflicts if place.model == model and place.kind in {"stages", "aliases"}]
    back = [f"{len(brought)} event{'' if len(brought) == 1 else 's'} of {model}, back from git"] if brought else []
    return Plan(
        model=model,
        write={place.name: data for place, data in (whole | brought).items()} | _versions(workspace, model, numbers),
        drop=[_name(model, number) for number in sorted(numbers.dropped - numbers.held.keys())],
        numbers=dict(numbers.to_tell()),
        renumbered={loser.version.digest for loser in numbers.losers},
        settled=[*(place.name for place in whole), *(_name(model, number) for number in sorted(numbers.settled))],
        names=names,
        aside=[_name(model, number) for number in sorted(numbers.broken & numbers.held.keys())],
        unable=[*unable, *((_name(model, number), "neither side is whole") for number in numbers.unable)],
        told=[*back, *(line for _, line in numbers.told), *_names_told(names, history, numbers)],
    )


def _one_content(
    known: Known, model: str, events: dict[str, Event]
) -> tuple[dict[Place, bytes], list[tuple[str, str]]]:
    """Events that have a conflict, as where an editor indented one anew, put among `events`; those that are lost."""
    whole: dict[Place, bytes] = {}
    unable = []
    for key, stages in known.of(model, "events").items():
        place = Place(model, "events", key)
        read = ((data, event_in(data, place)) for data in stages.values())
        data, event = next(((data, event) for data, event in read if event), (b"", None))
        if event is None:
            unable.append((place.name, "neither side is whole"))
        else:
            whole[place], events[event.digest] = data, event
    return whole, unable


def _versions(workspace: Workspace, model: str, numbers: Numbers) -> dict[str, bytes]:
    """The documents of versions that do not lie under their number yet, byte by byte."""
    write = {}
    for number, version in numbers.held.items():
        if version.data is not None:
            write[_name(model, number)] = version.data
        elif version.at != number:
            write[_name(model, number)] = workspace.store.files.read(_name(model, version.at))
    return write


def _used(workspace: Workspace, model: str, history: History) -> set[int]:
    """The numbers that were ever used, here and in the trash; git is asked for its own where a new one is needed."""
    noted = {event.number for event in history.events if event.number is not None}
    removed = [name.removesuffix(".json") for name in workspace.store.files.names(trashed(versions(model)))]
    return {*noted, *(int(name) for name in removed if name.isdecimal())}


def _names_told(names: list[Place], history: History, numbers: Numbers) -> Iterator[str]:
    """What the files of stages and aliases that have a conflict will say."""
    for place in names:
        kind = "stage" if place.kind == "stages" else "alias"
        digest = held_by(place, history)[0]
        number = numbers.by_digest.get(digest or "")
        says = numbers.ref(number) if number else "nobody"
        verb = "promote" if kind == "stage" else "alias"
        decide = f"; branches gave it apart, so decide: mlcli {verb} {place.model}@N {place.key}"
        torn = (kind, place.key) in history.torn
        yield f"{place.model}@{place.key} says {says}, as the history adds up to{decide if torn else ''}"


def _name(model: str, number: int) -> str:
    return Place(model, "versions", str(number)).name
