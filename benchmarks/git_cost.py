"""What git costs a run, beside `git status` and `git stash create` in the same repository: `make bench-git`.

Each round changes the five files again, so that every snapshot is a new one, with objects and a ref to write. CPU time
of the git processes and of what mlcli does between them; what is asked is a multiple of `git status` there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from measuring import Row, at_most, environment, git, installed, scratch, spend

CHANGED = NEW = 5
# Prints the CPU time of all that git does for one run, its processes included.
WORK = """
import os, resource, sys
from mlcli.gitrepo import keep_commits, place_of, read_state
from mlcli.domain.source import SnapshotLimits
import mlcli.gitrepo.snapshot, subprocess
def spent():
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
began = spent()
state, _ = read_state(os.getcwd(), limits=SnapshotLimits())
keep_commits(os.getcwd(), place_of(os.getcwd(), os.getcwd() + "/.mlruns"), state.kept)
assert state.dirty is (sys.argv[1] == "dirty") and (state.snapshot is not None) is state.dirty, state
print(spent() - began)
"""
TRAIN = """
import os, time
end = time.process_time() + 0.5
while time.process_time() < end:
    sum(range(1000))
if "MLCLI_RUN_ID" in os.environ:
    import mlcli
    mlcli.log_metric("accuracy", 0.9)
"""


def repository(at: Path, files: int) -> None:
    """A repository of so many committed files in directories of a hundred, and a training script."""
    for number in range(files):
        path = at / f"package{number // 2000}" / f"part{number // 100}" / f"module{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"VALUE = {number}\n" * 20)
    (at / "train.py").write_text(TRAIN)
    git(at, "init", "-q", "-b", "main")
    git(at, "config", "user.name", "Ada Lovelace")
    git(at, "config", "user.email", "ada@example.com")
    git(at, "add", "-A")
    git(at, "commit", "-q", "-m", "Many files")
    git(at, "status")


def change(at: Path, round_: int) -> None:
    """Five files changed and five new ones, with other content than ever before."""
    for number in range(CHANGED):
        (at / "package0" / f"part{number}" / f"module{number * 100}.py").write_text(f"changed = {round_, number}\n")
    for number in range(NEW):
        (at / f"new{number}.py").write_text(f"new = {round_, number}\n")


def costs(at: Path, python: str, env: dict[str, str], times: int, *, dirty: bool) -> Iterator[Row]:
    """Git's part of a run beside `git status`, and `git stash create` beside that."""
    said: dict[str, list[float]] = {"status": [], "run": [], "stash": []}
    for round_ in range(times + 1):
        if dirty:
            change(at, round_)
        stash = spend(["git", "stash", "create"], at=at, env=env).cpu if dirty else 0.0
        work = float(spend([python, "-c", WORK, "dirty" if dirty else "clean"], at=at, env=env).out)
        status = spend(["git", "status", "--porcelain=v2", "--branch"], at=at, env=env).cpu
        if round_:
            for name, value in (("status", status), ("run", work), ("stash", stash)):
                said[name].append(value * 1000)
    status, work, stash = (statistics.median(said[name]) for name in ("status", "run", "stash"))
    files = sum(1 for _ in at.glob("package*/*/*.py"))
    what = f"git of a run, {files:,} files, {'5 changed and 5 new' if dirty else 'clean'}"
    told = f"{work / status:.2f}x ({work:.1f} ms beside {status:.1f})"
    yield at_most(what, told, round(work / status, 2), 4 if dirty else 1.3) if files > 10_000 else Row(what, told)
    if dirty:
        yield Row("  git stash create, without the new files", f"{stash / status:.2f}x ({stash:.1f} ms)")


def reproduced(at: Path, mlcli: str, env: dict[str, str], times: int) -> Iterator[Row]:
    """How long `mlcli reproduce` takes beside the bare command, of half a second of CPU."""
    python = str(Path(mlcli).parent / "python")
    spend([mlcli, "run", "--", python, "train.py"], at=at, env=env)
    bare, again = [], []
    for _ in range(times):
        bare.append(spend([python, "train.py"], at=at, env=env).wall)
        again.append(spend([mlcli, "reproduce", "@" if not again else "best:accuracy"], at=at, env=env).wall)
    files = sum(1 for _ in at.glob("package*/*/*.py"))
    ms, more = statistics.median(bare) * 1000, (statistics.median(again) - statistics.median(bare)) * 1000
    yield Row(f"mlcli reproduce, {files:,} files, beside the bare command", f"{ms:.0f} ms and {more:.0f} ms more, wall")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7, help="how often each is measured")
    parser.add_argument("--files", type=int, nargs="*", default=[1_000, 20_000], help="how many files")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a figure is over")
    args = parser.parse_args()
    rows = []
    with scratch() as directory:
        bin_ = installed(directory / "wheel")
        env = environment(bin_, directory / "home")
        print(Row("figure", "measured", "asked"))
        for files in args.files:
            at = directory / f"files-{files}"
            repository(at, files)
            for row in (
                *costs(at, str(bin_ / "python"), env, args.times, dirty=False),
                *reproduced(at, str(bin_ / "mlcli"), env, min(args.times, 3)),
                *costs(at, str(bin_ / "python"), env, args.times, dirty=True),
            ):
                print(row, flush=True)
                rows.append(row)
    print(f"Python {sys.version.split()[0]} · {os.cpu_count()} CPUs · medians")
    if args.strict and any(row.met is False for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
