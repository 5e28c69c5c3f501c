"""mlcli report: what is in production, for a CI summary."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from . import output, words
from .options import Json

if TYPE_CHECKING:
    from ..errors import MlcliError
    from ..reporting import Reported, StageReport


class ReportFormat(str, Enum):
    """How a report is written."""

    md = "md"
    html = "html"


def command(
    stage: Annotated[str, typer.Option("--stage", metavar="STAGE", help="Staging or Production.")] = "production",
    format_: Annotated[ReportFormat, typer.Option("--format", help="Markdown, or a page of HTML.")] = ReportFormat.md,
    as_json: Json = False,
) -> None:
    """Tell what stands in Production: since when, by whom, why, from which code and data, and whether that holds.

    For a CI summary: mlcli report >> "$GITHUB_STEP_SUMMARY". It always exits 0; mlcli check is what says no.
    """
    from ..domain.stage import Stage
    from ..reporting import report
    from ..workspace import Workspace

    problems: list[MlcliError] = []
    found = report(Workspace.find(), Stage.parse(stage), problems)
    output.warn_of(problems)
    if as_json:
        output.emit_json(
            "mlcli.report/1", stage=found.stage, at=found.at, standing=found.standing, findings=found.findings
        )
    elif format_ is ReportFormat.html:
        output.out(_page(found))
    else:
        output.out(_markdown(found))


Row = tuple[str, str]


def _markdown(found: StageReport) -> str:
    lines = [f"## In {found.stage}", ""]
    if not found.standing:
        lines += [f"No version of any model is in {found.stage}.", ""]
    for each in found.standing:
        lines += [f"### {_inline(f'{each.model}@{each.version}')}", "", "| | |", "| --- | --- |"]
        lines += [f"| {label} | {_inline(told)} |" for label, told in _rows(each)]
        if each.metrics:
            before = f"{each.model}@{each.before}" if each.before else "before"
            lines += ["", f"| metric | value | {_inline(before)} |", "| --- | ---: | ---: |"]
            figures = {key: (_number(of.value), _number(of.before)) for key, of in each.metrics.items()}
            lines += [f"| {_inline(key)} | {now} | {old} |" for key, (now, old) in figures.items()]
        lines.append("")
    lines += [_verdict(found)]
    lines += [f"- {f.severity.value} `{f.code}` {_inline(f'{f.subject}: {f.message}')}" for f in found.findings]
    return "\n".join(lines)


def _rows(each: Reported) -> list[Row]:
    rows = [("since", f"{words.stamp(each.since)} UTC by {each.by}" if each.since else "unknown")]
    rows += [("why", each.why)] if each.why else []
    rows += [("replaced", f"{each.model}@{each.before}")] if each.before else []
    code = f"{each.commit[:7]} {each.subject or ''}".strip() if each.commit else "no commit"
    branch = f" ({each.branch})" if each.branch else ""
    rows += [("code", f"{code}{branch}{', with uncommitted changes' if each.dirty else ''}")]
    rows += [("run", f"{each.run_id[:8]} {each.run_name}: {' '.join(each.command)}")]
    told = [f"{path} {words.short_digest(digest)}" for path, digest in each.inputs.items()]
    rows += [("data", ", ".join(told[:5]) + (f" and {len(told) - 5} more" if len(told) > 5 else ""))] if told else []
    if each.params:
        rows += [("params", "  ".join(f"{key} {words.told_value(value)}" for key, value in each.params.items()))]
    rows += [("approved by", ", ".join(each.approvals))] if each.approvals else []
    rows += [("aliases", ", ".join(each.aliases))] if each.aliases else []
    for label, gates in (("gates passed", each.gates), ("forced past", each.forced)):
        rows += [(label, "; ".join(f"{gate} ({found})" for gate, found in gates.items()))] if gates else []
    rows += [("signed", "yes")] if each.signed else []
    return [*rows, ("model", words.short_digest(each.digest))]


def _verdict(found: StageReport) -> str:
    errors = sum(1 for each in found.findings if each.severity.value == "error")
    if errors:
        return f"**{words.counted(errors, 'error')}**: mlcli check --stage {found.stage.value}"
    return "Each leads back to its run, commit and files." if found.standing else ""


def _number(value: float | None) -> str:
    return "-" if value is None else words.number(value)


def _inline(text: str) -> str:
    """A text of the user's as Markdown that says just that."""
    shown = output.escaped(text)
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#~" else char for char in shown)


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2733;"
    "background:#fff}h2{font-size:1.2rem;margin-top:2rem}table{border-collapse:collapse;margin:.5rem 0}"
    "td,th{padding:.25rem .9rem .25rem 0;text-align:left;vertical-align:top}th{font-weight:600;color:#5a6b7b}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}.error{color:#b3261e}.ok{color:#1a7f37}"
    "@media(prefers-color-scheme:dark){body{color:#dfe7ee;background:#12181f}th{color:#93a4b4}}"
)


def _page(found: StageReport) -> str:
    from html import escape

    def safe(text: str) -> str:
        return escape(output.escaped(text))

    body = [f"<h1>In {found.stage}</h1>"]
    body += [] if found.standing else [f"<p>No version of any model is in {found.stage}.</p>"]
    for each in found.standing:
        body.append(f"<h2>{safe(f'{each.model}@{each.version}')}</h2><table>")
        body += [f"<tr><th>{label}</th><td>{safe(told)}</td></tr>" for label, told in _rows(each)]
        body.append("</table>")
        if each.metrics:
            before = safe(f"{each.model}@{each.before}") if each.before else "before"
            body.append(f"<table><tr><th>metric</th><th>value</th><th>{before}</th></tr>")
            for key, of in each.metrics.items():
                figures = f"<td class=n>{_number(of.value)}</td><td class=n>{_number(of.before)}</td>"
                body.append(f"<tr><td>{safe(key)}</td>{figures}</tr>")
            body.append("</table>")
    kind = "error" if any(f.severity.value == "error" for f in found.findings) else "ok"
    body.append(f"<p class={kind}>{safe(_verdict(found).replace('**', ''))}</p><ul>")
    body += [f"<li>{f.severity.value} {f.code}: {safe(f'{f.subject}: {f.message}')}</li>" for f in found.findings]
    title = f"In {found.stage}"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>' + "\n".join(
        [*body, "</ul></body></html>"]
    )
