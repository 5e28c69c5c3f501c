"""Whether a version's run finished, and its files are what they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..domain.checked import CheckedVersion
from ..domain.run import Artifact, RunStatus, Scrub
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


def check_files(workspace: Workspace, versions: Sequence[CheckedVersion]) -> Iterator[Finding]:
    """Whether the content of each version's files is here, and has their digests.

    Content stays on the machine that made it: in a clone without the run its absence is no fault, told once a model.
    """
    absent: dict[str, list[str]] = {}
    for version in versions:
        if not version.files:
            yield fault("artifact-missing", version.ref, f"its run has no artifact {version.path}")
        for file in version.files:
            try:
                if scrub := next((each for each in version.run.scrubs if file.digest in each.objects), None):
                    yield _scrubbed(version, file, scrub)
                else:
                    workspace.store.content_path(file)
            except Missing as error:
                if workspace.store.run_ids(version.run.id):
                    yield fault("artifact-missing", version.ref, error.message, _AGAIN)
                elif version.ref not in absent.setdefault(version.model, []):
                    absent[version.model].append(version.ref)
            except MlcliError as error:
                yield fault("artifact-altered", version.ref, error.message, _AGAIN)
    for model, refs in absent.items():
        of = "its content" if len(refs) == 1 else f"the content of {len(refs)} versions, as {refs[0]},"
        subject = refs[0] if len(refs) == 1 else model
        message = f"{of} is not in this clone"
        yield Finding(code="artifact-missing", severity=Severity.NOTE, subject=subject, message=message)


def _scrubbed(version: CheckedVersion, file: Artifact, scrub: Scrub) -> Finding:
    message = f"{file.path} held a value that {scrub.by} took out on {scrub.at:%Y-%m-%d}: its content is gone"
    return fault("artifact-scrubbed", version.ref, message, "run and register again")
