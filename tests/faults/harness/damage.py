"""Bytes of a store are changed behind its back: doctor tells, and nothing but what was changed suffers."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from mlcli import doctor, tracking
from mlcli.domain.run import Artifact, Run
from mlcli.errors import MlcliError
from mlcli.store.disk import DiskStore
from mlcli.workspace import Workspace

from .facts import Facts, difference, observed
from .operations import Site, artifact, begin, finish, metrics, point, promote, register
from .sweep import Report
from .workloads import Operations, ended

STORE: Operations = [
    *ended("one", "first"), *ended("two", "second"), *ended("three", "third"),
    begin("long"), *(metrics("long", step, loss=1 / (step + 1), accuracy=step / 8) for step in range(5)),
    point("long", "loss", 5, 0.125), artifact("long", "plots/loss.svg", "<svg/>"), finish("long"),
    register("iris", "one"), register("iris", "two"), register("wine", "two"), register("wine", "three"),
    promote("iris", 1, "production"), promote("iris", 2, "staging"), promote("iris", 2, "production"),
    promote("wine", 1, "staging"), register("plain", "one"), register("plain", "two"),
]  # fmt: skip
# Text for people, and what holds no data.
IDLE = (".gitignore", ".cache/")


class Harm(msgspec.Struct, kw_only=True):
    """How a file is harmed: flip, cut, zero, remove, swap; how often, 0 for every way; and where to work."""

    top: str
    how: str
    limit: int = 0
    seed: int = 1


class Change(msgspec.Struct, frozen=True):
    """Other content for some files, None for none; and what was done, in words."""

    content: dict[str, bytes | None]
    told: str


def harmed(harm: Harm) -> Report:
    """Each change is made, looked at, and taken back."""
    began = time.monotonic()
    report = Report()
    victim = _Victim(Path(harm.top) / "site")
    ways: dict[str, Callable[[random.Random], Iterator[Change]]] = {
        "flip": victim.flips, "cut": victim.cuts, "zero": victim.zeros, "remove": victim.removals, "swap": victim.swaps,
    }  # fmt: skip
    changes = list(itertools.islice(ways[harm.how](random.Random(harm.seed)), harm.limit or None))
    for change in changes:
        report.points += 1
        report.fired += 1
        problem = victim.judged(change)
        if problem:
            report.failed.append(f"{change.told}: {problem}")
    report.seconds = time.monotonic() - began
    return report


class _Victim:
    def __init__(self, top: Path) -> None:
        (top / "project").mkdir(parents=True)
        site = Site(top)
        for operation in STORE:
            operation.do(site)
        self.top, self.root = top, site.root
        self.facts = observed(self.workspace)
        if doctor.examined(self.workspace).problems:
            raise RuntimeError("doctor finds something before anything is harmed")
        self.runs = tracking.find_runs(self.workspace).runs
        self.documents = _documents(self.workspace)
        paths = sorted(path for path in self.root.rglob("*") if path.is_file())
        self.files = {str(path.relative_to(self.root)): path.read_bytes() for path in paths}

    @property
    def workspace(self) -> Workspace:
        return Site(self.top).workspace

    # Ways to harm

    def flips(self, chance: random.Random) -> Iterator[Change]:
        """A bit of a byte, any byte of the store as likely as another; and of each file at least one."""
        places = [(name, at) for name, data in self.files.items() for at in range(len(data))]
        first = [(name, chance.randrange(len(data))) for name, data in self.files.items() if data]
        for name, at in itertools.chain(first, (chance.choice(places) for _ in itertools.repeat(None))):
            bit = 1 << chance.randrange(8)
            data = self.files[name]
            yield Change(
                {name: data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]}, f"bit {bit} of byte {at} of {name}"
            )

    def cuts(self, chance: random.Random) -> Iterator[Change]:
        """A document ends at any byte."""
        places = [(name, at) for name, data in self.files.items() if name.endswith(".json") for at in range(len(data))]
        chance.shuffle(places)
        for name, at in places:
            yield Change({name: self.files[name][:at]}, f"{name} cut at byte {at}")

    def zeros(self, chance: random.Random) -> Iterator[Change]:
        """A file, or the second half of it, is full of zeros."""
        for name, data in self.files.items():
            if data:
                yield Change({name: bytes(len(data))}, f"{name} full of zeros")
                half = len(data) // 2
                yield Change({name: data[:half] + bytes(len(data) - half)}, f"{name} half full of zeros")

    def removals(self, chance: random.Random) -> Iterator[Change]:
        """A file is gone."""
        for name in self.files:
            yield Change({name: None}, f"{name} gone")

    def swaps(self, chance: random.Random) -> Iterator[Change]:
        """Two files of a kind have changed places."""
        kinds: dict[str, list[str]] = {}
        for name in self.files:
            kinds.setdefault(_kind(name), []).append(name)
        # A version's number is the name of its file and in no digest, so that branches which gave the same one can be
        # merged: where neither holds a stage nothing tells which was which.
        stageless = {name for name in self.files if name.startswith("models/plain/versions/")}
        for names in kinds.values():
            for one, other in itertools.combinations(names, 2):
                if self.files[one] != self.files[other] and not {one, other} <= stageless:
                    yield Change({one: self.files[other], other: self.files[one]}, f"{one} and {other} swapped")

    # Looking

    def judged(self, change: Change) -> str:
        """What went unnoticed, or suffered with it; '' where nothing did."""
        try:
            for name, content in change.content.items():
                self._put(name, content)
            problems = doctor.examined(self.workspace).problems
            if problems and "store.json" in change.content:
                return ""  # what is no store for sure is read by doctor alone
            found = _documents(self.workspace, self.runs)
            if not problems and not all(name.startswith(IDLE) for name in change.content):
                return self._unnoticed(change)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        finally:
            for name in change.content:
                self._put(name, self.files[name])
        lost = [name for name, told in self.documents.items() if found.get(name) != told and not _touched(name, change)]
        return f"suffered with it: {', '.join(lost[:5])}" if lost else ""

    def _unnoticed(self, change: Change) -> str:
        told = difference(self.facts, self._facts())
        gone = [name for name, content in change.content.items() if content is None]
        # A run that has no files and that no version stands on, a model's last version, its last event: a document
        # that is gone leaves no trace where nothing else names it; what is committed is git's to bring back.
        if told and not (gone and all(_kind(name) in {"run", "version", "event"} for name in gone)):
            return f"doctor finds nothing, and {told}"
        return ""

    def _facts(self) -> Facts:
        try:
            return observed(self.workspace)
        except (MlcliError, AssertionError) as error:
            return {"unreadable": str(error)}

    def _put(self, name: str, content: bytes | None) -> None:
        path = self.root / name
        if content is None:
            path.unlink()
            return
        if path.exists():
            path.chmod(0o644)
        path.parent.mkdir(parents=True, exist_ok=True)
        # In place, as a disk does it: an artifact and the object that it is a name of change together.
        with open(path, "r+b" if path.exists() else "wb") as file:
            file.truncate()
            file.write(content)


def _kind(name: str) -> str:
    if name.startswith("runs/"):
        return "artifact" if "/artifacts/" in name else "points" if name.endswith(".jsonl") else "run"
    if name.startswith("models/"):
        return {"versions": "version", "events": "event", "stages": "stage"}[name.split("/")[2]]
    return name.split("/")[0]


def _documents(workspace: Workspace, runs: Sequence[Run] | None = None) -> dict[str, Any]:
    """Each document, history and content by the name of its file, as far as it can be read: of those runs, or all."""
    store = workspace.store
    found: dict[str, Any] = {}

    def put(name: str, read: Callable[..., Any], *arguments: Any) -> None:
        with suppress(MlcliError):
            found[name] = read(*arguments)

    listed = {run.id: run for run in tracking.find_runs(workspace).runs}
    for run in runs or listed.values():
        if run.id in listed:
            found[f"runs/{run.id[:2]}/{run.id}.json"] = listed[run.id]
        put(f"runs/{run.id[:2]}/{run.id}/metrics.jsonl", store.points, run.id)
        for kept in run.artifacts:
            put(f"objects/{kept.digest.partition(':')[2]}", _content, store, kept)
    for model in store.models():
        for number in store.version_numbers(model):
            put(f"models/{model}/versions/{number}.json", store.version, model, number)
        put(f"models/{model}/events", _stages, store, model)
    return found


def _content(store: DiskStore, kept: Artifact) -> bytes:
    return Path(store.content_path(kept)).read_bytes()


def _stages(store: DiskStore, model: str) -> Any:
    return store.history(model).stages


def _touched(document: str, change: Change) -> bool:
    """Whether a document is one of those that were changed, or made of them."""
    for name in change.content:
        if document == name or name.startswith(document):
            return True
        if _kind(name) in {"objects", "artifact"} and document.startswith("objects/"):
            return True
        if _kind(name) == "run" and document.startswith(name.removesuffix(".json")):
            return True
    return False
