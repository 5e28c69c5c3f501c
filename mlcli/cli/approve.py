"""mlcli approve: say that a version may go where the gates ask for approvals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import output, words
from .options import Json, VersionArgument, Why

if TYPE_CHECKING:
    from ..registry import Said


def command(ref: VersionArgument, why: Why = "", as_json: Json = False) -> None:
    """Approve a version, as git's user. The gate approved:N counts people, without whoever registered it."""
    from ..registry import approve
    from ..workspace import Workspace

    workspace = Workspace.find()
    said = approve(workspace, ref, why=why)
    told(said, as_json=as_json)
    if not as_json and workspace.person().identity == said.version.registered_by.identity:
        output.warning("you registered it: your approval counts for no gate")


def told(said: Said, *, as_json: bool) -> None:
    """Who approves of a version by now."""
    if as_json:
        output.emit_json(
            "mlcli.approved/1",
            model=said.version.model,
            version=said.version.number,
            approvals=said.approvals,
            made=said.made,
        )
        return
    by = f"approved by {', '.join(said.approvals)}" if said.approvals else "approved by nobody"
    already = "" if said.made else " (already)"
    output.out(f"{output.paint(said.version.ref, 'accent')}: {output.escaped(by)}{already}")
    if said.made:
        output.next_step(words.share(f"Approve {said.version.ref}"))
