"""Whether a version's run finished, and its files are what they were."""

from __future__ import annotations

from ..domain.checked import CheckedVersion
from ..domain.run import Artifact, RunStatus
from ..domain.stage import Stage
from ..errors import Missing, MlcliError
from ..workspace import Workspace
from .finding import Finding, Severity, fault

_AGAIN = "restore it from a backup, or run and register again"


def check_run(version: CheckedVersion, stage: Stage) -> list[Finding]:
    """Whether the run that made a version finished."""
    run = version.run
    if run.status is RunStatus.FINISHED:
        return []
    told = "had not ended when it was registered" if run.status is RunStatus.RUNNING else f"{run.status}"
    severity = Severity.ERROR if run.status is not RunStatus.RUNNING and stage.exclusive else Severity.WARNING
    message = f"its run {run.id[:8]} {told}"
    return [Finding(code="run-unfinished", severity=severity, subject=version.ref, message=message)]


def check_files(workspace: Workspace, version: CheckedVersion) -> list[Finding]:
    """Whether the content of a version's files is here, and has their digests."""
    files = version.files
    if not files:
        return [fault("artifact-missing", version.ref, f"its run has no artifact {version.path}")]
    findings = []
    for file in files:
        if found := _check_file(workspace, version, file):
            findings.append(found)
    return findings


def _check_file(workspace: Workspace, version: CheckedVersion, file: Artifact) -> Finding | None:
    for scrub in version.run.scrubs:
        if file.digest in scrub.objects:
            message = f"{file.path} held a value that {scrub.by} took out on {scrub.at:%Y-%m-%d}: its content is gone"
            return fault("artifact-scrubbed", version.ref, message, "run and register again")
    try:
        workspace.store.content_path(file)
    except Missing as error:
        # Content stays on the machine that made it: in another clone its absence is no fault of the lineage.
        if workspace.store.run_ids(version.run.id):
            return fault("artifact-missing", version.ref, error.message, _AGAIN)
        return Finding(
            code="artifact-missing", severity=Severity.NOTE, subject=version.ref, message=error.message, hint=None
        )
    except MlcliError as error:
        return fault("artifact-altered", version.ref, error.message, _AGAIN)
    return None
