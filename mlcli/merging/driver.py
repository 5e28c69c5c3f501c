"""What git's merge driver answers: a whole document, or nothing, which leaves git's conflict as it is."""

from __future__ import annotations

import os

from ..domain.history import History
from ..errors import GitError
from ..gitrepo import merges
from ..store.elsewhere import Place, event_in, history_in, holder_in, place_of, version_in
from ..workspace import Workspace
from .known import Known
from .numbers import first_of, held_by, one_of, version_of

FINISH = "mlcli merge-driver --finish"


def merged(workspace: Workspace, name: str, ours: bytes, theirs: bytes) -> bytes | None:
    """What a document is that both sides changed, by its name below `.mlruns/`; None where it has to be a conflict.

    Only within `git merge` is a number settled: the version that lost it gets another when the merge is finished, by a
    hook. A rebase has no such hook, and nothing may be left out in it.
    """
    place, known = place_of(name), Known(workspace)
    if place is None:
        return None
    if place.kind == "events":
        return next((data for data in (ours, theirs) if event_in(data, place)), None)
    if not known.merging or known.sides.theirs is None:
        return None
    history = _history(known, place.model, known.sides.theirs)
    if place.kind != "versions":
        return _holder(place, history, ours, theirs)
    mine, other = version_in(ours, place), version_in(theirs, place)
    if mine is None or other is None:
        return None
    sides = version_of(mine, ours), version_of(other, theirs)
    winner = one_of(history, *sides)
    if winner is None and _is_finished_by_a_hook(workspace):
        winner = first_of(known, place, *sides)
    return winner.data if winner else None


def _history(known: Known, model: str, theirs: str) -> History:
    """The history of both sides: the events of a model in both commits."""
    below = known.path(f"models/{model}/events")
    blobs = {**merges.blobs_below(known.root, "HEAD", below), **merges.blobs_below(known.root, theirs, below)}
    found = merges.contents(known.root, blobs.values())
    return history_in({path.removeprefix(f"{known.below}/"): found[blob] for path, blob in blobs.items()})


def _holder(place: Place, history: History, ours: bytes, theirs: bytes) -> bytes | None:
    """What a name says where the events of both sides agree on it; which of two it is, people decide."""
    kind = "alias" if place.kind == "aliases" else "stage"
    if (kind, place.key) in history.torn:
        return None
    version = held_by(place, history)[0]
    for data in (ours, theirs):
        holder = holder_in(data, place)
        if holder is not None and (history.now(holder.version) if holder.version else None) == version:
            return data
    return None


def _is_finished_by_a_hook(workspace: Workspace) -> bool:
    try:
        path = os.path.join(workspace.repository.hooks_directory(), "post-merge")
        with open(path, encoding="utf-8", errors="replace") as file:
            return FINISH in file.read() and os.access(path, os.X_OK)
    except (GitError, OSError):
        return False
