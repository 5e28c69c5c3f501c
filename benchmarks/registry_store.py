"""What `mlcli check` costs with 20, 1,000 and 10,000 versions, as multiples of `python -c pass`: `make bench-registry`.

    make bench-registry ARGS='--counts 20 1000'            some of the counts
    make bench-registry ARGS='--make DIRECTORY 1000'       only the store that they are of

A model has a hundred versions. Their runs come from fifty commits, each with 60 packages, a few inputs and one small
artifact of its own; every tenth version was promoted to production in its turn. Git's own time is what a `git` found
first on the PATH measures of itself: it is told apart, as it is not mlcli's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from measuring import Row, Spent, at_most, environment, git, installed, scratch, spend

PER_MODEL, COMMITS, PACKAGES = 100, 50, 60
# Stands for git and starts it: what both took is told to a file, and the rest of the figure is mlcli's.
GIT = """\
#!{python} -IS
import os, sys, time
child = os.fork()
if not child:
    os.execv({git!r}, ["git", *sys.argv[1:]])
_, status, usage = os.wait4(child, 0)
own = time.process_time()
line = f"{{usage.ru_utime + usage.ru_stime}} {{own}}\\n"
told = os.open({told!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(told, line.encode())
os._exit(os.waitstatus_to_exitcode(status))
"""


def make(at: Path, versions: int) -> None:
    """A repository of so many versions, their runs and content here."""
    from msgspec.structs import replace

    from mlcli import capture, tracking
    from mlcli.domain.history import Action, Event, Holder
    from mlcli.domain.model import ModelVersion
    from mlcli.domain.run import Input, Metric, Param, ParamSource, RunStatus
    from mlcli.domain.source import Command, Person
    from mlcli.domain.stage import Stage
    from mlcli.workspace import Workspace

    os.environ["MLCLI_DURABILITY"] = "none"
    at.mkdir(parents=True)
    git(at, "init", "-q", "-b", "main")
    sources = list(_sources(at, capture, Workspace(str(at))))
    workspace, ada = Workspace(str(at)), Person(name="Ada Lovelace", email="ada@example.com")
    store, began = workspace.store, workspace.now() - timedelta(days=30)
    workspace.make_store()
    content = at.parent / f"{at.name}-content"
    for number in range(versions):
        model, when = f"model-{number // PER_MODEL}", began + timedelta(seconds=number)
        source = replace(sources[number % COMMITS], command=Command(argv=["python", "train.py", f"--seed={number}"]))
        given = {f"param_{each}": Param(each * number, ParamSource.COMMAND_LINE) for each in range(10)}
        run = tracking.begin(workspace, source, tracking.Given(params=given))
        content.write_text(f"model {number}\n" * 50)
        digest = "sha256:" + f"{number % 7:064x}"
        numbers = {
            f"metric_{each}": Metric(last=0.9, step=9, at=when, min=0.1, min_step=0, max=0.9, max_step=9, count=10)
            for each in range(5)
        }
        run = replace(
            run,
            status=RunStatus.FINISHED,
            ended_at=workspace.now(),
            metrics=numbers,
            inputs=[Input(path=f"data/{each}.csv", size=1000, digest=digest, seen=True) for each in range(3)],
            artifacts=store.keep(run.id, str(content), "model.bin"),
        )
        store.change_run(run.id, lambda _, run=run: run)  # type: ignore[misc]
        version = store.add_version(
            ModelVersion(
                model=model, number=0, path="model.bin", run=replace(run, process=None), registered_at=when,
                registered_by=ada, commit=run.git.commit,
            )
        )  # fmt: skip
        if number % PER_MODEL == 0:
            parents, holder = [], None
        event = Event(
            model=model, version=version.digest, from_stage=Stage.NONE, to_stage=Stage.NONE, parents=parents,
            at=when, by=ada, commit=run.git.commit, action=Action.REGISTERED, number=version.number,
        )  # fmt: skip
        parents = [store.add_event(event).digest]
        if number % 10 == 0:
            moved = replace(
                event, to_stage=Stage.PRODUCTION, action=Action.MOVED, number=None, parents=parents, why="better",
                archived=[holder] if holder else [],
            )  # fmt: skip
            parents, holder = [store.add_event(moved).digest], version.digest
            store.set_holder(model, Stage.PRODUCTION, Holder(number=version.number, version=holder, event=parents[0]))
    content.unlink()
    git(at, "add", "-A")
    git(at, "commit", "-q", "-m", "The registry")


def _sources(at, capture, workspace):  # type: ignore[no-untyped-def]
    from msgspec.structs import replace

    packages = {f"package-{each}": f"{each}.0.1" for each in range(PACKAGES)}
    for number in range(COMMITS):
        (at / "train.py").write_text(f"print({number})\n")
        git(at, "add", "train.py")
        git(at, "commit", "-q", "-m", f"Change {number}")
        source = capture.collect(
            ["python", "train.py"], root=str(at), cwd=str(at), environ=os.environ, at=workspace.now()
        )
        yield replace(source, environment=replace(source.environment, packages=packages))


def figures(directory: Path, bin_: Path, counts: list[int], times: int) -> Iterator[Row]:
    """For each count `check` as it is, and with --staged, beside `python -c pass` in the same rounds."""
    env, told = environment(bin_, directory / "home"), directory / "git-took"
    real = next(path for place in env["PATH"].split(":") if os.access(path := f"{place}/git", os.X_OK))
    shim = directory / "shim"
    shim.mkdir()
    (shim / "git").write_text(GIT.format(python=sys.executable, git=real, told=str(told)))
    (shim / "git").chmod(0o755)
    env["PATH"] = f"{shim}:{env['PATH']}"
    for count in counts:
        at = directory / f"of-{count}"
        spend([sys.executable, __file__, "--make", str(at), str(count)], at=directory, env=dict(os.environ))
        for arguments in (["check"], ["check", "--staged", "--quiet"]):
            yield _row(count, arguments, [_round(at, bin_, arguments, env, told) for _ in range(times + 1)][1:])


def _round(
    at: Path, bin_: Path, arguments: list[str], env: dict[str, str], told: Path
) -> tuple[Spent, Spent, float, float]:
    told.write_text("")
    base = spend([str(bin_ / "python"), "-c", "pass"], at=at, env=env)
    spent = spend([str(bin_ / "mlcli"), *arguments], at=at, env=env)
    lines = [[float(each) for each in line.split()] for line in told.read_text().splitlines()]
    return base, spent, sum(line[0] for line in lines), sum(line[1] for line in lines)


def _row(count: int, arguments: list[str], rounds: list[tuple[Spent, Spent, float, float]]) -> Row:
    base = statistics.median(base.cpu for base, _, _, _ in rounds)
    own = statistics.median(spent.cpu - gits - shims for _, spent, gits, shims in rounds)
    gits = statistics.median(gits for _, _, gits, _ in rounds)
    wall = statistics.median(spent.wall for _, spent, _, _ in rounds)
    shown = f"{own * 1000:.0f} ms, git {gits * 1000:.0f} ms, wall {wall * 1000:.0f} ms: {own / base:.1f}x"
    what = f"mlcli {' '.join(arguments)} ({count:,} versions)"
    return at_most(what, shown, own / base, 15) if count <= 1000 else Row(what, shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--make", nargs=2, metavar=("DIRECTORY", "VERSIONS"))
    parser.add_argument("--counts", type=int, nargs="+", default=[20, 1000, 10_000])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--here", action="store_true", help="measure the environment that runs this instead")
    args = parser.parse_args()
    if args.make:
        return make(Path(args.make[0]), int(args.make[1]))
    bin_ = Path(sys.executable).parent if args.here else installed(Path(sys.prefix) / "bench")
    with scratch() as directory:
        for row in figures(directory, bin_, args.counts, args.times):
            print(row, flush=True)
    return None


if __name__ == "__main__":
    main()
