"""DOT: what Graphviz lays out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .figures import Figure, caption, word

if TYPE_CHECKING:
    from ..lineage import Lineage

_STYLES = {
    "run": {"shape": "box"},
    "version": {"shape": "box", "style": "rounded"},
    "file": {"shape": "note"},
    "commit": {"shape": "hexagon"},
    "production": {"style": "rounded,filled", "fillcolor": "#dafbe1", "color": "#1a7f37"},
    "missing": {"style": "dashed"},
    "subject": {"penwidth": "3"},
}


def document(lineage: Lineage) -> str:
    """A lineage as a graph from left to right."""
    figure = Figure(lineage.graph)
    lines = ["digraph lineage {", "  rankdir=LR;", '  node [fontname="sans-serif"];', '  edge [fontname="sans-serif"];']
    for node, styles in figure.styled():
        looks = {key: value for style in styles for key, value in _STYLES[style].items()}
        lines.append(f"  {_quoted(node.id)} [{_attributes({'label': _label(caption(node)), **looks})}];")
    for edge in figure.edges:
        looks = {"label": word(edge)} if word(edge) else {}
        looks |= {"style": "dashed"} if edge.kind == "code" else {}
        attributes = f" [{_attributes(looks)}]" if looks else ""
        lines.append(f"  {_quoted(edge.source)} -> {_quoted(edge.target)}{attributes};")
    for (run, kind), count in figure.more.items():
        more = f"more:{kind}:{run}"
        ends = (more, run) if kind == "read" else (run, more)
        lines.append(f"  {_quoted(more)} [{_attributes({'label': f'… and {count} more', 'shape': 'note'})}];")
        lines.append(f"  {_quoted(ends[0])} -> {_quoted(ends[1])};")
    return "\n".join([*lines, "}"])


def _label(lines: list[str]) -> str:
    return "\n".join(lines)


def _attributes(looks: dict[str, str]) -> str:
    return ", ".join(f"{key}={_quoted(value)}" for key, value in looks.items())


def _quoted(text: str) -> str:
    """A string of DOT: a backslash would begin an escape, as that of the end of a line does."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
