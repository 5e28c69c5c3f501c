"""Mermaid: a flowchart, as hosts draw it in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .figures import Figure, caption, word

if TYPE_CHECKING:
    from ..lineage import Lineage

_SHAPES = {
    "run": ("[", "]"),
    "version": ("([", "])"),
    "file": ("[/", "/]"),
    "commit": ("{{", "}}"),
}
_STYLES = (
    "classDef production fill:#dafbe1,stroke:#1a7f37,color:#1f2328",
    "classDef missing stroke-dasharray:4 3",
    "classDef subject stroke-width:3px",
)
_PLAIN = set(" ./,:@=()-")
_LIST = re.compile(r"\d+[.)]")


def document(lineage: Lineage) -> str:
    """A lineage as a flowchart from left to right."""
    figure = Figure(lineage.graph)
    lines = ["flowchart LR"]
    for node, styles in figure.styled():
        opening, closing = _SHAPES[node.kind]
        lines.append(f'  {_name(node.id)}{opening}"{_label(caption(node))}"{closing}')
        lines += [f"  class {_name(node.id)} {style}" for style in styles if style != node.kind]
    for edge in figure.edges:
        arrow = "-.->" if edge.kind == "code" else "-->"
        said = f"|{word(edge)}|" if word(edge) else ""
        lines.append(f"  {_name(edge.source)} {arrow}{said} {_name(edge.target)}")
    for (run, kind), count in figure.more.items():
        more = f"{_name(run)}_{kind}"
        lines.append(f'  {more}[/"… and {count} more"/]')
        lines.append(f"  {more} --> {_name(run)}" if kind == "read" else f"  {_name(run)} --> {more}")
    return "\n".join([*lines, *(f"  {style}" for style in _STYLES)])


def _name(node_id: str) -> str:
    """A word of letters and digits that is the same for a node in each picture."""
    kind, _, rest = node_id.partition(":")
    return f"{kind}_{rest.rpartition(':')[2][:16]}"


def _label(lines: list[str]) -> str:
    return "<br/>".join("".join(_spelled(line)) for line in lines)


def _spelled(line: str) -> Iterator[str]:
    """Characters as they stand, or by number where they mean something: to Mermaid, to HTML or to Markdown."""
    counted = _LIST.match(line) is not None
    for at, char in enumerate(line):
        plain = char.isalnum() or not char.isascii() or (at and char in _PLAIN)
        yield char if plain and not (at == 0 and counted) else f"#{ord(char)};"
