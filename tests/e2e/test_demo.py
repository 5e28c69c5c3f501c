"""`make demo` shows the main job, and passes only where the refusal at its end really happens."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from terminal import in_terminal, screen

DEMO = Path(__file__).resolve().parent.parent.parent / "docs" / "demo" / "demo.sh"
TREE = """\
 Production  sha256:
└─ run
   ├─ command python train.py --n-estimators 100 --max-depth 10
   ├─ code
   ├─ params data iris  n_estimators 100  max_depth 10  seed 1
   ├─ metrics loss 0.0
   ├─ env python
   ├─ executed 1 module of the project sha256:
   ├─ inputs
   │  └─ site-packages/sklearn/datasets/data/iris.csv
   └─ artifacts
      ├─ model/model.joblib
      └─ model/model.json"""


@pytest.fixture
def stranger(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whom git does not know, with settings that would change what is shown; a temporary directory of hers."""
    (machine / "home" / ".gitconfig").write_text("[commit]\n\tgpgsign = true\n[core]\n\thooksPath = /nowhere\n")
    monkeypatch.setenv("MLCLI_STORE", "/nowhere")
    temporary = machine / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    return temporary


@pytest.mark.slow
@pytest.mark.terminal
def test_the_demo_shows_each_command_and_ends_with_the_refusal(stranger):
    seen = in_terminal(f"sh {DEMO}", columns=140)
    rows = screen(seen.text, columns=140, lines=200)
    commands = [row[2:].split(" -")[0] for row in rows if row.startswith("$ mlcli")]
    assert seen.exit_code == 0, seen.text
    assert commands == [
        "mlcli run", "mlcli run", "mlcli run", "mlcli ls", "mlcli compare @2 @1 @", "mlcli register iris best:accuracy",
        "mlcli promote iris@1 staging", "mlcli promote iris@1 production", "mlcli lineage iris@production",
        "mlcli check", "mlcli run", "mlcli register iris", "mlcli promote iris@2 production", "mlcli check",
    ]  # fmt: skip
    at = rows.index("$ mlcli lineage iris@production") + 1
    told = rows[at : at + 13]
    assert all(part in row for part, row in zip(TREE.splitlines(), told, strict=True)), "\n".join(told)
    assert rows[-4:] == [
        "error   dirty  iris@2: it was made from uncommitted code: train.py",
        "        hint: commit, then run and register again",
        "1 version in Production: 1 error",
        "# exit code 1: refused, as it should be",
    ]
    assert list(stranger.iterdir()) == []


@pytest.mark.slow
def test_the_demo_fails_where_nothing_is_refused(stranger, tmp_path):
    real = subprocess.run(["sh", "-c", "command -v mlcli"], capture_output=True, text=True, check=True).stdout.strip()
    lenient = tmp_path / "lenient"
    lenient.mkdir()
    (lenient / "mlcli").write_text(f'#!/bin/sh\n[ "$1" = check ] && exit 0\nexec {real} "$@"\n')
    (lenient / "mlcli").chmod(0o755)
    path = f"{lenient}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", str(DEMO)], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.endswith("demo: exit code 0, not 1: mlcli check --stage production\n")
    assert list(stranger.iterdir()) == []
