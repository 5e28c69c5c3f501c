"""mlcli diff and why: at a screen, on a pipe, through a pager."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlcli.domain.run import Run


@pytest.fixture
def two(repo: Path, git, record) -> tuple[Run, Run]:
    """Two clean runs of two commits that differ in code, params and metrics."""
    one = record(params={"depth": 1, "old": 3}, metrics={"accuracy": 0.9}, name="one")
    (repo / "train.py").write_text("print('better')\n")
    git("commit", "-qam", "Better")
    other = record(params={"depth": 10, "new": "x"}, metrics={"accuracy": 0.97}, name="two")
    return one, other


def test_each_section_is_shown_where_it_differs(two, mlcli, git) -> None:
    done = mlcli("diff", "one", "two")

    first, second = git("rev-parse", "--short=7", "HEAD~1"), git("rev-parse", "--short=7", "HEAD")
    blobs = git("rev-parse", "--short=7", "HEAD~1:train.py"), git("rev-parse", "--short=7", "HEAD:train.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == f"""\
3f2a9c1d one -> 7e55383a two

code {first} -> {second}
  train.py  +1 -1

diff --git a/train.py b/train.py
index {blobs[0]}..{blobs[1]} 100644
--- a/train.py
+++ b/train.py
@@ -1 +1 @@
-print('trained')
+print('better')

params
    depth  1 -> 10
  - old    3
  + new    x

metrics
    accuracy  0.9 -> 0.97  +0.07
"""
    )
