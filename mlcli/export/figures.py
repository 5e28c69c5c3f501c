"""What the pictures of a lineage share: which of its nodes are drawn, and what is written on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..domain.names import escaped
from ..domain.run import RunStatus
from ..domain.stage import Stage

if TYPE_CHECKING:
    from ..lineage import Edge, Graph, Node

_LONGEST = 40
_FEW = 8


class Figure:
    """The nodes and edges of a picture.

    Of files that lead nowhere else, a few are drawn of each run; `more` counts the others, for a run's id and what
    it did with them.
    """

    def __init__(self, graph: Graph) -> None:
        touched = Counter(end for edge in graph.edges for end in (edge.source, edge.target))
        loose = {node.id for node in graph.nodes if node.kind == "file" and touched[node.id] == 1 and not node.subject}
        drawn: Counter[tuple[str, str]] = Counter()
        left: set[str] = set()
        self.more: Counter[tuple[str, str]] = Counter()
        for edge in graph.edges:
            file, run = (edge.source, edge.target) if edge.kind == "read" else (edge.target, edge.source)
            if file not in loose:
                continue
            drawn[run, edge.kind] += 1
            if drawn[run, edge.kind] > _FEW:
                left.add(file)
                self.more[run, edge.kind] += 1
        self.nodes = [node for node in graph.nodes if node.id not in left]
        self.edges = [edge for edge in graph.edges if edge.source not in left and edge.target not in left]

    def styled(self) -> Iterator[tuple[Node, list[str]]]:
        """Each node with the names of its styles."""
        for node in self.nodes:
            styles = [node.kind]
            styles += ["production"] if node.stage is Stage.PRODUCTION else []
            styles += ["missing"] if node.here is False else []
            styles += ["subject"] if node.subject else []
            yield node, styles


def caption(node: Node) -> list[str]:
    """The lines that are written on a node, escaped."""
    ident = node.id.partition(":")[2]
    if node.kind == "run":
        ended = "" if node.status in {RunStatus.FINISHED, None} else f" ({node.status})"
        away = [] if node.here else ["not in this clone"]
        return [shortened(f"run {node.label}"), f"{ident[:8]}{ended}", *away]
    if node.kind == "version":
        return [shortened(node.label), str(node.stage)]
    if node.kind == "file":
        return [shortened(node.label, tail=True), ident[:19]]
    return [shortened(node.label)]


def shortened(text: str, *, tail: bool = False) -> str:
    """A text that fits on a node; of a path the end says more."""
    if len(text) > _LONGEST:
        text = f"…{text[1 - _LONGEST :]}" if tail else f"{text[: _LONGEST - 1]}…"
    return escaped(text)


def word(edge: Edge) -> str:
    """What is written on an edge: nothing where its direction says it."""
    return edge.kind if edge.kind in {"registered", "parent", "reproduces"} else ""
