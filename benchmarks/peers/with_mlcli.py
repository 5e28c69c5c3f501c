"""mlcli through its Python API, and what only it is asked: a store of many runs, a curve read back."""

from __future__ import annotations

import time

import mlcli

start, end = mlcli.start_run, mlcli.end_run
point, params, artifact = mlcli.log_metric, mlcli.log_params, mlcli.log_artifact
directory = mlcli.log_artifacts


def metrics(values, step):
    mlcli.log_metrics(values, step=step)


def count():
    """The finished runs that have all of what `adapter.py runs` logs."""
    found = _store().find_runs().runs
    ended = [run for run in found if run.status == "finished"]
    return sum((len(run.params), len(run.metrics), len(run.artifacts)) == (10, 10, 1) for run in ended)


def _store():
    from mlcli.workspace import Workspace

    return Workspace.find().store


def ask_there():
    """The newest run's points."""
    store = _store()
    (run,) = store.find_runs(limit=1).runs
    steps = [point.step for point in store.points(run.id, "loss")]
    return {"count": len(steps), "in_order": steps == list(range(len(steps)))}


def ask_curve():
    """The newest run's curve read three times: points a second, beside decoding its lines as plain JSON."""
    import msgspec

    store = _store()
    (run,) = store.find_runs(limit=1).runs
    rates, floors = [], []
    for _ in range(3):
        began = time.perf_counter()
        with open(f"{store.root}/runs/{run.id[:2]}/{run.id}/metrics.jsonl", "rb") as file:
            lines = msgspec.json.Decoder().decode_lines(file.read())
        floors.append(len(lines) / (time.perf_counter() - began))
        del lines
        began = time.perf_counter()
        points = store.points(run.id, "loss")
        rates.append(len(points) / (time.perf_counter() - began))
        read = len(points)
        del points
    return {"points": read, "rates": rates, "floors": floors}


def ask_documents(count):
    """A store of finished runs with 10 params and 10 metrics each, written as mlcli writes documents."""
    import random
    import uuid
    from datetime import datetime, timedelta, timezone
    from pathlib import Path

    from mlcli.domain.run import Metric, Param, ParamSource, Run, RunStatus
    from mlcli.domain.source import Command, Environment, GitState, Person
    from mlcli.store import schema
    from mlcli.store.disk import DiskStore

    store = DiskStore(".mlruns", sync=False)
    store.make()
    chance, begin = random.Random(1), datetime(2026, 1, 1, tzinfo=timezone.utc)
    for number in range(int(count)):
        moment = begin + timedelta(seconds=10 * number)
        params = {"depth": Param(str(chance.randint(1, 10)), ParamSource.LOGGED)}
        params |= {f"p{key}": Param(chance.random(), ParamSource.LOGGED) for key in range(9)}
        metrics = {}
        for key in ["acc", *(f"m{each}" for each in range(9))]:
            value = chance.random()
            metrics[key] = Metric(last=value, step=0, at=moment, min=value, min_step=0, max=value, max_step=0, count=1)
        run = Run(
            id=uuid.UUID(int=chance.getrandbits(128), version=4).hex, name=f"run-{number}", status=RunStatus.FINISHED,
            started_at=moment, ended_at=moment, exit_code=0, command=Command(argv=["python", "train.py"]),
            git=GitState(commit="a" * 40, branch="main"), environment=Environment(), user=Person(name="Ada"),
            params=params, metrics=metrics,
        )  # fmt: skip
        path = Path(store.files.path(store.runs.directory.name(run.id)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(schema.encode(schema.sealed("run", schema.run_fields(run))))
    return {}
