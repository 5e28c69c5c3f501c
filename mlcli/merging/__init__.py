"""Two branches of a registry made one: numbers that both gave, names that both moved, what a merge left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from ..chronicle import restate, tell
from ..domain.history import Action, History
from ..gitrepo import find_root, merges
from ..store.elsewhere import Place, holder_in
from ..store.layout import TRASH
from ..workspace import Workspace
from .driver import FINISH as FINISH
from .driver import merged as merged
from .known import Known
from .planning import Plan, planned


class Trouble(Struct, frozen=True, kw_only=True):
    """What is not one, where, and what is done about it; not `mendable`: somebody has to look at it."""

    where: str
    message: str
    conflict: bool
    mendable: bool = True


def troubles(workspace: Workspace) -> tuple[list[Trouble], set[str]]:
    """What `settle` would do, and what it cannot; and the files that have a conflict, by name below `.mlruns/`."""
    known = Known(workspace)
    found = []
    for model in _models(workspace, known):
        plan = planned(workspace, model, known)
        conflict = any(place.model == model for place in known.conflicts)
        told = [Trouble(where=model, message=line, conflict=conflict) for line in plan.told]
        cannot = [
            Trouble(where=name, message=f"it has a conflict, and {why}", conflict=True, mendable=False)
            for name, why in plan.unable
        ]
        found += [*told, *cannot]
    return found, {place.name for place in known.conflicts}


def settle(workspace: Workspace) -> list[str]:
    """Settle conflicts, bring back what was lost, and say what was done, one line each.

    In the middle of a merge git's index is given exactly the files that were settled.
    """
    return _settled(workspace, Known(workspace))


def finish_merge(directory: str, *, squash: bool) -> list[str]:
    """Put what the merge driver left out into the commit that `git merge` has just made, or into the index."""
    root = find_root(directory)
    told: list[str] = []
    for below in merges.stores(root) if root else ():
        workspace = Workspace.find(os.path.join(root or "", below))
        known = Known(workspace)
        theirs = known.sides.theirs if known.merging else None
        before = merges.merge_made(known.root, theirs) if theirs and not squash else None
        if theirs and (squash or before):
            told += _settled(workspace, known, before)
    if root and told and not squash and not merges.put_into_merge(root):
        told.append("the merge is signed, so what changed is in the index only: git commit --amend")
    return told


def _models(workspace: Workspace, known: Known) -> list[str]:
    conflicting = {place.model for place in known.conflicts}
    return sorted({*workspace.store.models(), *workspace.store.histories(), *conflicting})


def _settled(workspace: Workspace, known: Known, commit: str | None = None) -> list[str]:
    """Settle every model; `commit` is where the events say that it was done, HEAD where none is given."""
    told: list[str] = []
    for model in _models(workspace, known):
        with workspace.store.changing(model):
            plan = planned(workspace, model, known)
            if plan.does_anything:
                told += _done(workspace, plan, known, {"commit": commit} if commit else {})
    return told


def _done(workspace: Workspace, plan: Plan, known: Known, said: dict[str, Any]) -> list[str]:
    store, files = workspace.store, workspace.store.files
    for name in plan.aside:
        files.move(name, f"{TRASH}/{name.replace('/', '-')}")
    for name, data in plan.write.items():
        files.replace(name, data)
    for name in plan.drop:
        files.delete(name)
    for digest, number in plan.numbers.items():
        version = store.version(plan.model, number)
        if version.digest == digest:
            tell(workspace, version, Action.RENUMBERED, store.history(plan.model), number=number, **said)
    history = store.history(plan.model)
    restated = set(restate(workspace, plan.model, history))
    if known.under_way:
        known.stage({*plan.write, *plan.drop, *plan.settled, *_renumbered(workspace, plan, history)})
        known.stage(_names(workspace, plan, history, restated))
    return plan.told


def _renumbered(workspace: Workspace, plan: Plan, history: History) -> Iterator[str]:
    """The files of versions that have another number, and of the events that say so, also where we were killed."""
    for event in history.events:
        if event.action is Action.RENUMBERED and event.version in plan.renumbered | plan.numbers.keys():
            yield Place(plan.model, "events", event.digest.removeprefix("sha256:")).name
            number = history.numbers.get(event.version)
            if number in workspace.store.version_numbers(plan.model):
                yield Place(plan.model, "versions", str(number)).name


def _names(workspace: Workspace, plan: Plan, history: History, restated: set[str]) -> Iterator[str]:
    """The files of stages and aliases that were written, or that had a conflict and say what the history says."""
    held = {("stages", stage.value): version for stage, (version, _) in history.holders.items()}
    held |= {("aliases", alias): version for alias, (version, _) in history.aliases.items()}
    for (kind, name), version in held.items():
        place = Place(plan.model, kind, name)
        if name in restated:
            yield place.name
        elif place in plan.names:
            holder = holder_in(workspace.store.files.read(place.name), place)
            if holder is not None and holder.version == version:
                yield place.name
