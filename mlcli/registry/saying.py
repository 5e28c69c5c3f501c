"""What people say of a version: approvals, notes, tags. Each is an event; the version itself never changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from ..chronicle import tell
from ..domain.history import Action, History
from ..domain.model import ModelVersion
from ..domain.names import check_key
from ..domain.values import checked_note, checked_tags
from ..errors import Refused
from ..lookup import find_version
from ..workspace import Workspace


class Said(Struct, frozen=True, kw_only=True):
    """What is said of a version by now, and whether this said anything new."""

    version: ModelVersion
    approvals: list[str]
    note: str
    tags: dict[str, str]
    made: bool = True


def approve(workspace: Workspace, version_text: str, *, why: str = "") -> Said:
    """Approve a version as the git user. Whoever registered it may, and counts for no gate."""
    version = find_version(workspace, version_text)
    sign = workspace.settings.signs()  # of a stage that asks for signatures only such an approval counts
    with workspace.store.changing(version.model):
        history = workspace.store.standing(version.model)
        before = history.approvals.get(version.digest, {}).get(workspace.person().identity)
        if before is not None and (before.signature or not sign):
            return said_of(version, history, made=False)
        event = tell(workspace, version, Action.APPROVED, history, why=why, sign=sign)
    return said_of(version, history.followed(event))


def unapprove(workspace: Workspace, version_text: str, *, why: str = "") -> Said:
    """Take the git user's own approval back; Refused where there is none."""
    version = find_version(workspace, version_text)
    with workspace.store.changing(version.model):
        history = workspace.store.standing(version.model)
        if workspace.person().identity not in history.approvals.get(version.digest, {}):
            raise Refused(f"{version.ref} has no approval of {workspace.person()}", f"mlcli show {version.ref}")
        event = tell(workspace, version, Action.UNAPPROVED, history, why=why)
    return said_of(version, history.followed(event))


def note(workspace: Workspace, version_text: str, text: str) -> Said:
    """Write a note on a version, in place of the one that was there; '' takes it away."""
    version, checked = find_version(workspace, version_text), checked_note(text)
    with workspace.store.changing(version.model):
        history = workspace.store.standing(version.model)
        if history.notes.get(version.digest, "") == checked:
            return said_of(version, history, made=False)
        event = tell(workspace, version, Action.NOTED, history, why=checked)
    return said_of(version, history.followed(event))


def tag(workspace: Workspace, version_text: str, tags: Mapping[str, Any], *, delete: Iterable[str] = ()) -> Said:
    """Set tags of a version, and remove those of `delete`; one that is not there is no error."""
    version = find_version(workspace, version_text)
    wanted: dict[str, str | None] = {**checked_tags(tags), **{check_key(key, "tag"): None for key in delete}}
    with workspace.store.changing(version.model):
        history = workspace.store.standing(version.model)
        there = history.tags.get(version.digest, {})
        changed = {key: value for key, value in wanted.items() if there.get(key) != value}
        if not changed:
            return said_of(version, history, made=False)
        event = tell(workspace, version, Action.TAGGED, history, tags=changed)
    return said_of(version, history.followed(event))


def said_of(version: ModelVersion, history: History, *, made: bool = True) -> Said:
    """What a history says of a version."""
    approvals = history.approvals.get(version.digest, {}).values()
    return Said(
        version=version,
        approvals=[str(event.by) for event in approvals],
        note=history.notes.get(version.digest, ""),
        tags=history.tags.get(version.digest, {}),
        made=made,
    )
