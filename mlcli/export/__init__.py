"""Exports: a lineage written down in forms that others read.

A form is a module with one function, `document(lineage) -> str`: the text to print, without a newline at its end. It is
pure, and has no clock: the same lineage gives the same text. To add one: write `export/<name>.py`, and one line in the
table below.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from ..domain.names import quoted
from ..errors import UsageError

if TYPE_CHECKING:
    from ..lineage import Lineage

FORMATS = {
    "mermaid": ".mermaid",
    "dot": ".dot",
    "ro-crate": ".rocrate",
    "slsa": ".slsa",
    "cyclonedx": ".cyclonedx",
}
NAMES = tuple(FORMATS)


def text(name: str, lineage: Lineage) -> str:
    """What a lineage is in the format of that name; UsageError where there is none, or it cannot hold this lineage."""
    if name not in FORMATS:
        raise UsageError(f"{quoted(name)} is no format", f"formats are {', '.join(NAMES)}")
    return cast(str, import_module(FORMATS[name], __package__).document(lineage))
