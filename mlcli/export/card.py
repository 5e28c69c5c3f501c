"""A model card as Hugging Face reads it: YAML for its search and its table of results, then prose for people."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from ..domain.source import FETCH_CODE, Person
from .facts import one_link, products, runs_of, stamp, title, told
from .markdown import block, code, paragraphs, prose, scalar, table

if TYPE_CHECKING:
    from ..domain.model import ModelVersion
    from ..domain.run import Model, Run
    from ..lineage import Lineage, Link

# By this a card is known that may be written anew.
WRITTEN = "# written by mlcli card"
_ROWS = 50  # as many as somebody reads; the lineage has them all


class Passage(Struct, frozen=True, kw_only=True):
    """One thing that happened to a version: what, when, by whom and why."""

    at: datetime
    by: Person
    what: str
    why: str = ""


def document(lineage: Lineage, history: Sequence[Passage] = ()) -> str:
    """The card, without a newline at its end; `history` is the version's, newest first."""
    link = one_link(lineage)
    front = ["---", WRITTEN, *_front(link), "---", ""]
    parts = (_what, _metrics, _data, _origin, _again)
    body = [line for part in parts for line in part(link)]
    return "\n".join([*front, *body, *_history(history)]).rstrip("\n")


def _described(link: Link) -> Model | None:
    return link.version.artifact if link.version else next(iter(link.run.models), None)


def _front(link: Link) -> Iterator[str]:
    run, model = link.run, _described(link)
    if licence := run.tags.get("license"):
        yield f"license: {scalar(licence)}"
    if model:
        yield f"library_name: {scalar(model.flavor)}"
    yield "tags:"
    for tag in dict.fromkeys(["mlcli", *([model.flavor] if model else [])]):
        yield f"- {scalar(tag)}"
    metrics = {key: metric.last for key, metric in run.metrics.items() if math.isfinite(metric.last)}
    if not metrics:
        return
    yield "model-index:"
    yield f"- name: {scalar(link.version.model if link.version else run.name)}"
    yield "  results:"
    yield f"  - task: {{type: {scalar(_task(model))}}}"
    yield f"    dataset: {{type: {scalar('custom')}, name: {scalar(_dataset(run))}}}"
    yield "    metrics:"
    for key, value in metrics.items():
        yield f"    - {{type: {scalar(key)}, name: {scalar(key)}, value: {scalar(value)}}}"


def _task(model: Model | None) -> str:
    """The task by the Hub's names, told from what the class is called."""
    name = model.python_class if model else ""
    kinds = {"Classifier": "tabular-classification", "Regressor": "tabular-regression"}
    return next((task for end, task in kinds.items() if name.endswith(end)), "other")


def _dataset(run: Run) -> str:
    names = [each.path for each in run.inputs]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more or "not recorded"


def _what(link: Link) -> Iterator[str]:
    version, run, model = link.version, link.run, _described(link)
    yield from (f"# {prose(title(link))}", "")
    kind = f"A model of the class {code(model.python_class)}" if model and model.python_class else "A file"
    if version:
        by = prose(str(version.registered_by))
        yield f"{kind}, registered {stamp(version.registered_at)} by {by}.{_standing(link)}"
    else:
        yield f"What came of the run {code(run.name)} ({run.status.value}), of which no version was registered."
    yield ""
    for said in (version.why if version else "", run.note):
        if said:
            yield from paragraphs(said)
    rows = [(code(path), f"{size:,}", code(digest)) for path, size, digest in products(link)[:_ROWS]]
    if rows:
        yield from table(("file", "bytes", "digest"), rows, _more(len(products(link)), link))
    if model and model.signature:
        fields = [
            *(("in", each) for each in model.signature.inputs),
            *(("out", each) for each in model.signature.outputs),
        ]
        yield from table(
            ("", "name", "type"), [(way, code(each.name or "-"), code(each.dtype)) for way, each in fields[:_ROWS]],
            _more(len(fields), link),
        )  # fmt: skip
    if version and model:
        yield from block(
            ["import mlcli", "", f'model = mlcli.load_model("models:/{version.model}/{version.number}")'], "python"
        )


def _standing(link: Link) -> str:
    return f" It is in {link.stage}." if link.stage and link.stage.value != "none" else ""


def _metrics(link: Link) -> Iterator[str]:
    metrics = link.run.metrics
    yield from ("## Metrics", "")
    if not metrics:
        yield from ("None were recorded.", "")
        return
    rows = [
        (code(key), told(metric.last), metric.source.value, code(metric.origin) if metric.origin else "")
        for key, metric in list(metrics.items())[:_ROWS]
    ]
    yield from table(("metric", "value", "source", "from"), rows, _more(len(metrics), link))


def _data(link: Link) -> Iterator[str]:
    inputs = link.run.inputs
    yield from ("## Data", "")
    if not inputs:
        yield from ("No file was recorded that it was made from.", "")
        return
    rows = [
        (code(each.path), f"{each.size:,}", code(each.digest) if each.digest else "changed while it was read")
        for each in inputs[:_ROWS]
    ]
    yield from table(("file", "bytes", "digest"), rows, _more(len(inputs), link))


def _origin(link: Link) -> Iterator[str]:
    run, git, environment = link.run, link.run.git, link.run.environment
    yield from ("## Where it comes from", "")
    if git.commit is None:
        code_of = f"no commit: {prose(git.reason or 'there was none')}"
    else:
        code_of = code(git.commit) + (f" {prose(git.subject)}" if git.subject else "")
    rows = [("run", f"{code(run.id)} {prose(run.name)}"), ("command", code(shlex.join(run.command.argv))),
            ("started", stamp(run.started_at)), ("by", prose(str(run.user))), ("commit", code_of)]  # fmt: skip
    if git.remote:
        rows.append(("repository", code(git.remote)))
    if git.snapshot:
        rows.append(("uncommitted changes", f"kept as {code(git.snapshot.commit)}"))
    elif git.lost:
        rows.append(("uncommitted changes", f"lost: {prose(git.lost)}"))
    packages = f", {len(environment.packages)} packages" if environment.packages else ""
    rows.append(
        (
            "environment",
            prose(f"Python {environment.python or '?'}{packages}, {environment.platform} {environment.machine}"),
        )
    )
    yield from table(("", ""), rows)
    if run.params:
        params = [(code(key), code(_cut(told(param.value)))) for key, param in list(run.params.items())[:_ROWS]]
        yield from table(("param", "value"), params, _more(len(run.params), link))
    makers = runs_of(link)[:-1]
    if makers:
        yield from ("Made from what these runs made, the first first:", "")
        steps = [
            (code(maker.id[:8]), code(shlex.join(maker.command.argv)), code((maker.git.commit or "-")[:12]))
            for maker in makers
        ]
        yield from table(("run", "command", "commit"), steps[:_ROWS], _more(len(steps), link))


def _again(link: Link) -> Iterator[str]:
    git = link.run.git
    yield from ("## How to make it again", "")
    if git.commit is None:
        yield from ("Its code is in no commit, so that it cannot be made again from git.", "")
        return
    if link.version is None:
        yield from ("Where its run is kept, which is not in git:", "")
    lines = [f"git clone {shlex.quote(git.remote)} project", "cd project"] if git.remote and link.version else []
    if git.snapshot and link.version:
        lines.append(FETCH_CODE)
    yield from block([*lines, f"mlcli reproduce {_ref(link)}"], "sh")
    verdicts = [f"{each.verdict} ({stamp(each.at)})" for each in link.reproductions]
    if verdicts:
        yield from (f"It was made again: {', '.join(verdicts[-5:])}.", "")


def _history(history: Sequence[Passage]) -> Iterator[str]:
    if not history:
        return
    yield from ("## History", "")
    rows = [(stamp(each.at), prose(each.what), prose(str(each.by)), prose(each.why)) for each in history]
    yield from table(("when", "what", "who", "why"), rows)


def _ref(link: Link) -> str:
    return link.version.ref if link.version else link.run.id


def _more(count: int, link: Link) -> str:
    return f"… and {count - _ROWS} more: {code(f'mlcli lineage {_ref(link)} --json')}" if count > _ROWS else ""


def _cut(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


def version_of(lineage: Lineage) -> ModelVersion | None:
    """The version that a lineage is about; None of a run, InvalidRef where it is about several."""
    return one_link(lineage).version
