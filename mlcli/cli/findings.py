"""What a check found, in the forms that people and CI systems read: one table, format to writer."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any

import msgspec
from msgspec import Struct

from ..checking.finding import Finding, Report, Severity
from ..domain.names import escaped, escaped_in_json
from ..domain.stage import Stage
from . import output

STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


class CheckFormat(str, Enum):
    """How findings are written."""

    text = "text"
    json = "json"
    github = "github"
    gitlab = "gitlab"
    sarif = "sarif"
    junit = "junit"


class Told(Struct, frozen=True, kw_only=True):
    """What is told: the report, whether warnings answer no, the stage that was asked for.

    `store` is where the store lies, from the repository's top.
    """

    report: Report
    strict: bool = False
    stage: str | None = None
    store: str = ".mlruns"

    @property
    def failing(self) -> set[Severity]:
        """The findings that make the answer no."""
        return {Severity.ERROR, Severity.WARNING} if self.strict else {Severity.ERROR}

    @property
    def passed(self) -> bool:
        """The answer."""
        return self.failing.isdisjoint(finding.severity for finding in self.report.findings)

    def path_of(self, finding: Finding) -> str:
        """The document that a finding is about, from the repository's top; a model's directory, or the store's."""
        model, at, name = finding.subject.rpartition("@")
        if not at:
            return self.store if finding.subject == "." else f"{self.store}/models/{finding.subject}"
        if name.isdecimal():
            return f"{self.store}/models/{model}/versions/{name}.json"
        kind = "stages" if name in {stage.value for stage in Stage} else "aliases"
        return f"{self.store}/models/{model}/{kind}/{name}.json"

    def marks(self) -> Iterator[tuple[Finding, str]]:
        """Each finding with a mark by which it is known again in the next report."""
        from ..domain.digest import digest_of

        seen: Counter[tuple[str, str]] = Counter()
        for finding in self.report.findings:
            key = finding.code, finding.subject
            yield finding, digest_of(f"{finding.code}\0{finding.subject}\0{seen[key]}".encode())[7:]
            seen[key] += 1


def text(told: Told) -> str:
    """For people: two lines each, and the sum of it."""
    return "\n".join([*lines_of(told.report.findings), _sum(told)])


def lines_of(findings: Iterable[Finding]) -> Iterator[str]:
    """What was found and what mends it, for people."""
    for finding in findings:
        severity = output.paint(f"{finding.severity.value:<7}", STYLES[finding.severity])
        yield f"{severity} {finding.code}  {escaped(finding.subject)}: {escaped(finding.message)}"
        if finding.hint:
            yield f"        {output.paint('hint:', 'cyan')} {escaped(finding.hint)}"


def _sum(told: Told) -> str:
    count, by = len(told.report.versions), Counter(finding.severity for finding in told.report.findings)
    of = f"{count} version{'s' if count != 1 else ''}" + (f" in {told.stage}" if told.stage else "")
    counted = ", ".join(f"{by[kind]} {kind.value}{'s' if by[kind] != 1 else ''}" for kind in Severity if by[kind])
    if not count and not by:
        return f"nothing to check: no version{f' in {told.stage}' if told.stage else ''}"
    if by[Severity.ERROR] or by[Severity.WARNING]:
        return output.paint(f"{of}: {counted}", "red" if by[Severity.ERROR] else "yellow")
    holds = "it leads" if count == 1 else "each leads"
    return output.paint(f"{of}: {holds} to its run, commit and files{f' ({counted})' if counted else ''}", "green")


def as_json(told: Told) -> str:
    """One object with the name of its schema."""
    fields = {"passed": told.passed, "versions": told.report.versions, "findings": told.report.findings}
    return _json({"schema": "mlcli.check/1", **fields})


def github(told: Told) -> str:
    """Workflow commands, which GitHub shows beside the files of a pull request."""
    levels = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
    return "\n".join(
        f"::{levels[finding.severity]} file={_property(told.path_of(finding))},"
        f"title={_property(f'{finding.code}: {finding.subject}')}::{_data(_sentence(finding))}"
        for finding in told.report.findings
    )


def _data(value: str) -> str:
    return escaped(value).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def _sentence(finding: Finding) -> str:
    hint = f" (hint: {finding.hint})" if finding.hint else ""
    return f"{finding.subject}: {finding.message}{hint}"


def gitlab(told: Told) -> str:
    """A Code Quality report, which GitLab shows in a merge request."""
    severities = {Severity.ERROR: "critical", Severity.WARNING: "minor", Severity.NOTE: "info"}
    return _json(
        [
            {
                "description": escaped(_sentence(finding)),
                "check_name": finding.code,
                "fingerprint": mark,
                "severity": severities[finding.severity],
                "location": {"path": told.path_of(finding), "lines": {"begin": 1}},
            }
            for finding, mark in told.marks()
        ]
    )


def sarif(told: Told) -> str:
    """A SARIF 2.1.0 log, which GitHub's code scanning and editors read."""
    from .. import __version__
    from ..checking.codes import CODES

    found = sorted({finding.code for finding in told.report.findings})
    rules = [_rule(code, *CODES.get(code, ("A document cannot be read.", "mlcli doctor"))) for code in found]
    driver = {"name": "mlcli check", "version": __version__, "rules": rules}
    results = [_result(told, finding, mark, found.index(finding.code)) for finding, mark in told.marks()]
    return _json(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "results": results}],
        }
    )


def _rule(code: str, what: str, mend: str) -> dict[str, Any]:
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in code.split("-")),
        "shortDescription": {"text": what},
        "help": {"text": mend.replace("`", ""), "markdown": mend},
    }


def _result(told: Told, finding: Finding, mark: str, rule: int) -> dict[str, Any]:
    from urllib.parse import quote

    place = {"uri": quote(told.path_of(finding)), "uriBaseId": "%SRCROOT%"}
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity.value,
        "message": {"text": escaped(_sentence(finding))},
        "locations": [{"physicalLocation": {"artifactLocation": place, "region": {"startLine": 1}}}],
        "partialFingerprints": {"mlcliFinding/v1": mark},
    }


def junit(told: Told) -> str:
    """JUnit's XML, one case a version: an error fails it, and so does a warning where warnings answer no."""
    from xml.sax.saxutils import quoteattr

    found: dict[str, list[Finding]] = {ref: [] for ref in told.report.versions}
    for finding in told.report.findings:
        found.setdefault(finding.subject, []).append(finding)
    failing = told.failing
    cases = {subject: [each for each in of if each.severity in failing] for subject, of in found.items()}
    counts = f'tests="{len(cases)}" failures="{sum(map(bool, cases.values()))}" errors="0"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites {counts}>\n  <testsuite name="mlcli check" {counts} skipped="0" time="0">',
    ]
    for subject, failures in cases.items():
        name = quoteattr(_in_xml(subject))
        model = quoteattr(_in_xml(f"mlcli.check.{subject.rpartition('@')[0] or subject}"))
        inner = [*_failure(failures), *_remarks([each for each in found[subject] if each.severity not in failing])]
        lines += [f'    <testcase classname={model} name={name} time="0"' + ("/>" if not inner else ">"), *inner]
        lines += ["    </testcase>"] if inner else []
    return "\n".join([*lines, "  </testsuite>", "</testsuites>"])


def _failure(findings: list[Finding]) -> Iterator[str]:
    """One element, as readers take one for each case."""
    from xml.sax.saxutils import quoteattr

    if findings:
        first = findings[0]
        about = f"type={quoteattr(first.code)} message={quoteattr(_in_xml(first.message))}"
        yield f"      <failure {about}>{_listed(findings)}</failure>"


def _remarks(findings: list[Finding]) -> Iterator[str]:
    if findings:
        yield f"      <system-out>{_listed(findings)}</system-out>"


def _listed(findings: list[Finding]) -> str:
    from xml.sax.saxutils import escape

    return escape("\n".join(_in_xml(f"{each.severity.value} {each.code}  {_sentence(each)}") for each in findings))


def _in_xml(value: str) -> str:
    """Text as XML 1.0 can hold it: without control characters and halves of pairs."""
    return escaped(value).encode("utf-8", "backslashreplace").decode()


def _json(value: Any) -> str:
    encoded = msgspec.json.format(msgspec.json.encode(msgspec.to_builtins(value)), indent=2)
    return escaped_in_json(encoded.decode())


WRITERS: dict[CheckFormat, Callable[[Told], str]] = {
    CheckFormat.text: text,
    CheckFormat.json: as_json,
    CheckFormat.github: github,
    CheckFormat.gitlab: gitlab,
    CheckFormat.sarif: sarif,
    CheckFormat.junit: junit,
}


def place_in(root: str | None, store: str) -> str:
    """Where a store lies, from the repository's top where there is one, as CI systems name files."""
    if root is None:
        return os.path.basename(store)
    return os.path.relpath(os.path.realpath(store), os.path.realpath(root)).replace(os.sep, "/")
