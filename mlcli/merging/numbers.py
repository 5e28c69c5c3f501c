"""Which version has which number after a merge: upstream's keep theirs, none is lost, and no number is used again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..domain.checked import CheckedVersion, Recorded
from ..domain.history import Action, Held, History
from ..store.elsewhere import Place, version_in
from .known import Known


class Version(NamedTuple):
    """A version's digest, when it was registered, and its document, or the number that it lies under in the store."""

    digest: str
    registered: str
    data: bytes | None = None
    at: int = 0


class Loser(NamedTuple):
    """A version that needs another number than the one it had, and what is told of that, given both."""

    version: Version
    before: int
    told: Callable[[str, str], str]


class Numbers:
    """The versions of one model, each under one number.

    `held` is what each number's file has to hold, `dropped` the numbers whose files go as their version lies under
    another, `losers` what was given a new number, and `told` a line for each thing that changes.
    """

    def __init__(self, known: Known, recorded: Recorded, history: History, used: set[int]) -> None:
        self.known, self.model, self.history = known, recorded.model, history
        conflicts = {int(key): each for key, each in known.of(self.model, "versions").items() if key.isdecimal()}
        self.held = {v.number: version_of(v, at=v.number) for v in recorded.versions if v.number not in conflicts}
        self.broken = recorded.lost - conflicts.keys()
        self.used = used | self.held.keys() | self.broken | conflicts.keys()
        self.dropped: set[int] = set()
        self.settled: set[int] = set()
        self.decided: set[int] = set()
        self.losers: list[Loser] = []
        self.unable: list[int] = []
        self.told: list[tuple[int, str]] = []
        for number, stages in sorted(conflicts.items()):
            self._contest(number, stages)
        self._drop_twins()
        self._bring_back()
        self._follow()
        self._renumber()

    @property
    def by_digest(self) -> dict[str, int]:
        """The number of each version."""
        return {version.digest: number for number, version in self.held.items()}

    def _place(self, number: int) -> Place:
        return Place(self.model, "versions", str(number))

    def ref(self, number: int) -> str:
        """How the version of that number is typed."""
        return f"{self.model}@{number}"

    def _contest(self, number: int, stages: dict[int, bytes]) -> None:
        """A conflict over one number: who has it, and who needs another."""
        place = self._place(number)
        read = {stage: version_in(data, place) for stage, data in stages.items()}
        ours, theirs = (version_of(v, stages[stage]) if (v := read.get(stage)) else None for stage in (2, 3))
        if ours is None and theirs is None:
            self.unable.append(number)
            return
        self.settled.add(number)
        winner = (ours or theirs) if ours is None or theirs is None else one_of(self.history, ours, theirs)
        if winner is None and ours and theirs:
            winner = first_of(self.known, place, ours, theirs)
            loser, told = (theirs, self._beside(theirs=True)) if winner is ours else (ours, self._beside(theirs=False))
            if not self.history.is_removed(loser.digest):
                self.losers.append(Loser(loser, number, told))
        if winner is None or self.history.is_removed(winner.digest):
            self.dropped.add(number)
            self.told.append((number, f"{self.ref(number)} was removed, says the history"))
            return
        self.held[number] = winner
        if not any(loser.before == number for loser in self.losers):
            others = {each.digest for each in (ours, theirs) if each} - self._former(winner.digest)
            twice = "had a value taken out on each side, and one of them is in it again: mlcli scrub it once more"
            self.told.append((number, f"{self.ref(number)} {twice if others else 'is on both sides the same version'}"))

    def _former(self, digest: str) -> set[str]:
        """The digests that a version's document had before values were taken out of it, and the one it has."""
        replaced = {each.version: each.replaces for each in self.history.events if each.action is Action.SCRUBBED}
        former = {digest}
        while (before := replaced.pop(digest, None)) is not None:
            former.add(before)
            digest = before
        return former

    def _beside(self, *, theirs: bool) -> Callable[[str, str], str]:
        """What is told of a version that gets another number: whose it is, and who has the one it had."""
        sides = self.known.sides
        whose, who = (sides.their_name, sides.our_name) if theirs else ("this branch", sides.their_name)
        return lambda before, now: f"{before} of {whose} is {now} now: {who} has {before}"

    def _drop_twins(self) -> None:
        """Let no version lie under two numbers, as after a merge of two that both renumbered it."""
        where: dict[str, list[int]] = {}
        for number, version in sorted(self.held.items()):
            where.setdefault(version.digest, []).append(number)
        for digest, numbers in where.items():
            if len(numbers) == 1:
                continue
            kept = self._kept(digest, numbers)
            self.decided.add(kept)
            for number in sorted({*numbers} - {kept}):
                del self.held[number]
                self.dropped.add(number)
                self.told.append((number, f"{self.ref(number)} is {self.ref(kept)}: it is no longer kept twice"))

    def _kept(self, digest: str, numbers: list[int]) -> int:
        contested = [number for number in numbers if number in self.settled]
        for number in contested or numbers:
            place = self._place(number)
            upstream = (version_in(data, place) for data in self.known.upstream(place))
            if any(version is not None and version.digest == digest for version in upstream):
                return number
        told = self.history.numbers.get(digest)
        return told if told in numbers else (contested or numbers)[0]

    def _bring_back(self) -> None:
        """Versions that the history names and that lie nowhere here: from git, under their number or a new one."""
        held = {version.digest for version in self.held.values()} | {loser.version.digest for loser in self.losers}
        named = {self.history.now(event.version) for event in self.history.events}
        gone = {digest for digest in named - held if not self.history.is_removed(digest)}
        found = self.known.versions(self.model, gone)
        for digest, (version, data) in sorted(found.items(), key=lambda each: (_order(each[1][0]), each[0])):
            number, brought = self.history.numbers.get(digest, version.number), version_of(version, data)
            there = self.held.get(number)
            if there is None:
                self.held[number] = brought
                self.told.append((number, f"{self.ref(number)} was lost in a merge or deleted: it is back from git"))
            elif self.known.under_way or first_of(self.known, self._place(number), there, brought) is there:
                self.losers.append(Loser(brought, number, self._left_out(number, digest)))
            else:
                self.held[number] = brought
                self.losers.append(Loser(there, number, _displaced))

    def _left_out(self, number: int, digest: str) -> Callable[[str, str], str]:
        """What is told of a version that the merge left out: whose it is, where it is of one that is under way."""
        theirs = self.known.theirs(self._place(number))
        if theirs is None:
            return _lost
        version = version_in(theirs, self._place(number))
        return self._beside(theirs=version is not None and version.digest == digest)

    def _follow(self) -> None:
        """Files that lie under another number than the history gave: they move, where that number is free."""
        wanted = {loser.before for loser in self.losers}
        for number, version in sorted(self.held.items()):
            told = self.history.numbers.get(version.digest)
            taken = told in self.held or told in self.broken or told in wanted
            if told is not None and told != number and not taken and number not in self.settled | self.decided:
                del self.held[number]
                self.held[told] = version
                self.dropped.add(number)
                self.told.append((number, f"{self.ref(number)} is {self.ref(told)} again, as its history says"))

    def _renumber(self) -> None:
        order = sorted(self.losers, key=lambda each: (each.before, each.version.registered, each.version.digest))
        there = self.by_digest
        for version, before, told in order:
            number = there.get(version.digest) or self._next(version.digest)
            there[version.digest] = number
            self.held.setdefault(number, version)
            self.used.add(number)
            self.told.append((number, told(self.ref(before), self.ref(number))))

    def _next(self, digest: str) -> int:
        """The number that the history gave since, where it is free; else one that was never used."""
        told = self.history.numbers.get(digest)
        free = told is not None and told not in self.held and told not in self.broken
        return told if told is not None and free else max(self.used | self.known.numbers(self.model)) + 1

    def to_tell(self) -> Iterator[tuple[str, int]]:
        """The versions whose number the history does not say yet, and their numbers."""
        moved = {loser.version.digest for loser in self.losers}
        for number, version in sorted(self.held.items()):
            told = self.history.numbers.get(version.digest)
            if told != number and (told is not None or version.digest in moved):
                yield version.digest, number


def one_of(history: History, ours: Version, theirs: Version) -> Version | None:
    """The one version that both sides have, the later of two where a value was taken out; None: they are two."""
    if ours.digest == theirs.digest:
        return ours
    now = history.now(ours.digest)
    if now != history.now(theirs.digest):
        return None
    return theirs if theirs.digest == now else ours


def first_of(known: Known, place: Place, *versions: Version) -> Version:
    """Which of two versions keeps a number: upstream's; where nobody can know, the one registered first."""
    for data in known.upstream(place):
        upstream = version_in(data, place)
        for version in versions:
            if upstream is not None and upstream.digest == version.digest:
                return version
    return min(versions, key=lambda version: (version.registered, version.digest))


def held_by(place: Place, history: History) -> Held:
    """What the history says of the name of a stage or an alias."""
    if place.kind == "aliases":
        return history.aliases.get(place.key, (None, ""))
    return next((held for stage, held in history.holders.items() if stage.value == place.key), (None, ""))


def _lost(before: str, now: str) -> str:
    return f"{before} was lost in a merge: it is back from git as {now}, as another has {before}"


def _displaced(before: str, now: str) -> str:
    return f"{before} of this branch is {now} now: upstream has {before}, which is back from git"


def version_of(version: CheckedVersion, data: bytes | None = None, at: int = 0) -> Version:
    """A version as it was read."""
    return Version(version.digest, _order(version), data, at)


def _order(version: CheckedVersion) -> str:
    return version.registered_at.isoformat(timespec="microseconds")
