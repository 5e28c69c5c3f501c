"""Seven bugs that a store of this kind is prone to, sown into a copy of the package: the harness must see each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from msgspec import Struct

import mlcli


class Mutant(Struct, frozen=True, kw_only=True):
    """A bug: in which files it replaces which text by what, and the question that must find it."""

    changes: list[tuple[str, str, str]]
    verb: str
    question: dict[str, Any]


FIRST_RUN = {"workload": "first run", "fault": "", "limit": 100}
MUTANTS = {
    "no fsync of a file": Mutant(
        changes=[("store/files.py", "        if self.sync:\n            os.fsync(descriptor)\n", "        pass\n")],
        verb="lost",
        question=FIRST_RUN,
    ),
    "no fsync of a directory": Mutant(
        changes=[
            ("store/files.py", "        self._sync_path(self.path(name) if name else self.root)\n", "        pass\n")
        ],
        verb="lost",
        question=FIRST_RUN,
    ),
    "no fsync of the parent of a new directory": Mutant(
        changes=[("store/files.py", "self._sync_path(os.path.dirname(path))\n", "pass\n")],
        verb="lost",
        question=FIRST_RUN,
    ),
    "no fsync of the log": Mutant(
        changes=[
            ("store/files.py", "            os.fsync(descriptor)\n            for each in", "            for each in")
        ],
        verb="lost",
        question={"workload": "recorder", "fault": "", "limit": 100},
    ),
    # Whoever reads finds a line behind a torn one, too: either alone would do.
    "torn tail not ended": Mutant(
        changes=[
            ("store/files.py", '                    os.write(descriptor, b"\\n")\n', "                    pass\n"),
            ("store/points.py", "            begins = line.find(_BEGINNING, 1)\n", "            begins = -1\n"),
        ],
        verb="swept",
        question={"workload": "recorder", "fault": "torn"},
    ),
    "no look at the link count": Mutant(
        changes=[
            ("store/files.py", "                if os.stat(temporary).st_nlink != 2:\n", "                if True:\n")
        ],
        verb="swept",
        question={"workload": "registry", "fault": "lie EEXIST"},
    ),
    "exists, then rename": Mutant(
        changes=[
            (
                "store/files.py",
                "                os.link(temporary, self.path(name), follow_symlinks=False)\n",
                "                if self.exists(name):\n                    return False\n"
                "                os.rename(temporary, self.path(name))\n",
            )
        ],
        verb="raced",
        question={"writers": 8, "rounds": 5, "numbers": True},
    ),
}


def sown(mutant: Mutant, top: Path) -> Path:
    """A copy of the package with the bug in it; the directory to put first on the path."""
    source = Path(mlcli.__file__).parent
    shutil.copytree(source, top / "mlcli", ignore=shutil.ignore_patterns("__pycache__"))
    for file, text, instead in mutant.changes:
        path = top / "mlcli" / file
        found = path.read_text()
        if found.count(text) != 1:
            raise AssertionError(f"{file} holds {found.count(text)} times what the bug replaces:\n{text}")
        path.write_text(found.replace(text, instead))
    return top
