"""What a check finds, and what it found."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from ..errors import Corrupt, MlcliError


class Severity(str, Enum):
    """How much a finding weighs: an error makes `check` answer no."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Finding(Struct, frozen=True, kw_only=True):
    """A broken or doubtful link: a stable code, the thing it is about, what is wrong, the command that mends it."""

    code: str
    severity: Severity
    subject: str
    message: str
    hint: str | None = None


class Report(Struct, frozen=True, kw_only=True):
    """What a check looked at and found."""

    versions: list[str]
    findings: list[Finding]

    @property
    def passed(self) -> bool:
        """Whether no finding is an error."""
        return not any(finding.severity is Severity.ERROR for finding in self.findings)


def fault(code: str, subject: str, message: str, hint: str | None = None) -> Finding:
    """Find an error."""
    return Finding(code=code, severity=Severity.ERROR, subject=subject, message=message, hint=hint)


def doubt(code: str, subject: str, message: str, hint: str | None = None) -> Finding:
    """Find what may be right."""
    return Finding(code=code, severity=Severity.WARNING, subject=subject, message=message, hint=hint)


def damage(subject: str, error: MlcliError) -> Finding:
    """Find that a document cannot be read."""
    usual = isinstance(error, Corrupt) and error.hint in {None, "mlcli doctor"}
    hint = "git checkout the file, or mlcli doctor" if usual else error.hint
    return fault(error.code, subject, error.message, hint)
