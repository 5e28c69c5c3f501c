"""mlcli beside its peers, each in an environment of its own and by its own documented API: `make bench-peers`.

    make bench-peers ARGS='--only "mlflow; sacred"'   some of them
    make bench-peers ARGS='--quick'                   to see that it works

The first time, every peer is installed below `.bench/`. One that does not install, or fails, is told and left out.
All are taken in turn, so that they see the same machine; each figure is the median of several rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loggers import PEERS, Logger, mlcli_itself, peer, plain_files, project, unsynced
from measuring import MIB, random_file, random_files, scratch

COLUMNS = {
    "points/s": "one point a call",
    "of floor": "the same as a part of a formatted line and one os.write, by the same interpreter",
    "with end": "one point a call, the run's end counted in: what waited in memory is written then",
    "us CPU": "CPU a point, of all threads, the end too",
    "ten": "points a second, ten metrics a call",
    "ten, end": "the same with the run's end",
    "runs/s": "runs of 10 params, 10 metrics and an artifact, in one process",
    "8 proc.": "the same by 8 processes at once",
    "lost": "runs that ended well and are not in the store, of all rounds",
    "died": "processes that ended in an error, of all rounds",
    "ms CPU": "CPU a run, of 8 processes",
    "file": "s of CPU to keep a file and end the run",
    "f. wall": "the same, wall",
    "files": "s of CPU to keep a directory of small files",
    "fs. wall": "the same, wall",
}


@dataclass(frozen=True)
class Sizes:
    seconds: float
    mib: int
    files: int
    runs: int = 50


def figures(logger: Logger, directory: Path, sizes: Sizes) -> Iterator[tuple[str, float]]:
    """One round of everything that the logger can do."""
    at = project(directory / "at")
    logger.ask("prepare", at=at)
    for verb, each, whole in (("points", 1, "with end"), ("ten", 10, "ten, end")):
        told = logger.ask(verb, sizes.seconds, at=at)
        if "rates" not in told:
            continue
        yield "points/s" if each == 1 else "ten", statistics.median(told["rates"]) * each
        yield whole, told["with_end"] * each
        if each == 1:
            pairs = zip(told["rates"], told["floors"], strict=True)
            yield "of floor", statistics.median([rate / floor for rate, floor in pairs])
            yield "us CPU", told["cpu"] * 1e6
    for verb, path, on_cpu, wall in (
        ("artifact", "big", "file", "f. wall"),
        ("directory", "files", "files", "fs. wall"),
    ):
        told = logger.ask(verb, directory / path, at=at)
        if "cpu" in told:
            yield on_cpu, told["cpu"]
            yield wall, told["wall"]
    shutil.rmtree(at)
    for processes, name in ((1, "runs/s"), (8, "8 proc.")):
        at = project(directory / "at")
        done = logger.together(at, processes, sizes.runs, sizes.seconds * 2)
        shutil.rmtree(at)
        yield name, done.rate
        if processes > 1:
            yield "ms CPU", done.cpu * 1000
            yield "lost", done.made - done.there
            yield "died", done.died


def rounds(loggers: list[Logger], directory: Path, sizes: Sizes, times: int) -> dict[str, dict[str, float]]:
    """The median of each figure; a logger that fails is told, and left out from then on."""
    found: dict[str, dict[str, list[float]]] = {logger.name: defaultdict(list) for logger in loggers}
    for number in range(times):
        for logger in list(loggers):
            print(f"bench: round {number + 1} of {times}: {logger.name}", file=sys.stderr)
            try:
                for name, value in figures(logger, directory, sizes):
                    found[logger.name][name].append(value)
            except SystemExit as failed:
                print(f"{logger.name} failed: {str(failed.code).splitlines()[-1]}")
                shutil.rmtree(directory / "at", ignore_errors=True)
                loggers.remove(logger)
    return {
        name: {
            key: sum(values) if key in {"lost", "died"} else statistics.median(values) for key, values in each.items()
        }
        for name, each in found.items()
    }


def table(found: dict[str, dict[str, float]]) -> str:
    lines = [f"{'':<16}" + "".join(f"{name:>10}" for name in COLUMNS)]
    for logger, each in found.items():
        shown = (f"{_shown(each[name]) if name in each else '-':>10}" for name in COLUMNS)
        lines.append(f"{logger:<16}" + "".join(shown))
    return "\n".join([*lines, "", *(f"{name:<10}{told}" for name, told in COLUMNS.items())])


def _shown(value: float) -> str:
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAMES", help=f"some peers: {'; '.join(each.name for each in PEERS)}")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--times", type=int, default=3, help="rounds")
    parser.add_argument("--mib", type=int, default=256, help="size of the one file")
    parser.add_argument("--files", type=int, default=1000, help="how many small files")
    parser.add_argument("--json", metavar="FILE", help="also write every figure here")
    args = parser.parse_args()
    names = [each.strip() for each in args.only.split(";")] if args.only else [each.name for each in PEERS]
    if unknown := set(names) - {each.name for each in PEERS}:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    sizes = Sizes(seconds=0.5, mib=16, files=100, runs=5) if args.quick else Sizes(2.0, args.mib, args.files)
    with scratch(needed=5 * sizes.mib * MIB + 2**31) as directory:
        mlcli = mlcli_itself(directory)
        loggers: list[Logger] = [plain_files(mlcli), mlcli, unsynced(mlcli)]
        for name in names:
            logger, told = peer(name, directory / "home")
            print(f"{name} {told}")
            loggers += [logger] if logger else []
        random_file(directory / "big", sizes.mib)
        random_files(directory / "files", sizes.files)
        found = rounds(loggers, directory, sizes, 1 if args.quick else args.times)
    print(f"\n{table(found)}\n")
    print(f"a file of {sizes.mib} MiB, {sizes.files:,} files of 4 KiB · Python {sys.version.split()[0]}", end=" · ")
    print(f"{os.cpu_count()} CPUs · medians; '-': has no such thing")
    if args.json:
        told_all: dict[str, Any] = {"sizes": vars(sizes), "figures": found}
        Path(args.json).write_text(json.dumps(told_all, indent=2) + "\n")


if __name__ == "__main__":
    main()
