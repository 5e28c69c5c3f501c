"""mlcli unapprove: take an approval back."""

from __future__ import annotations

from . import approve
from .options import Json, VersionArgument, Why


def command(ref: VersionArgument, why: Why = "", as_json: Json = False) -> None:
    """Take your own approval of a version back; what was promoted with it stays where it is."""
    from ..registry import unapprove
    from ..workspace import Workspace

    approve.told(unapprove(Workspace.find(), ref, why=why), as_json=as_json)
