"""mlcli why: what changed a metric from one run to another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from . import output, words
from .diff import code_name
from .options import Json
from .pager import show_paged

if TYPE_CHECKING:
    from ..explanation import Cause, Explanation
    from ..explanation.code import Touched
    from ..explanation.experiments import Evidence

FEW = 8  # files, functions, packages of one cause; runs that were the same again
A = "A run, or a version (iris@3, iris@production); @1 if none."
B = "The other, as A; @, the newest run, if none."


def command(
    a: Annotated[str, typer.Argument(metavar="[A]", help=A)] = "@1",
    b: Annotated[str, typer.Argument(metavar="[B]", help=B)] = "@",
    metric: Annotated[str | None, typer.Option("--metric", metavar="KEY", help="Explain this metric only.")] = None,
    no_pager: Annotated[bool, typer.Option("--no-pager", help="Do not show it a screen at a time.")] = False,
    as_json: Json = False,
) -> None:
    """Explain what changed a metric from A to B, the likeliest cause first, with the recorded runs that tell so."""
    from ..explanation import explanation
    from ..workspace import Workspace

    found = explanation(Workspace.find(), a, b, metric)
    if as_json:
        output.emit_json("mlcli.why/1", **{name: getattr(found, name) for name in found.__struct_fields__})
        return
    show_paged(list(_lines(found)), paged=not no_pager)


def _lines(found: Explanation) -> Iterator[str]:
    from ..domain.run import lower_is_better

    yield f"{output.paint(found.a.name, 'accent')} -> {output.paint(found.b.name, 'accent')}"
    names = [output.escaped(moved.metric) for moved in found.metrics]
    wide = max(map(len, names), default=0)
    for moved, name in zip(found.metrics, names, strict=True):
        sides = " -> ".join("-" if value is None else words.number(value) for value in (moved.a, moved.b))
        better = (moved.change or 0.0) < 0 if lower_is_better(moved.metric) else (moved.change or 0.0) > 0
        change = output.paint(f"  {words.signed(moved.change)}", "green" if better else "red") if moved.change else ""
        yield f"  {name:<{wide}}  {sides}{change}"
    yield ""
    yield f"{_verdict(found)}"
    for at, cause in enumerate(found.causes, 1):
        yield from _cause(found, cause, f"{at}." if len(found.causes) > 1 else "")
    yield from _notes(found)


def _verdict(found: Explanation) -> str:
    count = len(found.causes)
    differs = f"{words.counted(count, 'thing')} {'differs' if count == 1 else 'differ'}"
    if found.verdict == "unmeasured":
        return f"neither has a metric; {differs if count else 'nothing else differs, either'}"
    if found.verdict == "equal":
        which = "the metric is" if found.metrics else "all metrics are"
        return f"{which} equal; {differs if count else 'nothing else differs, either'}"
    if found.verdict == "unexplained" and found.causes:
        return "nothing else that is known of them differs:"
    if found.verdict == "unexplained":
        return "nothing that was recorded differs: it varies by itself (is its seed set?), or reads what no run names"
    if found.verdict == "only":
        return "one thing differs, and it is the cause:"
    if any(cause.evidence for cause in found.causes):
        return f"{differs}; what other runs show of {output.escaped(found.metric or '')} comes first:"
    return f"{differs}, and no other run tells them apart; by kind:"


def _cause(found: Explanation, cause: Cause, number: str) -> Iterator[str]:
    indent = " " * max(3, len(number) + 1)
    head = f"{output.paint(f'{number:<{len(indent)}}', 'dim') if number else indent}{output.paint(cause.key, 'bold')}"
    kind = output.paint(f"  {cause.kind}", "dim") if cause.kind != cause.key else ""
    yield f"{head}  {_values(found, cause)}{kind}"
    if cause.reason:
        yield f"{indent}{output.paint(cause.reason, 'yellow')}"
        yield from [f"{indent}{output.paint('hint:', 'cyan')} {output.escaped(found.hint)}"] if found.hint else []
    for file in cause.files[:FEW]:
        yield f"{indent}{_file(file)}"
    if len(cause.files) > FEW:
        yield output.paint(f"{indent}… and {len(cause.files) - FEW} more files", "dim")
    for evidence in cause.evidence:
        yield f"{indent}{_evidence(found, evidence)}"


def _values(found: Explanation, cause: Cause) -> str:
    if cause.key == "other packages":
        names = list(dict.fromkeys((*cause.a, *cause.b)))
        told = [f"{name} {cause.a.get(name, '-')} -> {cause.b.get(name, '-')}" for name in names[:FEW]]
        return output.escaped(", ".join(told)) + _more(len(names))
    if cause.key == "input files" and isinstance(cause.a, dict):
        names = list(dict.fromkeys((*cause.a, *cause.b)))
        return output.escaped(", ".join(names[:FEW])) + _more(len(names))
    if (cause.kind, cause.key) == ("code", "code"):
        return f"{code_name(found.a)} -> {code_name(found.b)}"
    if cause.kind == "code" and cause.key != "command":
        return " -> ".join(str(commit)[:7] if commit else "-" for commit in (cause.a, cause.b))
    told_side = words.short_digest if str(cause.a or cause.b).startswith("sha256:") else words.told_value
    return output.escaped(" -> ".join("-" if value is None else told_side(value) for value in (cause.a, cause.b)))


def _more(count: int) -> str:
    return f" … and {count - FEW} more" if count > FEW else ""


def _file(file: Touched) -> str:
    status = "" if file.status == "changed" else f" {output.paint(file.status, 'yellow')}"
    names = ", ".join(file.names[:FEW]) + (f" and {len(file.names) - FEW} more" if len(file.names) > FEW else "")
    return f"{output.escaped(file.path)}{status}" + (f": {output.escaped(names)}" if names else "")


def _evidence(found: Explanation, evidence: Evidence) -> str:
    whole = next((moved.change for moved in found.metrics if moved.metric == found.metric), None)
    what = "with only this changed" if evidence.beside == "a" else "with all but this changed"
    metric, value = output.escaped(found.metric or ""), words.number(evidence.value)
    of = f" of {words.signed(whole)}" if whole else ""
    by_itself = max((abs(each.effect) for each in found.repeats), default=-1.0)
    more = ", no more than it varies by itself" if abs(evidence.effect) <= by_itself else ""
    effect = output.paint(words.signed(evidence.effect), "dim" if more or not evidence.effect else "green")
    return f"{what}, run {evidence.run_id[:8]} {output.escaped(evidence.name)} had {metric} {value}: {effect}{of}{more}"


def _notes(found: Explanation) -> Iterator[str]:
    if found.inert:
        paths = ", ".join(file.path for file in found.inert[:FEW])
        more = f" and {len(found.inert) - FEW} more" if len(found.inert) > FEW else ""
        yield output.paint(f"only comments, layout or text differ in {paths}{more}", "dim")
    sides = {"a": found.a.name, "b": found.b.name}
    for beside, name in sides.items():
        again = [each for each in found.repeats if each.beside == beside]
        if again:
            told = ", ".join(f"{each.run_id[:8]} {words.number(each.value)}" for each in again[:FEW])
            varies = "varies by itself" if any(each.effect for each in again) else "did not vary"
            yield output.paint(f"{name} was made again with nothing changed: {told}; {found.metric} {varies}", "dim")
