"""The commands are asked on a store that does not wait for the disk: durability has tests of its own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")
