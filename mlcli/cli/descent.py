"""What came of a thing, as trees: runs that read what it made, those within it and those that make it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import output, words
from .drawing import staged, told_run
from .tree import Branch, cut

if TYPE_CHECKING:
    from ..lineage import Descendant, Lineage, Step

_DEEP = 12  # steps; what lies further is counted


def led_to(found: Lineage) -> list[Branch]:
    """What came of the subject, each run in full once and its versions below it."""
    roots = [""] if found.kind == "content" else dict.fromkeys(link.run.id for link in found.links)
    return _Descent(found.downstream).tree(list(roots))


class _Descent:
    def __init__(self, downstream: Sequence[Descendant]) -> None:
        self.children: dict[str, list[tuple[Descendant, Step]]] = {}
        self.told: set[str] = set()
        for each in downstream:
            for step in each.of:
                self.children.setdefault(step.run, []).append((each, step))

    def tree(self, parents: Sequence[str], depth: int = 1) -> list[Branch]:
        """The runs that came of these, those that were registered first."""
        found = [pair for parent in parents for pair in self.children.get(parent, [])]
        found.sort(key=lambda pair: not pair[0].versions)
        drawn: list[Branch] = []
        for each, step in found:
            head = f"run {told_run(each.run)}  {_how(step)}"
            if each.run.id in self.told:
                drawn.append((f"{head}{output.paint('  (above)', 'dim')}", []))
                continue
            self.told.add(each.run.id)
            below = cut([(staged(here.version, here.stage), []) for here in each.versions], "versions")
            if depth == _DEEP and (count := self._count(each.run.id)):
                more = f"… and {words.counted(count, 'more run')} after it"
                drawn.append((head, [*below, (output.paint(more, "dim"), [])]))
            else:
                drawn.append((head, [*below, *self.tree([each.run.id], depth + 1)]))
        return cut(drawn, "runs")

    def _count(self, run_id: str) -> int:
        """How many came of a run that were not told."""
        waiting, seen = [run_id], {run_id, *self.told}
        before = len(seen)
        while waiting:
            for each, _ in self.children.get(waiting.pop(), []):
                if each.run.id not in seen:
                    seen.add(each.run.id)
                    waiting.append(each.run.id)
        return len(seen) - before


def _how(step: Step) -> str:
    if step.kind != "read":
        return output.paint("began in it" if step.kind == "parent" else "reproduces it", "dim")
    more = f" and {len(step.paths) - 5} more" if len(step.paths) > 5 else ""
    return output.paint("read", "dim") + output.escaped(f" {', '.join(step.paths[:5])}{more}")
