"""Whether all that was done to versions carries a good signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..domain.checked import CheckedVersion, Recorded
from ..domain.history import Event, History
from ..workspace import Workspace
from .finding import Finding, Severity, fault


def check_signatures(
    workspace: Workspace, recorded: Mapping[str, Recorded], versions: Sequence[CheckedVersion]
) -> Iterator[Finding]:
    """Verify the signature of each event of these versions; one that says what stands now must have one."""
    refs = {version.digest: version.ref for version in versions}
    for each in recorded.values():
        standing = _standing(each.history)
        for event in each.history.events:
            ref = refs.get(each.history.now(event.version))
            if ref is not None and (found := _check(workspace, ref, event, stands=event.digest in standing)):
                yield found


def _standing(history: History) -> set[str]:
    """The events that say what holds a stage or has an alias now, and who approves."""
    named = [*history.holders.values(), *history.aliases.values()]
    approvals = {event.digest for each in history.approvals.values() for event in each.values()}
    return {event for version, event in named if version is not None} | approvals


def _check(workspace: Workspace, ref: str, event: Event, *, stands: bool) -> Finding | None:
    told = f"{event.digest[7:19]}, by which {event.by} {_done(event)} on {event.at:%Y-%m-%d},"
    if not event.signature:
        hint = "with sign = true in [tool.mlcli] whatever is done from then on is signed"
        severity = Severity.ERROR if stands else Severity.NOTE
        message = f"{told} carries no signature"
        return Finding(code="unsigned", severity=severity, subject=ref, message=message, hint=hint if stands else None)
    found = workspace.verify(workspace.store.body_digest(event), event.signature, event.by.email, at=event.at)
    if found.good:
        return None
    return fault("signature-bad", ref, f"{told} is not signed well: {found.reason}", f"mlcli history {event.model}")


def _done(event: Event) -> str:
    """What an event did, in words: moved it to Production."""
    if event.action.value == "moved":
        return f"moved it to {event.to_stage}"
    return f"{event.action} it {event.alias}".rstrip()
