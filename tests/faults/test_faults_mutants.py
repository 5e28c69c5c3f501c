"""The harness sees the bugs that it is there to see: each is sown into a copy of mlcli, and it goes red."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.asking import FULL, Ask
from harness.mutants import MUTANTS, sown


@pytest.mark.parametrize("name", list(MUTANTS))
def test_a_sown_bug_is_seen(ask: Ask, tmp_path: Path, name: str):
    mutant = MUTANTS[name]
    report = ask(mutant.verb, "32 sown bugs: points", package=sown(mutant, tmp_path), **mutant.question)
    assert report.failed != []


@pytest.mark.skipif(not FULL, reason="make faults")
@pytest.mark.parametrize("name", list(MUTANTS))
def test_without_the_bug_the_same_question_finds_nothing(ask: Ask, name: str):
    mutant = MUTANTS[name]
    assert ask(mutant.verb, "32 the same without the bug", **mutant.question).failed == []
