"""What capture costs a command that knows nothing of it, beside the bare command: `make bench-capture`.

CPU time of the command and all that it starts. Each round measures both, by turns the one and the other first, and what
is told is the median of the rounds' ratios or differences. The bootstrap alone is put before a command as `mlcli run`
puts it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from measuring import Row, at_most, environment, git, installed, scratch, spend

OPENS = 100_000
# Prints the variables by which a command is watched, the code of the bootstrap laid out and compiled as for a run.
STAGE = """
import json, os, sys
from mlcli.capture import hook
from mlcli.domain.observed import Kind
from mlcli.workspace import ROOT_VARIABLE, STORE_VARIABLE
home, root = sys.argv[1:]
events = os.path.join(home, "events")
os.makedirs(events)
added = hook.variables(os.environ, hook.installed(os.path.join(home, "cache")), events, frozenset(Kind))
print(json.dumps({**added, ROOT_VARIABLE: root, STORE_VARIABLE: os.path.join(root, ".mlruns")}))
"""
TRAIN = """
import joblib, pandas
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import cross_val_score, train_test_split
x, y = make_classification(3000, 20, random_state=0)
x_train, x_test, y_train, y_test = train_test_split(pandas.DataFrame(x), y, random_state=0)
print(cross_val_score(RandomForestClassifier(145, random_state=0), x_train, y_train, cv=2).mean())
model = RandomForestClassifier(145, random_state=0).fit(x_train, y_train)
accuracy = accuracy_score(y_test, model.predict(x_test))
f1 = f1_score(y_test, model.predict(x_test))
joblib.dump(model, "model.joblib")
"""
LOOP = """
import sys
import numpy
x = numpy.random.RandomState(0).normal(size=(2000, 50))
y, w = x @ numpy.arange(50), numpy.zeros(50)
for epoch in range(int(sys.argv[1])):
    w -= 1e-4 * (x.T @ (x @ w - y))
    if epoch % 1000 == 0:
        print("epoch", epoch, "loss", float(((x @ w - y) ** 2).mean()))
"""
FILES = """
import os, sys
for part in range(10):
    os.makedirs(f"files/{part}", exist_ok=True)
    for number in range(100):
        with open(f"files/{part}/{number}", "w") as file:
            file.write("x")
"""
OPEN = """
import sys
names = [f"files/{part}/{number}" for part in range(10) for number in range(100)]
for turn in range(int(sys.argv[1]) // len(names)):
    for name in names:
        open(name, "rb").close()
"""
DEEPCOPY = """
import copy, sys
value = {number: [(number, str(number)), {"a": [number] * 5}] for number in range(200)}
for turn in range(int(sys.argv[1])):
    copy.deepcopy(value)
"""
LOGGING = """
import logging, sys
logging.basicConfig(stream=open("log.txt", "w"), level=logging.INFO)
log = logging.getLogger("bench")
for number in range(int(sys.argv[1])):
    log.info("record %d of %s", number, "many")
"""


@dataclass(frozen=True)
class Place:
    """Where it is measured: a repository, the environment of a bare command, and that of one that is watched."""

    at: Path
    bin: Path
    bare: dict[str, str]
    watched: dict[str, str]


def place(directory: Path) -> Place:
    """A repository with the scripts, and mlcli as a wheel."""
    bin_ = installed(directory / "wheel")
    env = environment(bin_, directory / "home") | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    at = directory / "project"
    at.mkdir()
    (at / ".gitignore").write_text("files/\n*.joblib\n*.txt\n")
    scripts = {"train": TRAIN, "loop": LOOP, "open": OPEN, "deepcopy": DEEPCOPY, "logs": LOGGING}
    for name, source in scripts.items():
        (at / f"{name}.py").write_text(source)
    git(at, "init", "-q", "-b", "main")
    git(at, "add", "-A")
    git(at, "commit", "-q", "-m", "Scripts")
    spend([sys.executable, "-c", FILES], at=at, env=env)
    staged = spend([str(bin_ / "python"), "-c", STAGE, str(directory / "staged"), str(at)], at=at, env=env)
    return Place(at, bin_, env, env | json.loads(staged.out))


@dataclass(frozen=True)
class Pairs:
    """CPU seconds, round by round: of one command, and of the other."""

    bare: list[float]
    other: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(other / bare for bare, other in zip(self.bare, self.other, strict=True))

    @property
    def more(self) -> float:
        return statistics.median(other - bare for bare, other in zip(self.bare, self.other, strict=True))

    @property
    def shown(self) -> str:
        return f"{statistics.median(self.other) * 1000:,.1f} ms beside {statistics.median(self.bare) * 1000:,.1f}"


def pairs(bare: list[str], other: list[str], where: Place, env: dict[str, str], times: int) -> Pairs:
    """Both commands so many times, in turns; the first round, which loads what is on the disk, is not counted."""
    said: tuple[list[float], list[float]] = ([], [])
    for round_ in range(times + 1):
        both = [(0, bare, where.bare), (1, other, env)]
        for which, argv, variables in both if round_ % 2 else both[::-1]:
            cpu = spend(argv, at=where.at, env=variables).cpu
            if round_:
                said[which].append(cpu)
    return Pairs(*said)


def watched(where: Place, times: int, *arguments: str) -> Pairs:
    """A command of this Python, bare and with the bootstrap before it."""
    argv = [sys.executable, *arguments]
    return pairs(argv, argv, where, where.watched, times)


def start(where: Place, times: int, _: int) -> Iterator[Row]:
    found = watched(where, times * 20, "-c", "pass")
    yield at_most(
        "the bootstrap, each Python", f"{found.more * 1000:.2f} ms ({found.shown})", found.more * 1000, 2, " ms"
    )


def train(where: Place, times: int, _: int) -> Iterator[Row]:
    yield share("a scikit-learn script, most of it imports", watched(where, times * 3, "train.py"), 3)


def loop(where: Place, times: int, quicker: int) -> Iterator[Row]:
    yield share("a loop in NumPy", watched(where, times, "loop.py", str(1_000_000 // quicker)), 0.5)


def opens(where: Place, times: int, _: int) -> Iterator[Row]:
    found = watched(where, times * 3, "open.py", str(OPENS))
    each = found.more / OPENS * 1e6
    yield at_most(f"{OPENS:,} opens", f"{each:.2f} us each ({found.shown})", each, 1.5, " us")


def loops(where: Place, times: int, _: int) -> Iterator[Row]:
    yield share("copy.deepcopy", watched(where, times * 2, "deepcopy.py", "3000"), 1)
    yield share("logging", watched(where, times * 2, "logs.py", "300000"), 1)


def share(what: str, found: Pairs, limit: float) -> Row:
    percent = (found.ratio - 1) * 100
    return at_most(what, f"{percent:+.2f} % ({found.shown})", percent, limit, " %")


def runs(where: Place, times: int, _: int) -> Iterator[Row]:
    """`mlcli run` with all capture on, and where the run need not be made again."""
    python, mlcli = str(where.bin / "python"), str(where.bin / "mlcli")
    bare = [python, "-c", "pass"]
    found = pairs(bare, [mlcli, "run", "--", *bare], where, where.bare, times * 4)
    yield at_most("mlcli run, beside python -c pass", f"{found.ratio:.1f}x ({found.shown})", round(found.ratio, 1), 12)
    yield at_most("  over its child", f"{found.more * 1000:.1f} ms", found.more * 1000, 60, " ms")
    cached = [mlcli, "run", "--cached", "--", python, "open.py", "1000"]
    spend(cached, at=where.at, env=where.bare)
    found = pairs(bare, cached, where, where.bare, times * 4)
    yield Row("mlcli run --cached, a hit, beside python -c pass", f"{found.ratio:.1f}x ({found.shown})")


FIGURES = {"start": start, "runs": runs, "opens": opens, "loops": loops, "train": train, "loop": loop}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", choices=[*FIGURES, []], help="which figures; all unless told")
    parser.add_argument("--times", type=int, default=5, help="how often the longest is measured; the others more often")
    parser.add_argument("--quick", action="store_true", help="the long loop is a tenth, each measured less often")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a figure is over")
    args = parser.parse_args()
    times, quicker = (max(1, args.times // 2), 10) if args.quick else (args.times, 1)
    rows = []
    with scratch() as directory:
        where = place(directory)
        print(Row("figure", "measured", "asked"))
        for name in args.figures or FIGURES:
            for row in FIGURES[name](where, times, quicker):
                print(row, flush=True)
                rows.append(row)
    print(f"Python {sys.version.split()[0]} · {os.cpu_count()} CPUs · CPU time, medians of pairs")
    if args.strict and any(row.met is False for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
