"""What a workload does, an operation a line: what it calls, and what the store must say afterwards."""

from __future__ import annotations

import hashlib
import os
import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from mlcli import machine, registry, tracking, trash
from mlcli.domain.run import Model, RunStatus
from mlcli.domain.source import Command, Environment, GitState, Person, Source
from mlcli.domain.stage import Stage
from mlcli.errors import MlcliError, NotFound
from mlcli.workspace import Workspace, utc_now

from .facts import Facts, digest, move
from .injector import State
from .journal import DONE, FAILED, RAISED, STARTED, Journal, Line

if TYPE_CHECKING:
    from mlcli.domain.run import PointRecorder

NOBODY = "f" * 32


class Site:
    """Where a workload works: a workspace in a directory of its own, whose runs are called by name."""

    def __init__(
        self, top: Path, ids: dict[str, str] | None = None, clock: State | None = None, files: Path | None = None
    ) -> None:
        self.top, self.clock, self.files = top, clock, files or top / "files"
        self.workspace = Workspace(str(top / "project"), environ={"HOME": str(top)}, new_id=lambda: self.next_id)
        self.ids = dict(ids or {})
        self.recorders: dict[str, PointRecorder] = {}
        self.steps: dict[str, int] = {}
        self.swing = 0
        self.attempt = 0
        self.next_id = ""

    @property
    def root(self) -> Path:
        """The store's directory."""
        return Path(self.workspace.store.root)

    def id(self, name: str) -> str:
        """The id of the run of that name; NotFound where it could not be begun."""
        if name not in self.ids:
            raise NotFound(f"run {name} was not begun")
        return self.ids[name]

    def recorder(self, name: str) -> PointRecorder:
        """Whoever appends to the run's metrics, as `mlcli.log_metric` keeps one."""
        if name not in self.recorders:
            self.recorders[name] = self.workspace.store.recorder(self.id(name))
        return self.recorders[name]

    def settle(self, name: str) -> None:
        """Let go of the run's recorder, as the end of a run does."""
        if name in self.recorders:
            self.recorders.pop(name).close()

    def pass_time(self, seconds: float) -> None:
        """Let the time of day go on, where it stands still."""
        if self.clock is not None and self.clock.clock_ns:
            self.clock.clock_ns += int(seconds * 1e9)

    def clock_off(self, seconds: int) -> None:
        """Let the time of day be off by so much."""
        if self.clock is not None:
            self.clock.clock_offset_ns = seconds * 1_000_000_000

    def source(self, name: str, content: str) -> str:
        """A file of the user's, outside the store."""
        return f"{self.sources({name: content})}/{name}"

    def sources(self, contents: Mapping[str, str]) -> str:
        """A directory of the user's, outside the store."""
        path = self.files / digest(repr(sorted(contents.items())))
        for name, content in contents.items():
            if not (path / name).exists() or (path / name).read_text() != content:
                path.mkdir(parents=True, exist_ok=True)
                (path / name).write_text(content)
        return str(path)


class World:
    """What the store must say: facts; and the ids of the runs by name, what was done, and which points may be lost."""

    def __init__(self, facts: Facts | None = None, ids: dict[str, str] | None = None) -> None:
        self.facts, self.ids = dict(facts or {}), dict(ids or {})
        self.did: frozenset[str] = frozenset()
        self.loose: dict[str, list[tuple[int, float]]] = {}

    def after(self, operation: Operation, effect: Effect, attempt: int = 0, *, loose: bool = False) -> World:
        """The world once an operation had that effect; `loose` points may be lost until their run has ended."""
        world = World(self.facts, self.ids)
        world.did, world.loose = self.did | {operation.name}, dict(self.loose)
        effect(world, attempt)
        for key, value in world.facts.items():
            added = value[len(self.facts.get(key, ())) :] if loose and " metric " in key else []
            if added:
                world.loose[key] = [*world.loose.get(key, []), *added]
        if operation.settles:
            settled = world.ids.get(operation.settles, NOBODY)
            world.loose = {key: points for key, points in world.loose.items() if not key.startswith(settled)}
        return world

    def with_facts(self, added: Facts) -> World:
        """The same world with more in it."""
        world = World({**self.facts, **added}, self.ids)
        world.did, world.loose = self.did, self.loose
        return world

    @property
    def key(self) -> str:
        """Two worlds with the same one are the same."""
        return repr(
            (sorted(self.facts.items()), sorted(self.ids.items()), sorted(self.did), sorted(self.loose.items()))
        )

    def id(self, name: str) -> str | None:
        """The id of the run of that name, None where it is not there."""
        found = self.ids.get(name)
        return found if found in self.facts else None

    def told(self) -> Facts:
        """The facts once the process is gone: whatever still ran was killed."""
        there = ((key, value) for key, value in self.facts.items() if value is not None)
        told = {key: "killed" if value == "running" and " " not in key else value for key, value in there}
        told |= {key: sorted(value) for key, value in told.items() if " metric " in key}
        return {key: "there" if key.startswith("trash ") else value for key, value in told.items()}


Effect = Callable[[World, int], None]


class Operation(Struct, frozen=True, kw_only=True):
    """One call, and its effect on the world; `once` says that it is refused where it was done before, `lazy`
    that the power may take it back.

    `parts` are the effects it may have had where it was killed half-way; what it logs `separate`ly may be there in part.
    What is `resumed` goes on where it failed. It may make the points of a run durable: `settles` is its name.
    """

    name: str
    do: Callable[[Site], Any]
    effect: Effect
    once: bool = False
    lazy: bool = False
    settles: str = ""
    separate: bool = False
    resumed: bool = False
    parts: Sequence[Effect] = ()


def run_id(name: str, attempt: int) -> str:
    """The id of a run, the same in every process."""
    return hashlib.md5(f"{name} {attempt}".encode()).hexdigest()


# Runs


def begin(name: str) -> Operation:
    def do(site: Site) -> None:
        site.next_id = run_id(name, site.attempt)
        given = tracking.Given(name=name, tags={"of": name})
        site.ids[name] = tracking.begin(site.workspace, _source(), given).id

    def effect(world: World, attempt: int) -> None:
        world.ids[name] = run_id(name, attempt)
        world.facts[run_id(name, attempt)] = "running"
        world.facts[f"{run_id(name, attempt)} tag of"] = name

    return Operation(name=f"begin {name}", do=do, effect=effect)


def _source() -> Source:
    return Source(
        command=Command(argv=["python", "train.py"]), git=GitState(), environment=Environment(),
        process=machine.this_process(), user=Person(name="Ada"), at=utc_now(),
    )  # fmt: skip


def _on_run(name: str, change: Callable[[Facts, str], None]) -> Effect:
    def effect(world: World, attempt: int) -> None:
        found = world.id(name)
        if found is not None:
            change(world.facts, found)

    return effect


def params(name: str, **values: Any) -> Operation:
    return Operation(
        name=f"params {name}",
        do=lambda site: tracking.log_params(site.workspace, site.id(name), values),
        effect=_on_run(name, lambda facts, run: facts.update({f"{run} param {k}": v for k, v in values.items()})),
    )


def tags(name: str, **values: str) -> Operation:
    return Operation(
        name=f"tags {name}",
        do=lambda site: tracking.set_tags(site.workspace, site.id(name), values),
        effect=_on_run(name, lambda facts, run: facts.update({f"{run} tag {k}": v for k, v in values.items()})),
    )


def note(name: str, text: str) -> Operation:
    return Operation(
        name=f"note {name}",
        do=lambda site: tracking.set_note(site.workspace, site.id(name), text),
        effect=_on_run(name, lambda facts, run: facts.update({f"{run} note": text})),
    )


def metrics(name: str, step: int, **values: float) -> Operation:
    """Points through tracking, as of a run that another process began."""
    return _points(
        f"metrics {name}",
        name,
        [(metric, step, value) for metric, value in values.items()],
        lambda site: tracking.log_metrics(site.workspace, site.id(name), values, step=step),
    )


def point(name: str, metric: str, step: int, value: float, jump: float = 0.0) -> Operation:
    """A point through the recorder, as `mlcli.log_metric` does; `jump` seconds after the one before."""

    def do(site: Site) -> None:
        recorder = site.recorder(name)
        if metric not in recorder.heads:
            recorder.know(metric)
        recorder.add(metric, value, step)

    return _points(f"point {name}", name, [(metric, step, value)], do, jump)


def points(name: str, step: int, **values: float) -> Operation:
    """Points of several metrics through the recorder, as `mlcli.log_metrics` does."""

    def do(site: Site) -> None:
        recorder = site.recorder(name)
        for metric in values:
            if metric not in recorder.heads:
                recorder.know(metric)
        recorder.add_many(values, step)

    return _points(f"points {name}", name, [(metric, step, value) for metric, value in values.items()], do)


def _points(
    what: str, name: str, logged: list[tuple[str, int, float]], do: Callable[[Site], None], jump: float = 0.0
) -> Operation:
    def change(facts: Facts, run: str) -> None:
        added: dict[str, list[tuple[int, float]]] = {}
        for metric, step, value in logged:
            added.setdefault(f"{run} metric {metric}", []).append((step, value))
        facts.update({key: [*facts.get(key, []), *values] for key, values in added.items()})

    def jumped(site: Site) -> None:
        site.pass_time(jump)
        do(site)

    return Operation(name=what, do=jumped, effect=_on_run(name, change), separate=True)


def burst(name: str, metric: str, count: int) -> Operation:
    """A loop that logs a point at each step, as training does; tried again, it goes on at the step that failed."""

    def do(site: Site) -> None:
        recorder = site.recorder(name)
        if metric not in recorder.heads:
            recorder.know(metric)
        while (step := site.steps.setdefault(f"{name} {metric}", 0)) < count:
            recorder.add(metric, step / 8, step)
            site.steps[f"{name} {metric}"] = step + 1

    made = _points(f"burst {name}", name, [(metric, step, step / 8) for step in range(count)], do)
    return replace(made, resumed=True)


def artifact(name: str, path: str, content: str) -> Operation:
    def do(site: Site) -> None:
        source = site.source(os.path.basename(path), content)
        tracking.log_artifact(site.workspace, site.id(name), source, path)

    effect = _on_run(name, lambda facts, run: facts.update({f"{run} artifact {path}": digest(content)}))
    return Operation(name=f"artifact {name}", do=do, effect=effect)


def directory(name: str, path: str, **contents: str) -> Operation:
    """Several files by one call."""

    def do(site: Site) -> None:
        tracking.log_artifact(site.workspace, site.id(name), site.sources(contents), path)

    told = {f"artifact {path}/{file}": digest(content) for file, content in contents.items()}
    effect = _on_run(name, lambda facts, run: facts.update({f"{run} {key}": value for key, value in told.items()}))
    return Operation(name=f"directory {name}", do=do, effect=effect)


def model(name: str, content: str) -> Operation:
    """A saved model, as the flavors hand one over."""

    def do(site: Site) -> None:
        saved = os.path.dirname(site.source("model.joblib", content))
        described = Model(path="model", flavor="joblib", python_class="str", digest="", file="model.joblib")
        tracking.log_model(site.workspace, site.id(name), saved, described)

    def change(facts: Facts, run: str) -> None:
        facts[f"{run} model model"] = "joblib"
        facts[f"{run} artifact model/model.joblib"] = digest(content)

    return Operation(name=f"model {name}", do=do, effect=_on_run(name, change))


def finish(name: str) -> Operation:
    def do(site: Site) -> None:
        site.settle(name)
        tracking.finish(site.workspace, site.id(name), RunStatus.FINISHED)

    effect = _on_run(name, lambda facts, run: facts.update({run: "finished"}))
    return Operation(name=f"finish {name}", do=do, effect=effect, settles=name)


def end(name: str) -> Operation:
    """The run is ended by another than who logs to it, and who goes on."""
    effect = _on_run(name, lambda facts, run: facts.update({run: "finished"}))
    return Operation(
        name=f"end {name}",
        do=lambda site: tracking.finish(site.workspace, site.id(name), RunStatus.FINISHED),
        effect=effect,
        settles=name,
    )


def remove(*names: str) -> Operation:
    """Runs to the trash, one after the other."""

    def gone(count: int) -> Effect:
        def effect(world: World, attempt: int) -> None:
            for run in (world.ids.get(name, NOBODY) for name in names[:count]):
                if run in world.facts:
                    world.facts[f"trash {run}"] = {key: world.facts.pop(key) for key in _keys(world, run)}

        return effect

    return Operation(
        name=f"remove {' '.join(names)}",
        do=lambda site: trash.remove(site.workspace, [site.id(name) for name in names]),
        effect=gone(len(names)),
        parts=[gone(count) for count in range(1, len(names))],
        once=True,
    )


def restore(name: str) -> Operation:
    """A run from the trash, with all that was logged to it."""

    def effect(world: World, attempt: int) -> None:
        world.facts |= world.facts.pop(f"trash {world.ids.get(name)}", {})

    return Operation(
        name=f"restore {name}",
        do=lambda site: trash.restore(site.workspace, [site.id(name)]),
        effect=effect,
        once=True,
    )


def remove_version(name: str, number: int) -> Operation:
    def effect(world: World, attempt: int) -> None:
        if f"{name}@{number}" in world.facts:
            world.facts[f"trash {name}@{number}"] = world.facts.pop(f"{name}@{number}")
            _moved(world, name, f"{number} removed")

    return Operation(
        name=f"remove {name}@{number}",
        do=lambda site: trash.remove(site.workspace, [f"{name}@{number}"]),
        effect=effect,
        once=True,
    )


def restore_version(name: str, number: int) -> Operation:
    def effect(world: World, attempt: int) -> None:
        if f"trash {name}@{number}" in world.facts:
            world.facts[f"{name}@{number}"] = world.facts.pop(f"trash {name}@{number}")
            _moved(world, name, f"{number} restored")

    return Operation(
        name=f"restore {name}@{number}",
        do=lambda site: trash.restore(site.workspace, [f"{name}@{number}"]),
        effect=effect,
        once=True,
    )


def collect(days: float = 0.0) -> Operation:
    """What has been in the trash for so long is taken for good, and content that nothing cites."""

    def taken(which: int) -> Effect:
        """Those of what lies in the trash whose bit is set: in what order they go is not said."""

        def effect(world: World, attempt: int) -> None:
            for number, key in enumerate(sorted(key for key in world.facts if key.startswith("trash "))):
                if which >> number & 1 and not days:
                    del world.facts[key]

        return effect

    return Operation(
        name="collect",
        do=lambda site: trash.collect(site.workspace, older_than=timedelta(days=days)),
        effect=taken(-1),
        parts=[taken(which) for which in range(1, 8)],
        lazy=True,
    )


def _keys(world: World, run: str) -> list[str]:
    return [key for key in world.facts if key.partition(" ")[0] == run]


# The registry


def _moved(world: World, name: str, said: str) -> None:
    world.facts[f"{name} moves"] = [*world.facts.get(f"{name} moves", []), said]


def register(name: str, of: str) -> Operation:
    def effect(world: World, attempt: int) -> None:
        run = world.id(of)
        if run is not None and f"{run} model model" in world.facts:
            world.facts[f"{name}@{max(_numbers(world, name), default=0) + 1}"] = f"model of {run}"

    return Operation(
        name=f"register {name}",
        do=lambda site: registry.register(site.workspace, name, site.id(of)),
        effect=effect,
        once=True,
    )


def promote(name: str, number: int, stage: str) -> Operation:
    def effect(world: World, attempt: int) -> None:
        if f"{name}@{number}" not in world.facts:
            return
        stages = _stages(world, name)
        archived = [
            other for other in sorted(stages) if stages[other] == stage and other != number and Stage(stage).exclusive
        ]
        before = stages.get(number, "none")
        _moved(world, name, move(number, before, stage, archived))
        for held in ("staging", "production"):
            if world.facts.get(f"{name} {held}") in {number, *archived}:
                world.facts[f"{name} {held}"] = None
        if Stage(stage).exclusive:
            world.facts[f"{name} {stage}"] = number

    return Operation(
        name=f"promote {name}@{number} {stage}",
        do=lambda site: registry.promote(site.workspace, f"{name}@{number}", stage),
        effect=effect,
        once=True,
    )


def _numbers(world: World, name: str) -> list[int]:
    """Every number that was ever given to a version of the model."""
    here = [key.removeprefix("trash ") for key in world.facts]
    told = [int(said.split()[0]) for said in world.facts.get(f"{name} moves", [])]
    return told + [int(key.rpartition("@")[2]) for key in here if key.startswith(f"{name}@")]


def _stages(world: World, name: str) -> dict[int, str]:
    stages: dict[int, str] = {}
    for said in world.facts.get(f"{name} moves", []):
        found = _MOVE.fullmatch(said)
        if found is None:
            continue  # removed or restored
        number, after, archived = found.groups()
        stages[int(number)] = after
        stages |= {int(other): "archived" for other in (archived or "").split(", ") if other}
    return stages


_MOVE = re.compile(r"(\d+) \w+ > (\w+)(?:, \[([\d, ]+)\] archived)?")


# Reading


def look() -> Operation:
    """Find, show and read, as whoever watches does: nothing changes."""

    def do(site: Site) -> None:
        workspace = site.workspace
        found = tracking.find_runs(workspace, "metrics.loss < 1", sort="metrics.loss:asc")
        for problem in found.problems:
            raise problem
        for run in found.runs:
            workspace.store.points(workspace.store.run(run.id).id)
        for name in workspace.store.models():
            registry.history(workspace, name)

    return Operation(name="look", do=do, effect=lambda world, attempt: None)


# Performing


class Relents(Protocol):
    """Something that goes wrong, until it is told to cease."""

    def relent(self) -> None:
        """Let nothing go wrong from now on."""


def perform(
    site: Site, operations: Sequence[Operation], journal: Journal, state: Relents | None = None, *, width: int = 1
) -> None:
    """Do one operation after the other, noting each.

    Where one fails, those that follow it up to `width` are tried as well before what went wrong ceases; then each
    that failed is tried again.
    """
    at = 0
    while at < len(operations):
        if _tried(site, operations, at, 0, journal):
            at += 1
            continue
        group = range(at, min(at + (1 if operations[at].resumed else width), len(operations)))
        failed = [at, *(number for number in group[1:] if not _tried(site, operations, number, 0, journal))]
        if state is not None:
            state.relent()
        for number in failed:
            _tried(site, operations, number, 1, journal)
        at = group[-1] + 1


def _tried(site: Site, operations: Sequence[Operation], number: int, attempt: int, journal: Journal) -> bool:
    site.attempt = attempt
    if site.swing:
        site.clock_off(site.swing if number % 2 else -site.swing)
    journal.add(Line(number, attempt, STARTED, time.time()))
    try:
        operations[number].do(site)
    except MlcliError as error:
        what = FAILED if "\n" not in error.message and error.message else RAISED
        journal.add(Line(number, attempt, what, time.time(), f"{type(error).__name__}: {error.message}"))
        return False
    except Exception as error:
        journal.add(Line(number, attempt, RAISED, time.time(), _where(error)))
        return False
    journal.add(Line(number, attempt, DONE, time.time()))
    return True


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return f"{type(error).__name__}: {error} at " + ", ".join(f"{f.name}:{f.lineno}" for f in frames)
