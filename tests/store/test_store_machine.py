"""Whatever is done in whatever order, the store on disk answers as the one in memory does, which has no files to get wrong.

HYPOTHESIS_PROFILE=nightly pytest tests/store/test_store_machine.py    # 2,000 sequences instead of 100
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from mlcli import checking, doctor, machine, registry, tracking, trash
from mlcli.domain.model import ModelVersion
from mlcli.domain.run import Model, Run, RunStatus
from mlcli.domain.source import Command, Environment, GitState, Person, Process, Source
from mlcli.domain.stage import Stage
from mlcli.errors import MlcliError
from mlcli.lookup import find_run
from mlcli.store import search
from mlcli.store.index import Index
from mlcli.store.memory import MemoryStore
from mlcli.workspace import Workspace

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SEQUENCES = settings(
    max_examples=2000 if NIGHTLY else 100,
    stateful_step_count=50 if NIGHTLY else 25,
    deadline=None,
    derandomize=bool(os.environ.get("CI")) and not NIGHTLY,
    suppress_health_check=list(HealthCheck),
)
START = datetime(2026, 11, 21, 6, 40, tzinfo=timezone.utc)
GONE = Process(pid=2**22 - 1, host=os.uname().nodename, boot_id=machine.boot_id(), start_ticks=1)
FILTERS = (
    None, "metrics.loss < 1", "params.lr = 0.1", "params.lr = 'high' or tags.team = 'vision'", "status = 'finished'",
    "not status in ('failed', 'killed')", "name like '%a%'", "experiment = 'other'", "model is not null", "note != ''",
)  # fmt: skip
SORTS = (None, "metrics.loss", "metrics.loss:desc", "name", "params.lr:desc", "started")

which = st.integers(0, 7)
keys = st.sampled_from(["loss", "lr", "acc", "größe"])
numbers = st.one_of(st.floats(-10, 10), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300]))
values = st.one_of(
    st.integers(-(2**70), 2**70), numbers, st.sampled_from(["high", "0.1", "", True, None, [1, "a"], {"a": 1}])
)
texts = st.sampled_from(["vision", "", "a b", "é\u202e", "\x1b[0m"])
steps = st.sampled_from([0, 1, 2, 7, -3, 2**63 - 1])
paths = st.sampled_from(["model.bin", "Model.bin", "plots/a.png", "plots", "plots/b/c.txt"])
contents = st.sampled_from(["", "one", "two", "x" * 300_000])
models = st.sampled_from(["iris", "wine", "Iris"])
stages = st.sampled_from([stage.value for stage in Stage])


class Held(MemoryStore):
    """The store in memory, as a workspace asks it."""

    def is_made(self) -> bool:
        return True

    def make(self) -> None:
        pass


class Pair(RuleBasedStateMachine):
    """Each thing is done twice, and both must answer the same."""

    def __init__(self) -> None:
        super().__init__()
        self.top = tempfile.mkdtemp(prefix="mlcli-machine-")
        for name in ("disk", "memory", "made", "memory/.mlruns"):
            os.mkdir(f"{self.top}/{name}")
        self.ours = machine.this_process()
        self.clocks = [itertools.count(), itertools.count()]
        self.ids = [itertools.count(1), itertools.count(1)]
        self.disk, self.memory = self._workspace(0), self._workspace(1)
        self.disk.make_store()
        self.memory.store = Held(f"{self.top}/memory/.mlruns", is_alive=machine.is_alive)  # type: ignore[assignment]
        self.made = itertools.count()
        self.runs: list[str] = []
        self.versions: list[str] = []

    def teardown(self) -> None:
        shutil.rmtree(self.top)

    def _workspace(self, which: int) -> Workspace:
        clock, ids = self.clocks[which], self.ids[which]
        return Workspace(
            f"{self.top}/{('disk', 'memory')[which]}",
            environ={"USER": "ada", "HOME": self.top, "MLCLI_DURABILITY": "none"},
            now=lambda: START + timedelta(seconds=next(clock)),
            new_id=lambda: f"{next(ids) * 0x3F2A9C1D % 2**32:08x}" + "0" * 24,
        )

    def both(self, verb: Callable[[Workspace], Any]) -> Any:
        """What the verb answers on disk, which is what it answers in memory."""
        told = [self._answer(verb, workspace) for workspace in (self.disk, self.memory)]
        assert told[0] == told[1], "\n".join(differences(*told))
        return None if isinstance(told[0], str) else told[0]

    def _answer(self, verb: Callable[[Workspace], Any], workspace: Workspace) -> Any:
        try:
            return plain(verb(workspace))
        except MlcliError as error:
            return f"{error.code}: {error}".replace(workspace.root, "ROOT")

    # Runs

    @initialize(status=st.sampled_from(["finished", "failed"]), indexed=st.booleans())
    def two_runs(self, status: str, indexed: bool) -> None:
        """One with a model, ended and registered, and one that still runs: most of what can be done needs such."""
        if indexed:
            self.make_index()
        self.begin("first", 0.1, alive=True, other=False)
        self.begin("second", 0.1, alive=True, other=False)
        self.log_model(0, "one", "model")
        self.log_metrics(0, {"loss": 0.5}, 1)
        self.finish(0, status, 0)
        self.register(0, "iris", None, once=False)

    @rule(name=st.none() | texts, lr=st.none() | values, alive=st.booleans(), other=st.booleans())
    def begin(self, name: str | None, lr: Any, alive: bool, other: bool) -> None:
        source = Source(
            command=Command(argv=["python", "train.py"]), git=GitState(commit="c" * 40), environment=Environment(),
            process=self.ours if alive else GONE, user=Person(name="ada"), at=START,
        )  # fmt: skip
        given = tracking.Given(name=name, experiment="other" if other else None)
        run = self.both(lambda workspace: tracking.begin(workspace, replace(source, at=workspace.now()), given))
        if run is not None:
            self.runs.append(run["id"])
        if run is not None and lr is not None:
            self.both(lambda workspace: tracking.log_params(workspace, run["id"], {"lr": lr}))

    @rule(at=which, params=st.dictionaries(keys, values, max_size=3))
    def log_params(self, at: int, params: dict[str, Any]) -> None:
        run = self.runs[at % len(self.runs)]
        self.both(lambda workspace: tracking.log_params(workspace, run, params))

    @rule(at=which, metrics=st.dictionaries(keys, numbers, min_size=1, max_size=3), step=steps)
    def log_metrics(self, at: int, metrics: dict[str, float], step: int) -> None:
        run = self.runs[at % len(self.runs)]

        def log(workspace: Workspace) -> None:
            live = workspace.store.run(run).ended_at is None
            tracking.log_metrics(workspace, run, metrics, step=step, live=live)

        self.both(log)

    @rule(at=which, metric=keys, count=st.sampled_from([1, 3, 150]), value=numbers)
    def log_many(self, at: int, metric: str, count: int, value: float) -> None:
        run = self.runs[at % len(self.runs)]

        def log(workspace: Workspace) -> None:
            if workspace.store.run(run).ended_at is not None:
                return
            recorder = workspace.store.recorder(run)
            recorder.know(metric)
            began = int(workspace.now().timestamp()) * 10**9
            for step in range(count):
                recorder.add(metric, value + step, step, began + step * 1000)
            recorder.close()

        self.both(log)

    @rule(at=which, tags=st.dictionaries(st.sampled_from(["team", "k"]), texts, max_size=2), gone=st.booleans())
    def tag(self, at: int, tags: dict[str, str], gone: bool) -> None:
        run = self.runs[at % len(self.runs)]
        self.both(lambda workspace: tracking.set_tags(workspace, run, tags))
        if gone:
            self.both(lambda workspace: tracking.remove_tags(workspace, run, ["team"]))

    @rule(at=which, note=texts, name=texts)
    def note(self, at: int, note: str, name: str) -> None:
        run = self.runs[at % len(self.runs)]
        self.both(lambda workspace: tracking.set_note(workspace, run, note))
        self.both(lambda workspace: tracking.rename(workspace, run, name))

    @rule(at=which, path=paths, content=contents)
    def log_artifact(self, at: int, path: str, content: str) -> None:
        run = self.runs[at % len(self.runs)]
        source = f"{self.top}/made/{next(self.made)}"
        Path(source).write_text(content)
        self.both(lambda workspace: tracking.log_artifact(workspace, run, source, path))

    @rule(at=which, content=contents, path=st.sampled_from(["model", "plots"]))
    def log_model(self, at: int, content: str, path: str) -> None:
        run = self.runs[at % len(self.runs)]
        source = f"{self.top}/made/{next(self.made)}"
        os.mkdir(source)
        Path(source, "model.joblib").write_text(content)
        Path(source, "model.json").write_text("{}")
        described = Model(path=path, flavor="joblib", python_class="builtins.str", digest="", file="model.joblib")
        self.both(lambda workspace: tracking.log_model(workspace, run, source, described))

    @rule(at=which, status=st.sampled_from(["finished", "finished", "failed", "killed"]), code=st.sampled_from([0, 3]))
    def finish(self, at: int, status: str, code: int) -> None:
        run = self.runs[at % len(self.runs)]
        self.both(lambda workspace: tracking.finish(workspace, run, RunStatus(status), exit_code=code))

    # Models

    @rule(
        at=st.none() | which,
        model=models,
        artifact=st.sampled_from([None, None, "model", "model.bin"]),
        once=st.booleans(),
    )
    def register(self, at: int | None, model: str, artifact: str | None, once: bool) -> None:
        run = None if at is None else self.runs[at % len(self.runs)]
        done = self.both(
            lambda workspace: registry.register(workspace, model, run, artifact=artifact if run else None, once=once)
        )
        if done is not None and done["version"]["ref"] not in self.versions:
            self.versions.append(done["version"]["ref"])

    @precondition(lambda self: self.versions)
    @rule(at=which, stage=stages, keep=st.booleans(), once=st.booleans())
    def promote(self, at: int, stage: str, keep: bool, once: bool) -> None:
        version = self.versions[at % len(self.versions)]
        self.both(lambda workspace: registry.promote(workspace, version, stage, keep=keep, once=once))

    # Removed

    @rule(chosen=st.lists(which, min_size=1, max_size=3))
    def remove(self, chosen: list[int]) -> None:
        things = [*self.runs, *self.versions]
        refs = [things[at % len(things)] for at in chosen]
        self.both(lambda workspace: trash.remove(workspace, refs, why="not needed"))

    @rule(at=which)
    def end_and_remove(self, at: int) -> None:
        run = self.runs[at % len(self.runs)]
        made = {
            version: self._answer(lambda w, ref=version: find_run(w, ref).id, self.memory) for version in self.versions
        }
        on_it = [version for version, of in made.items() if of == run]
        for version in on_it:
            self.both(lambda workspace, ref=version: registry.promote(workspace, ref, "archived"))
        self.both(lambda workspace: tracking.finish(workspace, run, RunStatus.FINISHED))
        self.both(lambda workspace: trash.remove(workspace, [*on_it, run]))

    @precondition(lambda self: self.memory.store.removed())
    @rule(at=which)
    def restore(self, at: int) -> None:
        there = sorted(reference(each.what) for each in self.memory.store.removed())
        self.both(lambda workspace: trash.restore(workspace, [there[at % len(there)]]))

    @rule(days=st.sampled_from([0, 0, 1]), dry_run=st.booleans())
    def collect(self, days: int, dry_run: bool) -> None:
        self.both(lambda workspace: swept(trash.collect(workspace, older_than=timedelta(days=days), dry_run=dry_run)))

    # The store on disk alone

    @rule()
    def reopen(self) -> None:
        self.disk = self._workspace(0)

    @rule()
    def make_index(self) -> None:
        store = self.disk.store
        store.files.make_directory(".cache")
        Index(store.files.path(search.INDEX), store.runs.directory, store.files.path("runs")).close()

    @rule()
    def lose_index(self) -> None:
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.disk.store.files.path(search.INDEX + ending))

    @rule()
    def lose_cache(self) -> None:
        shutil.rmtree(self.disk.store.files.path(".cache"), ignore_errors=True)

    @rule()
    def mend(self) -> None:
        """End the runs whose process is gone, which is all there is to mend."""
        mended = doctor.examined(self.disk, fix=True).mended
        vanished = [
            run.id
            for run in self.memory.store.find_runs().runs
            if run.status is RunStatus.KILLED and run.ended_at is None
        ]
        assert sorted(mended) == sorted(f"ended run {run[:8]} as killed" for run in vanished)
        for run in sorted(vanished, key=lambda run: mended.index(f"ended run {run[:8]} as killed")):
            reason = self.memory.store.run(run).reason
            tracking.finish(self.memory, run, RunStatus.KILLED, reason=reason)

    # What is always so

    @invariant()
    def everything_reads_the_same(self) -> None:
        self.both(told)

    @invariant()
    def nothing_is_wrong(self) -> None:
        found = [problem for problem in doctor.examined(self.disk).problems if problem.code != "run-vanished"]
        assert found == [], found

    @rule(filter_=st.sampled_from(FILTERS), sort=st.sampled_from(SORTS), limit=st.sampled_from([None, 0, 1, 3]))
    def search(self, filter_: str | None, sort: str | None, limit: int | None) -> None:
        def found(workspace: Workspace) -> Any:
            answer = tracking.find_runs(workspace, filter_, sort=sort, limit=limit)
            assert answer.problems == []
            return answer.runs

        self.both(found)


def told(workspace: Workspace) -> Any:
    """Everything that a store can be asked."""
    store = workspace.store
    found = store.find_runs()
    assert found.problems == []
    runs = {
        run.id: {
            "run": run,
            "points": sorted(map(repr, store.points(run.id))),
            "files": {file.path: Path(store.content_path(file)).read_bytes()[:9] for file in run.artifacts},
            "here": sorted(os.listdir(store.artifacts_directory(run.id))) if run.artifacts else [],
            "made": [state.version.ref for state in registry.versions_from(workspace, run)],
        }
        for run in found.runs
    }
    names = store.models()
    registered = {
        name: {
            "model": registry.registered_model(workspace, name),
            "history": registry.history(workspace, name),
            "holders": [getattr(store.holder(name, stage), "number", None) for stage in Stage],
            "check": [f.code for f in checking.check_names(workspace, name)],
        }
        for name in names
    }
    removed = sorted(reference(each.what) for each in trash.removed(workspace))
    return [[run.id for run in found.runs], store.run_ids(), runs, registered, registry.models(workspace), removed]


def reference(what: Run | ModelVersion) -> str:
    """How a run or version is named without a doubt."""
    return what.id if isinstance(what, Run) else what.ref


def swept(what: Any) -> Any:
    """What a sweep took; how long content waits, and its bytes, are told by files."""
    return {"runs": sorted(what.runs), "versions": sorted(what.versions), "objects": what.objects, "left": what.left}


def plain(value: Any) -> Any:
    """An answer as it can be compared: a file's checksum, and digests that rest on it, are the disk's alone."""
    if isinstance(value, ModelVersion):
        return {
            **{name: plain(getattr(value, name)) for name in value.__struct_fields__ if name != "digest"},
            "ref": value.ref,
        }
    if hasattr(value, "__struct_fields__"):
        hidden = {"points"} if isinstance(value, Run) else {"digest"} if isinstance(value, registry.Entry) else set()
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__ if name not in hidden}
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return repr(value) if isinstance(value, float) else value


def differences(one: Any, other: Any, at: str = "$") -> list[str]:
    """Where two answers are not the same: the first said on disk, the second in memory."""
    if isinstance(one, dict) and isinstance(other, dict):
        alone = [f"{at}.{key}: only {'on disk' if key in one else 'in memory'}" for key in one.keys() ^ other.keys()]
        return alone + [
            line for key in one.keys() & other.keys() for line in differences(one[key], other[key], f"{at}.{key}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [line for number, each in enumerate(one) for line in differences(each, other[number], f"{at}[{number}]")]
    return [] if one == other else [f"{at}: {one!r} != {other!r}"]


@pytest.mark.slow
def test_the_store_on_disk_answers_as_the_one_in_memory() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Pair, settings=SEQUENCES)
