"""What the registry costs with 20, 1,000 and 10,000 versions, beside GTO and MLflow: `make bench-registry`.

    make bench-registry ARGS=--quick                          to see that it works
    make bench-registry ARGS='--counts 1000 --only gto'       some of it
    make bench-registry ARGS='--make DIRECTORY 1000 100'      only mlcli's store, of models with a hundred versions each

One model has so many versions, each promoted to production in its turn; each round registers and promotes one more.
A first round warms up. Git's own time is what a `git` found first on the PATH measures of itself, and is told apart.
A peer is `benchmarks/peers/with_NAME_registry.py` and a line in `benchmarks/loggers.py`.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

from loggers import REGISTRIES, Logger, mlcli_itself, peer, project
from measuring import TooLong, at_most, git, scratch, spend

OPERATIONS = {
    "register": "a run as the next version",
    "promote": "that version to production; of MLflow, its stages",
    "alias": "that version as champion",
    "resolve": "what is in production: mlcli show iris@production",
    "by alias": "what is the champion: mlcli show iris@champion",
    "lineage": "mlcli lineage iris@production",
    "check": "mlcli check",
    "staged": "mlcli check --staged --quiet",
}
MEASURES = {
    "cold": "CPU of a process of its own, git's left out, as a multiple of `python -c pass` in the same rounds",
    "git": "what git took in it, as a multiple of the same",
    "cold, wall": "ms of that process by the clock",
    "warm": "ms of CPU of a call in a process that is there already, git's counted in",
    "warm, wall": "ms of that call by the clock",
    "of mlcli": "CPU of that call as a multiple of mlcli's",
}
COLD = ("cold", "git")
MANY, PER_MODEL = "mlcli, 100 a model", 100
SECONDS = 60  # a command that takes longer is ended, told, and not tried again
# A child of this shell is git: what it took is told to a file, and the rest of the figure is the registry's.
GIT = """\
#!{python} -IS
import os, sys
child = os.fork()
if not child:
    os.execv({git!r}, ["git", *sys.argv[1:]])
_, status, usage = os.wait4(child, 0)
own = sum(os.times()[:2])
line = f"{{usage.ru_utime + usage.ru_stime}} {{own}}\\n"
told = os.open({told!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(told, line.encode())
os._exit(os.waitstatus_to_exitcode(status))
"""
Figures = dict[tuple[str, str], float]


@dataclass
class Registry:
    """One store under measurement. `took` is {(measure, operation): its value in each round}.

    `rounds` has the commands of each round; `over` the operations that are not tried again: infinite where they take
    too long, not a number where they failed.
    """

    name: str
    logger: Logger
    at: Path
    rounds: list[dict[str, list[str]]]
    took: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    over: dict[str, float] = field(default_factory=dict)

    def commands(self, number: int, shim: Path) -> None:
        """A round of them, each after `python -c pass`."""
        env = {**self.logger.env, **self.logger.variables, "PATH": f"{shim}{os.pathsep}{self.logger.env['PATH']}"}
        for name, argv in self.rounds[number].items():
            if name in self.over:
                continue
            base = spend([str(self.logger.python), "-c", "pass"], at=self.at, env=env).cpu
            (shim / "told").write_text("")
            try:
                spent = spend(argv, at=self.at, env=env, seconds=SECONDS)
            except (TooLong, SystemExit) as failed:
                print(f"{self.name}: {name}: {failed}")
                self.over[name] = math.inf if isinstance(failed, TooLong) else math.nan
                continue
            lines = [[float(each) for each in line.split()] for line in (shim / "told").read_text().splitlines()]
            gits, shims = sum(line[0] for line in lines), sum(line[1] for line in lines)
            values = {"base": base, "git": gits, "cold": spent.cpu - gits - shims, "cold, wall": spent.wall - shims}
            for measure, value in values.items():
                self.took[measure, name].append(value)

    def operations(self, count: int) -> None:
        """The rounds that follow, in one process; what did not come to its end as a command is not tried."""
        times, told = len(self.rounds), {}
        try:
            told = self.logger.ask("operations", count + times + 1, times, *self.over, at=self.at)
        except SystemExit as failed:
            print(f"{self.name}, in one process: {failed}")
        for name, values in told.items():
            self.took["warm", name] = [cpu for cpu, _ in values]
            self.took["warm, wall", name] = [wall for _, wall in values]

    def figures(self) -> Figures:
        """{(measure, operation): the median of all rounds but the first}, in ms, or a multiple of `python -c pass`."""
        middle = {key: statistics.median(values[1:]) for key, values in self.took.items() if values[1:]}
        return {
            (measure, name): value / middle["base", name] if measure in COLD else value * 1000
            for (measure, name), value in middle.items()
        }


def make(logger: Logger, at: Path, *asked: int) -> Path:
    """A store in a repository of its own."""
    project(at)
    git(at, "config", "user.name", "Ada Lovelace")
    git(at, "config", "user.email", "ada@example.com")
    print(f"bench: {asked[0]:,} versions of {logger.name}", file=sys.stderr)
    logger.ask("make", *asked, at=at)
    return at


def stores(loggers: list[Logger], directory: Path, count: int, times: int) -> list[Registry]:
    """A store of each, and one of mlcli's with many models, which is checked alone."""
    found = []
    for logger in loggers:
        at = make(logger, directory / logger.adapter, count, 2 * times)
        rounds = logger.ask("commands", count + 1, times, at=at)["rounds"]
        found.append(Registry(logger.name, logger, at, rounds))
        if logger.name == "mlcli":
            at = make(logger, directory / "many", count, 0, PER_MODEL)
            checks = [{name: each[name] for name in ("check", "staged")} for each in rounds]
            found.append(Registry(MANY, logger, at, checks))
    return found


def measured(found: list[Registry], count: int, shim: Path) -> dict[str, Figures]:
    """What each took with so many versions, all in turn; what took too long is infinite."""
    for number in range(len(found[0].rounds)):
        for each in found:
            print(f"bench: {count:,} versions, round {number}: {each.name}", file=sys.stderr)
            each.commands(number, shim)
    for each in found:
        if each.name != MANY:
            print(f"bench: {count:,} versions, in one process: {each.name}", file=sys.stderr)
            each.operations(count)
    told = {each.name: each.figures() for each in found}
    for each in found:
        own = told[each.name]
        for name in OPERATIONS:
            if ("warm", name) in own and ("warm", name) in told.get("mlcli", {}):
                own["of mlcli", name] = own["warm", name] / told["mlcli"]["warm", name]
        own.update({("cold", name): value for name, value in each.over.items()})
    return told


def table(told: dict[int, dict[str, Figures]]) -> str:
    columns = [(name, count) for name in OPERATIONS for count in sorted(told)]
    lines = [f"{'':<32}" + "".join(f"{name if count == min(told) else '':>9}" for name, count in columns)]
    lines += [f"{'':<32}" + "".join(f"{count:>9,}" for _, count in columns)]
    for who in next(iter(told.values())):
        for measure in MEASURES:
            values = [told[count][who].get((measure, name)) for name, count in columns]
            if any(values):
                lines.append(f"{who:<20}{measure:<12}" + "".join(f"{_shown(value, measure):>9}" for value in values))
    return "\n".join(lines)


def _shown(value: float | None, measure: str) -> str:
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "failed" if math.isnan(value) else f">{SECONDS} s"
    shown = f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
    return shown + ("x" if measure in (*COLD, "of mlcli") else "")


def shimmed(shim: Path) -> Path:
    """A directory for the PATH whose `git` tells to `told` what it takes."""
    shim.mkdir()
    text = GIT.format(python=sys.executable, git=shutil.which("git"), told=str(shim / "told"))
    (shim / "git").write_text(text)
    (shim / "git").chmod(0o755)
    return shim


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[20, 1000, 10_000], help="how many versions")
    parser.add_argument("--times", type=int, default=5, help="rounds")
    parser.add_argument("--only", metavar="NAMES", help=f"some peers: {'; '.join(each.name for each in REGISTRIES)}")
    parser.add_argument("--alone", action="store_true", help="mlcli without peers")
    parser.add_argument("--quick", action="store_true", help="one round of 100 versions")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where check takes more than it may")
    parser.add_argument("--make", nargs="+", metavar=("DIRECTORY", "VERSIONS"), help="only make a store of mlcli's")
    args = parser.parse_args()
    names = [each.strip() for each in args.only.split(";")] if args.only else [each.name for each in REGISTRIES]
    counts, times = ([100], 2) if args.quick else (args.counts, args.times + 1)
    with scratch(needed=2**31) as directory:
        loggers = [replace(mlcli_itself(directory), adapter="mlcli_registry")]
        if args.make:
            make(loggers[0], Path(args.make[0]), int(args.make[1]), 10, *map(int, args.make[2:]))
            return
        for name in [] if args.alone else names:
            logger, version = peer(name, directory / "home")
            print(f"{name} {version}")
            loggers += [logger] if logger else []
        shim, told = shimmed(directory / "shim"), {}
        for count in counts:
            (at := directory / str(count)).mkdir()
            told[count] = measured(stores(loggers, at, count, times), count, shim)
            shutil.rmtree(at)
            print(f"\n{table(told)}\n", flush=True)
    print(*(f"{name:<12}{text}" for name, text in {**OPERATIONS, **MEASURES}.items()), sep="\n", end="\n\n")
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; '-': no such thing")
    rows = [
        at_most(f"{who} check, {count:,} versions", f"{each['cold', 'check']:.1f}x", each["cold", "check"], 15)
        for count, registries in told.items() if count <= 1000
        for who, each in registries.items() if ("cold", "check") in each
    ]  # fmt: skip
    print(*rows, sep="\n")
    sys.exit(args.strict and not all(row.met for row in rows))


if __name__ == "__main__":
    main()
