"""Seven bugs that a store of this kind is prone to, sown into a copy of the package: the harness must see each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from msgspec import Struct

import mlcli


class Mutant(Struct, frozen=True, kw_only=True):
    """A bug: the text that it replaces, in which file, and the question that must find it."""

    file: str
    text: str
    instead: str
    verb: str
    question: dict[str, Any]


MUTANTS = {
    "no fsync of a file": Mutant(
        file="store/files.py",
        text="        if self.sync:\n            os.fsync(descriptor)\n",
        instead="        pass\n",
        verb="lost",
        question={"workload": "first run", "fault": "", "limit": 120},
    ),
    "no fsync of a directory": Mutant(
        file="store/files.py",
        text="        self._sync_path(self.path(name) if name else self.root)\n",
        instead="        pass\n",
        verb="lost",
        question={"workload": "first run", "fault": "", "limit": 120},
    ),
    "no fsync of the parent of a new directory": Mutant(
        file="store/files.py",
        text="            self._sync_path(os.path.dirname(path))\n",
        instead="",
        verb="lost",
        question={"workload": "first run", "fault": "", "limit": 120},
    ),
    "no fsync of the log": Mutant(
        file="store/files.py",
        text="                os.fsync(self.descriptor)\n",
        instead="                pass\n",
        verb="lost",
        question={"workload": "recorder", "fault": "", "limit": 160},
    ),
    "torn tail not ended": Mutant(
        file="store/files.py",
        text='                    os.write(descriptor, b"\\n")\n',
        instead="                    pass\n",
        verb="swept",
        question={"workload": "recorder", "fault": "torn"},
    ),
    "no look at the link count": Mutant(
        file="store/files.py",
        text="                if os.stat(temporary).st_nlink != 2:\n",
        instead="                if True:\n",
        verb="swept",
        question={"workload": "registry", "fault": "lie EEXIST"},
    ),
    "exists, then rename": Mutant(
        file="store/files.py",
        text="                os.link(temporary, self.path(name), follow_symlinks=False)\n",
        instead=(
            "                if self.exists(name):\n                    return False\n"
            "                os.rename(temporary, self.path(name))\n"
        ),
        verb="raced",
        question={"writers": 8, "rounds": 5, "numbers": True},
    ),
}


def sown(mutant: Mutant, top: Path) -> Path:
    """A copy of the package with the bug in it; the directory to put first on the path."""
    source = Path(mlcli.__file__).parent
    shutil.copytree(source, top / "mlcli", ignore=shutil.ignore_patterns("__pycache__"))
    path = top / "mlcli" / mutant.file
    text = path.read_text()
    if text.count(mutant.text) != 1:
        raise AssertionError(
            f"{mutant.file} holds {text.count(mutant.text)} times what the bug replaces:\n{mutant.text}"
        )
    path.write_text(text.replace(mutant.text, mutant.instead))
    return top
