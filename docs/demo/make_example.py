"""Make `.mlruns-example/` anew: `make example`, on a commit that is on main; then commit what it made.

mlcli itself makes it: docs/demo/train.py is run in a clone of HEAD, so that every run has a clean commit of this
repository; what it recorded is then laid here. Nothing in it tells on which machine it was made.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from msgspec.structs import replace

from mlcli.workspace import Workspace

CHECKOUT = Path(__file__).resolve().parent.parent.parent
TARGET = CHECKOUT / ".mlruns-example"
TRAIN = "python docs/demo/train.py --data"
STORY = f"""
run -e iris --name stump --note "A first try, to see it work." -- {TRAIN} iris --n-estimators 5 --max-depth 1
run -e iris --name baseline --tag owner=ada -- {TRAIN} iris --n-estimators 10 --max-depth 2
register iris baseline -m "Good enough to begin with."
promote iris@1 staging -m "Tried beside the old rules."
promote iris@1 production -m "A week in staging without complaint."
run -e iris -- {TRAIN} irises
run -e iris --name deeper --tag owner=ada -- {TRAIN} iris --n-estimators 20 --max-depth 3
register iris deeper
promote iris@2 staging -m "One more of sixty told right."
promote iris@2 production -m "Better on the same unseen flowers."
run -e wine --name cellar -- {TRAIN} wine --n-estimators 10 --max-depth 2
register wine cellar
run -e wine --name vintage -- {TRAIN} wine --n-estimators 20 --max-depth 3
register wine vintage
promote wine@2 staging -m "All of seventy-two told right."
"""


def main() -> None:
    """Clone, run the story, lay its store here."""
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch) / "mlcli"
        environ = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": scratch, "TZ": "UTC"}

        def git(*arguments: str) -> None:
            subprocess.run(["git", "-C", str(clone), *arguments], env=environ, check=True)

        subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(clone)], check=True)
        git("remote", "remove", "origin")
        git("config", "user.name", "Ada Lovelace")
        git("config", "user.email", "ada@example.com")
        for line in STORY.strip().splitlines():
            tell(line, clone, environ)
        forget_processes(clone)
        if TARGET.exists():
            shutil.rmtree(TARGET)
        shutil.copytree(clone / ".mlruns", TARGET, ignore=shutil.ignore_patterns(".cache", "trash"))
    size = sum(path.stat().st_size for path in TARGET.rglob("*") if path.is_file())
    sys.stdout.write(f"{size / 1000:.0f} kB; now: git add -f .mlruns-example && git commit\n")


def tell(line: str, clone: Path, environ: dict[str, str]) -> None:
    """Run one line of the story; the run that is to fail may."""
    argv = shlex.split(line)
    done = subprocess.run(["mlcli", *argv], cwd=clone, env=environ, check=False)
    if done.returncode != (2 if argv[-1] == "irises" else 0):
        raise SystemExit(f"mlcli {line}: exit {done.returncode}")


def forget_processes(clone: Path) -> None:
    """Drop process numbers and the host's name: the runs have ended, and nobody will ask whether they live."""
    store = Workspace(str(clone), environ=os.environ).store
    for run_id in store.run_ids():
        store.change_run(run_id, lambda run: replace(run, process=None))


if __name__ == "__main__":
    main()
