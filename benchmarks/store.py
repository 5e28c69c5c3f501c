"""What the store costs at scale, beside floors and peers measured in the same run: `make bench-store`.

    make bench-store ARGS='search logging'            some parts: search, logging, writers, artifacts
    make bench-store ARGS='--quick'                   a tenth of everything, to see that it works

Whatever needs mlcli is done by children, each in a process of its own, so that each one's CPU, time and memory are its
own. Ratios are what counts, as machines differ: a figure and its floor are taken in turn, and medians are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from loggers import Logger, Together, mlcli_itself, peer, plain_files, project, unsynced
from measuring import MIB, Row, Spent, at_least, at_most, random_file, random_files, scratch, spend

QUERY = ['metrics.acc > 0.9 and params.depth = "5"', "--sort", "metrics.acc:desc", "--limit", "20"]
SMALL = 100
DIGEST = """
import hashlib, sys
sha, part = hashlib.sha256(), bytearray(2**20)
with open(sys.argv[1], "rb", buffering=0) as file:
    while size := file.readinto(part):
        sha.update(memoryview(part)[:size])
"""


@dataclass(frozen=True)
class Bench:
    """Where a bench works, on what, and with how much."""

    directory: Path
    mlcli: Logger
    runs: int = 100_000
    points: int = 10_000_000
    seconds: float = 3.0
    writers: int = 200
    mib: int = 1024
    files: int = 10_000
    times: int = 7
    peers: tuple[str, ...] = ()

    def command(self, *arguments: str, at: Path) -> Spent:
        return spend([f"{self.directory}/wheel/bin/mlcli", *arguments], at=at, env=self.mlcli.env)

    @property
    def unsynced(self) -> Logger:
        return unsynced(self.mlcli)


def median(values: list[float]) -> float:
    return statistics.median(values)


def cpu_of(spent: list[Spent]) -> float:
    return median([each.cpu for each in spent])


def wall_of(spent: list[Spent]) -> float:
    return median([each.wall for each in spent])


# Searching


def search(bench: Bench) -> Iterator[Row]:
    small, large = project(bench.directory / "small"), project(bench.directory / "large")
    bench.mlcli.ask("documents", SMALL, at=small)
    bench.mlcli.ask("documents", bench.runs, at=large)
    rebuilds = []
    for _ in range(3):
        shutil.rmtree(large / ".mlruns" / ".cache", ignore_errors=True)
        rebuilds.append(bench.command("ls", "--limit", "1", at=large))
    time.sleep(2.5)  # what was written within two seconds of being read is read once more
    bench.command("ls", "--limit", "1", at=large)

    few, many, added = [], [], []
    for _ in range(bench.times):
        few.append(bench.command("ls", *QUERY, at=small))
        many.append(bench.command("ls", *QUERY, at=large))
    for _ in range(bench.times):
        bench.command("run", "--", "true", at=large)
        added.append(bench.command("ls", *QUERY, at=large))
    shutil.rmtree(large)
    name = f"ls, filter and sort: {bench.runs:,} runs beside {SMALL}"
    cpu = f"{cpu_of(many) * 1000:.0f} ms beside {cpu_of(few) * 1000:.0f}"
    yield at_most(f"{name}, CPU", f"{cpu_of(many) / cpu_of(few):.2f}x ({cpu})", cpu_of(many) / cpu_of(few), 2.5)
    wall = f"{wall_of(many) * 1000:.0f} ms beside {wall_of(few) * 1000:.0f}"
    yield at_most("  wall", f"{wall_of(many) / wall_of(few):.2f}x ({wall})", wall_of(many) / wall_of(few), 2.5)
    memory = max(each.memory for each in many) / MIB
    yield at_most("  its memory", f"{memory:.0f} MiB", memory, 200, " MiB")
    yield at_most(
        "  after one run was added, CPU", f"{cpu_of(added) / cpu_of(many):.2f}x", cpu_of(added) / cpu_of(many), 1.2
    )
    yield at_most("    wall", f"{wall_of(added) / wall_of(many):.2f}x", wall_of(added) / wall_of(many), 1.2)
    for what, seconds in (("CPU", cpu_of(rebuilds)), ("wall", wall_of(rebuilds))):
        rate = bench.runs / seconds
        yield at_least(f"rebuild of the index, {what}", f"{rate:,.0f} runs/s ({seconds:.1f} s)", rate, 10_000)
    yield Row("  its memory", f"{max(each.memory for each in rebuilds) / MIB:.0f} MiB")


# Logging


def logging(bench: Bench) -> Iterator[Row]:
    at = project(bench.directory / "logging")
    for verb, name, each in (("points", "log_metric, one point a call", 1), ("ten", "log_metrics, ten a call", 10)):
        told = bench.mlcli.ask(verb, bench.seconds, at=at)
        ratio = median([rate / floor for rate, floor in zip(told["rates"], told["floors"], strict=True)])
        rate, floor = median(told["rates"]) * each, median(told["floors"]) * each
        yield at_least(name, f"{ratio:.2f} of its floor ({rate:,.0f} points/s of {floor:,.0f})", ratio, 0.5)
        if each == 1:
            yield at_least("  aim", f"{rate:,.0f} points/s", rate, 1_000_000)
    million = min(bench.points, 1_000_000)
    ended = bench.mlcli.ask("log", million, at=at)
    yield Row(f"ending a run of {million:,} points", f"{ended['end']:.2f} s (logged in {ended['seconds']:.2f} s)")
    read = bench.mlcli.ask("curve", at=at)
    rate, floor = median(read["rates"]), median(read["floors"])
    told_floor = f"{rate / floor:.2f} of plain JSON"
    yield at_least(f"a curve of {read['points']:,} points, read", f"{rate:,.0f}/s ({told_floor})", rate, 2_000_000)
    yield from _memory_of_logging(bench, at)
    yield _killed(bench)
    shutil.rmtree(at)


def _memory_of_logging(bench: Bench, at: Path) -> Iterator[Row]:
    none, many = (bench.mlcli.spend("log", count, at=at).memory / MIB for count in (0, bench.points))
    what = f"memory of logging {bench.points:,} points, and ending"
    yield at_most(what, f"{many - none:.1f} MiB more than none ({none:.0f} -> {many:.0f})", many - none, 50, " MiB")


def _killed(bench: Bench) -> Row:
    """Calls that came back before kill -9, and the points that are there after; five times, at different moments."""
    acknowledged = there = 0
    whole = True
    for number in range(5):
        at = project(bench.directory / f"killed-{number}")
        counter = at / "counter"
        counter.write_bytes(bytes(8))
        child = bench.mlcli.start("endless", counter, at=at)
        try:
            _until_counted(counter)
            time.sleep(random.uniform(0.1, 0.5))
        finally:
            child.send_signal(signal.SIGKILL)
            child.communicate()
        came_back = int.from_bytes(counter.read_bytes(), sys.byteorder)
        found = bench.mlcli.ask("there", at=at)
        acknowledged, there = acknowledged + came_back, there + found["count"]
        whole = whole and found["in_order"] and came_back <= found["count"] <= came_back + 1
        shutil.rmtree(at)
    return Row("kill -9 while logging, 5 times", f"{acknowledged:,} acknowledged, {there:,} there", "none lost", whole)


def _until_counted(counter: Path) -> None:
    last = time.monotonic() + 30
    while not any(counter.read_bytes()):
        if time.monotonic() > last:
            raise SystemExit("bench: nothing was logged")
        time.sleep(0.01)


# Many writers


def writers(bench: Bench) -> Iterator[Row]:
    alone = [plain_files(bench.mlcli), bench.mlcli, bench.unsynced]
    others: list[Logger] = []
    for name in bench.peers:
        logger, told = peer(name, bench.directory / "home")
        others += [logger] if logger else []
        yield Row(f"peer: {name}", told)
    done: dict[tuple[str, int], list[Together]] = defaultdict(list)
    for _ in range(3):
        for processes, loggers in ((1, alone), (8, [*alone, *others])):
            for logger in loggers:
                done[logger.name, processes].append(_at_once(bench, logger, processes, max(bench.writers // 4, 5), 5))
    for (name, processes), rounds in done.items():
        yield _written(f"{processes} process{'es' if processes > 1 else ''}: {name}", rounds)
    rate = {name: median([each.rate for each in rounds]) for (name, processes), rounds in done.items() if processes > 1}

    def beside(name: str, other: str) -> float:
        return median([one.rate / two.rate for one, two in zip(done[name, 8], done[other, 8], strict=True)])

    if peers := {name: rate[name] for name in bench.peers if name in rate}:
        if "mlflow" in peers:
            ratio = beside("mlcli", "mlflow")
            yield at_least("  mlcli beside mlflow's default store", f"{ratio:.1f}x", ratio, 5, "x")
        fastest = max(peers, key=peers.__getitem__)
        ratio = beside("mlcli unsynced", fastest)
        yield at_least(f"  mlcli unsynced beside {fastest}, the fastest peer", f"{ratio:.2f}x", ratio, 1, "x")
    many = _at_once(bench, bench.mlcli, 32, bench.writers, 600)
    yield _written(f"32 processes, {bench.writers} runs each: mlcli", [many])


def _at_once(bench: Bench, logger: Logger, processes: int, each: int, seconds: float) -> Together:
    at = project(bench.directory / "writers")
    done = logger.together(at, processes, each, seconds)
    shutil.rmtree(at)
    return done


def _written(name: str, rounds: list[Together]) -> Row:
    made, there = sum(each.made for each in rounds), sum(each.there for each in rounds)
    cpu = median([each.cpu for each in rounds]) * 1000
    figure = f"{median([each.rate for each in rounds]):,.0f} runs/s, {cpu:.1f} ms CPU a run"
    died = sum(each.died for each in rounds)
    lost = f"{there:,} of {made:,}" + (f", {died} processes died" if died else "")
    if not name.endswith(("mlcli", "mlcli unsynced")):
        return Row(name, f"{figure}; {lost}")
    return Row(name, f"{figure}; {lost}", "none lost", made == there and not died)


# Artifacts


def artifacts(bench: Bench) -> Iterator[Row]:
    yield from _one_file(bench)
    yield from _many_files(bench)


# Of artifacts the least of several rounds is taken, not the median, and what was written is dropped from memory before
# the next: in a virtual machine the first write to a page that its host took back costs ten times as much as another,
# so that the order of a copy and an import would decide which of them is the dearer.


def _one_file(bench: Bench) -> Iterator[Row]:
    big = bench.directory / "big"
    random_file(big, bench.mib)
    spent: dict[str, list[Spent]] = defaultdict(list)
    grew = 0
    for number in range(6):
        at = project(bench.directory / f"file-{number}")
        spent["alone"].append(bench.mlcli.spend("artifact", at=at))
        spent["hash"].append(_plain(bench, str(bench.mlcli.python), "-c", DIGEST, str(big)))
        spent["copy"].append(_copy(bench, "cp", big))
        spent["first"].append(bench.mlcli.spend("artifact", big, at=at))
        before = used(at)
        _let_go(at)
        spent["second"].append(bench.mlcli.spend("artifact", big, at=at))
        grew = max(grew, used(at) - before)
        _let_go(at)
        bench.command("run", "--", "true", at=at)
        spent["command"].append(bench.command("log", "artifact", str(big), "--run", "@", at=at))
        shutil.rmtree(at)
    big.unlink()
    cpu = {name: min(each.cpu for each in rounds) for name, rounds in spent.items()}
    wall = {name: min(each.wall for each in rounds) for name, rounds in spent.items()}
    for name, what in (
        ("copy", f"cp of {bench.mib:,} MiB"), ("hash", "  its SHA-256, by hashlib"),
        ("alone", "  an empty run, taken off below"),
    ):  # fmt: skip
        yield Row(what, f"{cpu[name]:.2f} s CPU, {wall[name]:.2f} s wall")
    for name, what, limit in (("first", "log_artifact of it", 3), ("second", "  the second time", 2)):
        own = cpu[name] - cpu["alone"]
        floor = f"{own:.2f} s; cp and SHA-256: {(cpu['copy'] + cpu['hash']) / cpu['copy']:.2f}x"
        yield at_most(f"{what}, CPU", f"{own / cpu['copy']:.2f}x cp ({floor})", own / cpu["copy"], limit)
        own = wall[name] - wall["alone"]
        yield Row("    wall, with fsync", f"{own / wall['copy']:.2f}x cp ({own:.2f} s)")
    yield at_most("    disk it takes", f"{grew / 1024:,.0f} KiB more", grew / MIB, 1, " MiB")
    yield _memory(spent["first"] + spent["second"], spent["alone"])
    whole = f"{cpu['command'] / cpu['copy']:.2f}x cp ({cpu['command']:.2f} s CPU)"
    yield Row("  mlcli log artifact, the third time, whole", whole)


def _many_files(bench: Bench) -> Iterator[Row]:
    small = bench.directory / "files"
    random_files(small, bench.files)
    spent: dict[str, list[Spent]] = defaultdict(list)
    for number in range(5):
        at, loose = project(bench.directory / f"files-{number}"), project(bench.directory / f"loose-{number}")
        spent["alone"].append(bench.mlcli.spend("artifact", at=at))
        spent["copy"].append(_copy(bench, "cp", "-r", small))
        for logger, where, name in (
            (bench.mlcli, at, "first"), (bench.mlcli, at, "second"), (bench.unsynced, loose, "unsynced"),
        ):  # fmt: skip
            spent[name].append(logger.spend("directory", small, at=where))
            _let_go(where)
        shutil.rmtree(at)
        shutil.rmtree(loose)
    cpu = {name: min(each.cpu for each in rounds) for name, rounds in spent.items()}
    wall = {name: min(each.wall for each in rounds) for name, rounds in spent.items()}
    files = f"{bench.files:,} files of 4 KiB"
    yield Row(f"cp -r of {files}", f"{cpu['copy']:.2f} s CPU, {wall['copy']:.2f} s wall")
    for name, what in (
        ("first", f"log_artifacts of {files}"), ("second", "  the second time"), ("unsynced", "  unsynced"),
    ):  # fmt: skip
        for kind, least in (("CPU", cpu), ("wall", wall)):
            own = least[name] - least["alone"]
            told = f"{own / least['copy']:.2f}x cp -r ({own:.2f} s)"
            row = Row(f"{what}, {kind}", told)
            yield at_most(row.what, told, own / least["copy"], 2.5) if name == "first" else row
    yield _memory(spent["first"], spent["alone"])


def _memory(spent: list[Spent], alone: list[Spent]) -> Row:
    most, run = (max(each.memory for each in rounds) / MIB for rounds in (spent, alone))
    return at_most("  memory", f"{most:.0f} MiB ({most - run:.0f} more than an empty run)", most, 64, " MiB")


def _copy(bench: Bench, *command: str | Path) -> Spent:
    target = bench.directory / "copy"
    spent = _plain(bench, *map(str, command), str(target))
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    return spent


def _let_go(at: Path) -> None:
    if not hasattr(os, "posix_fadvise"):  # macOS
        return
    for where, _, names in os.walk(at):
        for name in names:
            descriptor = os.open(f"{where}/{name}", os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def _plain(bench: Bench, *argv: str) -> Spent:
    return spend(list(argv), at=bench.directory, env=bench.mlcli.env)


def used(at: Path) -> int:
    """Bytes of disk that a directory takes, each file once however many names it has."""
    blocks = {}
    for where, _, names in os.walk(at):
        for name in names:
            found = os.lstat(f"{where}/{name}")
            blocks[found.st_ino] = found.st_blocks * 512
    return sum(blocks.values())


PARTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "search": search,
    "logging": logging,
    "writers": writers,
    "artifacts": artifacts,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if none is said")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--runs", type=int, default=100_000, help="runs that are searched")
    parser.add_argument("--points", type=int, default=10_000_000, help="points whose memory is measured")
    parser.add_argument("--writers", type=int, default=200, metavar="RUNS", help="runs of each of 32 writers")
    peers = "mlflow; sacred; dvclive"  # the one that is asked for, and the fastest two of `make bench-peers`
    parser.add_argument("--peers", default=peers, help=f"of the writers; {peers} if not said, '' for none")
    parser.add_argument("--mib", type=int, default=1024, help="size of the one file")
    parser.add_argument("--files", type=int, default=10_000, help="how many small files")
    parser.add_argument("--times", type=int, default=7, help="how often each search is made")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a figure is over")
    parser.add_argument("--json", metavar="FILE", help="also write every figure here")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    by = 10 if args.quick else 1
    rows = []
    with scratch(needed=5 * args.mib // by * MIB + 2**31) as directory:
        bench = Bench(
            directory, mlcli_itself(directory), runs=args.runs // by, points=args.points // by,
            seconds=3.0 / by, writers=args.writers // by, mib=args.mib // by, files=args.files // by, times=args.times,
            peers=tuple(name for each in args.peers.split(";") if (name := each.strip())),
        )  # fmt: skip
        print(Row("figure", "measured", "asked"))
        for part in args.parts or PARTS:
            for row in PARTS[part](bench):
                print(row, flush=True)
                rows.append(row)
    print(f"Python {sys.version.split()[0]} · {os.cpu_count()} CPUs · medians; of artifacts the least")
    if args.json:
        Path(args.json).write_text(json.dumps([row.shown for row in rows], indent=2) + "\n")
    if args.strict and any(row.met is False for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
