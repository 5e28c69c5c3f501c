"""`--at`: a time of the past, in words."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..workspace import Workspace


def moment(workspace: Workspace, text: str | None) -> datetime | None:
    """The time that `text` says, UTC where it names no zone; None where nothing was said."""
    from ..domain.names import quoted
    from ..domain.query import point_in_time
    from ..errors import InvalidValue

    if text is None:
        return None
    found = point_in_time(text, workspace.now())
    if found is None:
        raise InvalidValue(f"{quoted(text)} is no time", "as 2026-10-01, '2026-10-01 12:00' or '2 weeks ago'")
    return found
