"""What the store costs at scale: searching 100,000 runs, logging, reading curves, many writers: `make bench-store`.

Every figure stands beside a floor or the same thing at another size, measured in the same run, as machines differ.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

from bench import cpu_seconds, environment, installed

QUERY = ['metrics.acc > 0.9 and params.depth = "5"', "--sort", "metrics.acc:desc", "--limit", "20"]
SMALL = 100


def store_of(at: Path, count: int) -> None:
    """A store of `count` finished runs with 10 params and 10 metrics each, written as mlcli writes documents."""
    from mlcli.domain.run import Metric, Param, ParamSource, Run, RunStatus
    from mlcli.domain.source import Command, Environment, GitState, Person
    from mlcli.store import schema
    from mlcli.store.disk import DiskStore

    at.mkdir(parents=True)
    store = DiskStore(f"{at}/.mlruns", sync=False)
    store.make()
    chance, begin = random.Random(1), datetime(2026, 1, 1, tzinfo=timezone.utc)
    for number in range(count):
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


def searching(scratch: Path, mlcli: str, env: dict[str, str], count: int, times: int) -> list[tuple[str, str, str]]:
    small, large = scratch / "small", scratch / "large"
    store_of(small, SMALL)
    store_of(large, count)
    began = time.perf_counter()
    cpu_seconds([mlcli, "ls", "--limit", "1"], at=large, env=env)
    rebuild = count / (time.perf_counter() - began)
    settled = time.time() + 2.5  # what was written within two seconds of being read is read once more
    while time.time() < settled:
        cpu_seconds([mlcli, "ls", "--limit", "1"], at=small, env=env)
    cpu_seconds([mlcli, "ls", "--limit", "1"], at=large, env=env)

    def median(at: Path, arguments: list[str]) -> float:
        return statistics.median(cpu_seconds([mlcli, "ls", *arguments], at=at, env=env) for _ in range(times))

    few, many = median(small, QUERY), median(large, QUERY)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    cpu_seconds([mlcli, "ls", *QUERY], at=large, env=env)
    added = []
    for _ in range(times):
        subprocess.run([mlcli, "run", "--", "true"], cwd=large, env=env, check=True, capture_output=True)
        added.append(cpu_seconds([mlcli, "ls", *QUERY], at=large, env=env))
    return [
        (f"ls filtered, sorted, {count:,} runs beside {SMALL}", f"{many * 1000:.0f} ms, {many / few:.2f}x", "<= 2.5x"),
        ("its memory", f"{before // 1024} MiB", "< 200 MiB"),
        ("the query after one run was added", f"{statistics.median(added) / many:.2f}x", "<= 1.2x"),
        ("rebuild of the index", f"{rebuild:,.0f} runs/s", ">= 10,000"),
    ]


def logging(scratch: Path, points: int) -> list[tuple[str, str, str]]:
    import mlcli
    from mlcli.workspace import Workspace

    at = scratch / "logging"
    at.mkdir()
    os.chdir(at)
    subprocess.run(["git", "init", "-q"], check=True)
    floor = os.open(at / "floor", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def one_floor() -> None:
        for step in range(points):
            moment = time.time_ns()
            line = f'{{"metric":"loss","value":{step * 0.5!r},"step":{step},"at":{moment}}}\n'
            os.write(floor, line.encode())

    def ten_floor() -> None:
        for step in range(points // 10):
            moment = time.time_ns()
            lines = [f'{{"metric":"m{k}","value":{step * 0.5!r},"step":{step},"at":{moment}}}\n' for k in range(10)]
            os.write(floor, "".join(lines).encode())

    def one() -> None:
        log = mlcli.log_metric
        for step in range(points):
            log("loss", step * 0.5, step)

    def ten() -> None:
        for step in range(points // 10):
            mlcli.log_metrics({f"m{k}": step * 0.5 for k in range(10)}, step=step)

    with mlcli.start_run() as active:
        rates = [(_rate(points, each), _rate(points, beside)) for each, beside in ((one, one_floor), (ten, ten_floor))]
        for _ in range(max(0, 1_000_000 // points - 1)):
            one()
    began = time.perf_counter()
    curve = Workspace.find().store.points(active.run_id, "loss")
    read = len(curve) / (time.perf_counter() - began)
    (single, single_floor), (many, many_floor) = rates
    return [
        ("log_metric, one point a call", f"{single:,.0f}/s, {single / single_floor:.2f} of its floor", ">= 0.5"),
        ("log_metrics, ten a call", f"{many:,.0f}/s, {many / many_floor:.2f} of its floor", ">= 0.5"),
        (f"a curve of {len(curve):,} points, read", f"{read:,.0f}/s", ">= 2,000,000"),
    ]


def _rate(points: int, work: Callable[[], None]) -> float:
    best = 0.0
    for _ in range(3):
        began = time.perf_counter()
        work()
        best = max(best, points / (time.perf_counter() - began))
    return best


def small_runs(at: str, count: int) -> int:
    """`count` runs of 10 params, 10 metrics and an artifact; how many were made."""
    os.chdir(at)
    import mlcli

    Path(f"artifact-{os.getpid()}").write_text("x" * 1000)
    for number in range(count):
        with mlcli.start_run():
            mlcli.log_params({f"p{key}": number * key for key in range(10)})
            mlcli.log_metrics({f"m{key}": float(number * key) for key in range(10)})
            mlcli.log_artifact(f"artifact-{os.getpid()}")
    return count


def writers(scratch: Path, processes: int, each: int, durability: str) -> tuple[str, str, str]:
    at = scratch / f"writers-{processes}-{durability}"
    at.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=at, check=True)
    os.environ["MLCLI_DURABILITY"] = durability
    began = time.perf_counter()
    with ProcessPoolExecutor(processes) as pool:
        made = sum(pool.map(small_runs, [str(at)] * processes, [each] * processes))
    seconds = time.perf_counter() - began
    from mlcli.workspace import Workspace

    there = len(Workspace(str(at)).store.run_ids())
    asked = "none lost" if there == made else "LOST"
    return f"{processes} processes, {each} runs each, durability {durability}", f"{made / seconds:,.0f} runs/s", asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=7)
    args = parser.parse_args()
    bin_ = installed(Path(sys.prefix) / "bench")
    scratch = Path(tempfile.mkdtemp(prefix="mlcli-bench-"))
    try:
        env = environment(bin_, scratch / "home")
        rows = searching(scratch, str(bin_ / "mlcli"), env, args.runs, args.times)
        rows += logging(scratch, args.points)
        rows.append(writers(scratch, 8, 50, "full"))
        rows.append(writers(scratch, 8, 50, "none"))
        rows.append(writers(scratch, 32, 200, "full"))
    finally:
        os.chdir("/")
        shutil.rmtree(scratch)
    width = max(len(row[0]) for row in rows)
    for what, figure, asked in rows:
        print(f"{what:<{width}}  {figure:>42}  {asked}")
    print(json.dumps({"python": sys.version.split()[0], "cpus": os.cpu_count()}))


if __name__ == "__main__":
    main()
