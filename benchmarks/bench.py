"""What each command costs, in CPU time of the whole process, as a multiple of `python -c pass`: `make bench`.

mlcli is measured the way a user has it: a wheel, installed and byte-compiled into an environment of the bench's own,
started by its console script. Each figure is the median of several processes after one to warm up, user and system
time of the process and the children it waited for; the yardstick runs between them, so that both see the same machine.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import re
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from measuring import CHECKOUT, environment, git, installed, scratch, spend

FILES, RUNS, VERSIONS = 1000, 100, 20


@dataclass(frozen=True)
class Case:
    """A command, where it is run, the ratio that was asked for, and what it is a multiple of."""

    name: str
    argv: list[str]
    at: Path
    asked: float
    base: list[str]
    terminal: bool = False


@dataclass
class Figure:
    name: str
    asked: float
    seconds: list[float] = field(default_factory=list)
    base: list[float] = field(default_factory=list)

    @property
    def ms(self) -> float:
        return statistics.median(self.seconds) * 1000

    @property
    def ratio(self) -> float:
        return statistics.median(self.seconds) / statistics.median(self.base)


# Measuring


def measure(cases: list[Case], env: dict[str, str], times: int) -> list[Figure]:
    """In rounds, each case with its yardstick just before it; the first round only warms up."""
    figures = [Figure(case.name, case.asked) for case in cases]
    for round_ in range(times + 1):
        for case, figure in zip(cases, figures, strict=True):
            base = spend(case.base, at=case.at, env=env).cpu
            spent = spend(case.argv, at=case.at, env=env, terminal=case.terminal).cpu
            if round_:
                figure.base.append(base)
                figure.seconds.append(spent)
    return figures


# What is measured


def store_of_runs(at: Path) -> None:
    """A repository with 100 finished runs and a model `iris` of 20 versions, the last one in production."""
    from mlcli import capture, registry, tracking
    from mlcli.domain.run import Model, Param, ParamSource, RunStatus
    from mlcli.workspace import Workspace

    os.environ["MLCLI_DURABILITY"] = "none"  # a store for figures, made quickly
    at.mkdir()
    git(at, "init", "-q", "-b", "main")
    git(at, "config", "user.name", "Ada Lovelace")
    git(at, "config", "user.email", "ada@example.com")
    workspace, per_commit = Workspace(str(at)), RUNS // VERSIONS
    for number in range(RUNS):
        if number % per_commit == 0:
            (at / "train.py").write_text(f"print({number})\n")
            git(at, "add", "train.py")
            git(at, "commit", "-q", "-m", f"Change {number}")
            argv = ["python", "train.py"]
            source = capture.collect(argv, root=str(at), cwd=str(at), environ=os.environ, at=workspace.now())
        values = {"n_estimators": 50 + number, "max_depth": number % 12, "lr": 1 / (1 + number), "seed": 0}
        params = {key: Param(value, ParamSource.COMMAND_LINE) for key, value in values.items()}
        run = tracking.begin(workspace, source, tracking.Given(params=params))
        for step in range(5):
            metrics = {"accuracy": 0.9 + number / 2000 + step / 200, "loss": 1 / (1 + number + step)}
            tracking.log_metrics(workspace, run.id, metrics, step=step)
        if number % per_commit == per_commit - 1:
            model = at.parent / f"model-{number}"
            model.mkdir()
            (model / "model.joblib").write_bytes(os.urandom(50_000))
            told = Model(path="model", flavor="joblib", python_class="bench.Model", digest="", file="model.joblib")
            tracking.log_model(workspace, run.id, str(model), told)
        tracking.finish(workspace, run.id, RunStatus.FINISHED, exit_code=0)
        if number % per_commit == per_commit - 1:
            registry.register(workspace, "iris", run.id)
            registry.promote(workspace, "iris", "production", why="the newest")


def repository_of_files(at: Path) -> None:
    """A repository of 1,000 committed files and a script that does nothing."""
    for number in range(FILES - 1):
        path = at / f"package{number % 20}" / f"module{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"VALUE = {number}\n" * 20)
    (at / "noop.py").write_text("")
    git(at, "init", "-q", "-b", "main")
    git(at, "add", "-A")
    git(at, "commit", "-q", "-m", "A thousand files")


def cases_in(directory: Path, bin_: Path) -> list[Case]:
    """Every command that issue 2 gives a figure for."""
    python, mlcli = str(bin_ / "python"), str(bin_ / "mlcli")
    runs, files = directory / "runs", directory / "files"
    store_of_runs(runs)
    files.mkdir()
    repository_of_files(files)
    bare = [python, "-c", "pass"]
    return [
        Case("import mlcli", [python, "-c", "import mlcli"], runs, 3, bare),
        Case("mlcli --help", [mlcli, "--help"], runs, 8, bare),
        Case("mlcli ls (100 runs)", [mlcli, "ls"], runs, 9, bare),
        Case("mlcli ls (100 runs, terminal)", [mlcli, "ls"], runs, 13, bare, terminal=True),
        Case("mlcli lineage iris@production", [mlcli, "lineage", "iris@production"], runs, 9, bare),
        Case("mlcli check (20 versions)", [mlcli, "check"], runs, 15, bare),
        Case(
            "mlcli run -- python noop.py (1,000 files)",
            [mlcli, "run", "--", python, "noop.py"], files, 10, [python, "noop.py"],
        ),
    ]  # fmt: skip


# Telling


def table(figures: list[Figure]) -> str:
    width = max(len(figure.name) for figure in figures)
    lines = [f"{'command':<{width}}  {'ms':>7}  {'ratio':>6}  {'asked':>6}"]
    for figure in figures:
        verdict = "ok" if figure.ratio <= figure.asked else "OVER"
        told = f"{figure.ratio:>5.1f}x  {f'<= {figure.asked:g}x':>6}"
        lines.append(f"{figure.name:<{width}}  {figure.ms:>7.1f}  {told}  {verdict}")
    base = statistics.median(value for figure in figures for value in figure.base) * 1000
    return "\n".join([*lines, f"python -c pass: {base:.1f} ms · Python {sys.version.split()[0]} · CPU time, median"])


def dearest_imports(case: Case, env: dict[str, str]) -> str:
    """The imports that a command pays for, dearest first: ms of their own, and with what they import."""
    python = str(Path(case.argv[0]).parent / "python")
    command = [python, "-X", "importtime", *case.argv]
    least: dict[str, tuple[int, int]] = {}
    for _ in range(5):
        done = subprocess.run(command, cwd=case.at, env=env, capture_output=True, text=True, check=True)
        for own, whole, name in re.findall(r"import time:\s+(\d+) \|\s+(\d+) \| \s*(\S+)", done.stderr):
            least[name] = min(least.get(name, (2**31, 2**31)), (int(own), int(whole)))
    total = sum(own for own, _ in least.values()) / 1000
    lines = [f"\n{case.name}: {len(least)} imports, {total:.1f} ms (more than without timing them)", "    own   with"]
    dearest = sorted(least.items(), key=lambda each: each[1], reverse=True)[:20]
    return "\n".join([*lines, *(f"{own / 1000:>7.2f} {whole / 1000:>6.2f}  {name}" for name, (own, whole) in dearest)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7, help="how often each command is run")
    parser.add_argument("--only", metavar="TEXT", default="", help="only commands whose name holds this")
    parser.add_argument("--here", action="store_true", help="measure the environment that runs this instead")
    parser.add_argument("--imports", action="store_true", help="also tell what each command's imports cost")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a figure is over")
    parser.add_argument("--json", metavar="FILE", help="also write every figure here")
    args = parser.parse_args()
    if args.here:
        bin_ = Path(sys.executable).parent
        compileall.compile_dir(CHECKOUT / "mlcli", quiet=2)
    else:
        bin_ = installed(Path(sys.prefix) / "bench")
    with scratch() as directory:
        env = environment(bin_, directory / "home")
        cases = [case for case in cases_in(directory, bin_) if args.only in case.name]
        figures = measure(cases, env, args.times)
        print(table(figures))
        if args.imports:
            print(*(dearest_imports(case, env) for case in cases if case.argv[0].endswith("mlcli")), sep="\n")
    if args.json:
        Path(args.json).write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    if args.strict and any(figure.ratio > figure.asked for figure in figures):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
