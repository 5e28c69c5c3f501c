"""Whether all that was done to versions carries a good signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..domain.checked import CheckedVersion, Recorded
from ..domain.history import Event
from ..workspace import Workspace
from .finding import Finding, fault


def check_signatures(
    workspace: Workspace, recorded: Mapping[str, Recorded], versions: Sequence[CheckedVersion]
) -> Iterator[Finding]:
    """Verify the signature of each event of these versions."""
    refs = {version.digest: version.ref for version in versions}
    for each in recorded.values():
        for event in each.history.events:
            ref = refs.get(each.history.now(event.version))
            if ref is not None and (found := _check(workspace, ref, event)):
                yield found


def _check(workspace: Workspace, ref: str, event: Event) -> Finding | None:
    told = f"{event.digest[7:19]}, by which {event.by} {_done(event)} on {event.at:%Y-%m-%d},"
    if not event.signature:
        hint = "with sign = true in [tool.mlcli] whatever is done from then on is signed"
        return fault("unsigned", ref, f"{told} carries no signature", hint)
    found = workspace.verify(workspace.store.body_digest(event), event.signature, event.by.email, at=event.at)
    if found.good:
        return None
    return fault("signature-bad", ref, f"{told} is not signed well: {found.reason}", f"mlcli history {event.model}")


def _done(event: Event) -> str:
    """What an event did, in words: moved it to Production."""
    if event.action.value == "moved":
        return f"moved it to {event.to_stage}"
    return f"{event.action} it {event.alias}".rstrip()
