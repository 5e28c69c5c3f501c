"""Whether every link of the lineage of model versions holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

from msgspec import Struct

from .domain.history import History
from .domain.model import ModelVersion
from .domain.ref import Word, parse
from .domain.run import Artifact, RunStatus
from .domain.source import FETCH_CODE, GitState
from .domain.stage import Stage
from .errors import Corrupt, GitError, Missing, MlcliError
from .lookup import find_version, version_of, versions_of
from .workspace import Workspace


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


def check(workspace: Workspace, refs: Sequence[str] = (), *, stage: Stage | None = None) -> Report:
    """Verify every link of the versions that `refs` name (none: of all), or of those that stand in `stage`.

    Each must lead to a run that finished, a commit that is in the repository and on a branch, made from a clean tree,
    and files that match their digests; and each model's names must say what its history says. A version in Staging or
    Production whose code cannot be found again is an error; elsewhere a warning.
    """
    findings: list[Finding] = []
    histories: dict[str, History] = {}
    chosen, models = _chosen(workspace, refs, findings)
    for model in models:
        try:
            histories[model] = workspace.store.history(model)
            findings += check_names(workspace, model, histories[model])
        except MlcliError as error:
            findings.append(_damage(model, error))
    if stage is not None:
        chosen = [v for v in chosen if v.model in histories and histories[v.model].stage_of(v.digest) is stage]
    stages = {v.digest: histories[v.model].stage_of(v.digest) if v.model in histories else Stage.NONE for v in chosen}
    findings += _check_commits(workspace, chosen, stages)
    for version in chosen:
        findings += _check_run(version, stages[version.digest])
        findings += _check_files(workspace, version)
    return Report(versions=[version.ref for version in chosen], findings=findings)


def _chosen(workspace: Workspace, refs: Sequence[str], findings: list[Finding]) -> tuple[list[ModelVersion], list[str]]:
    if refs:
        named: list[ModelVersion] = []
        for ref in refs:
            parsed = parse(ref)
            if isinstance(parsed, Word) and workspace.store.version_numbers(parsed.text):
                named += _readable(workspace, parsed.text, findings)
            else:
                named.append(
                    find_version(workspace, ref) if isinstance(parsed, Word) else version_of(workspace, parsed)
                )
        chosen = list({version.ref: version for version in named}.values())
        return chosen, sorted({version.model for version in chosen})
    models = sorted({*workspace.store.models(), *workspace.store.histories()})
    return [version for model in models for version in _readable(workspace, model, findings)], models


def _readable(workspace: Workspace, model: str, findings: list[Finding]) -> list[ModelVersion]:
    versions = []
    for number in workspace.store.version_numbers(model):
        try:
            versions.append(workspace.store.version(model, number))
        except MlcliError as error:
            findings.append(_damage(f"{model}@{number}", error))
    return versions


def _damage(subject: str, error: MlcliError) -> Finding:
    hint = error.hint if not isinstance(error, Corrupt) else "git checkout the file, or mlcli doctor"
    return Finding(code=error.code, severity=Severity.ERROR, subject=subject, message=error.message, hint=hint)


def check_names(workspace: Workspace, model: str, history: History) -> list[Finding]:
    """Whether a model's history is whole and single-headed, and each stage's name says what it says."""
    findings = []
    if len(history.heads) > 1:
        findings.append(
            Finding(
                code="unsettled",
                severity=Severity.ERROR,
                subject=model,
                message=f"its history has {len(history.heads)} ends that no transition settled",
                hint=f"mlcli promote {model}@N STAGE",
            )
        )
    known = {event.digest for event in history.events}
    gone = sorted({parent for event in history.events for parent in event.parents if parent not in known})
    if gone:
        message = f"its history names {len(gone)} transitions that are missing, as {gone[0][7:19]}"
        hint = f"git checkout -- .mlruns/models/{model}"
        findings.append(
            Finding(code="event-missing", severity=Severity.ERROR, subject=model, message=message, hint=hint)
        )
    findings += _check_versions(workspace, model, history)
    for stage in (Stage.STAGING, Stage.PRODUCTION):
        held, _ = history.holders.get(stage, (None, ""))
        try:
            holder = workspace.store.holder(model, stage)
        except MlcliError as error:
            findings.append(_damage(f"{model}@{stage.value}", error))
            continue
        said = holder.version if holder else None
        number_fits = held is None or holder is None or _digest_of(workspace, model, holder.number) == held
        if said != held or not number_fits:
            findings.append(
                Finding(
                    code="stage-disagrees",
                    severity=Severity.ERROR,
                    subject=f"{model}@{stage.value}",
                    message="the stage's file does not say what the history says",
                    hint="mlcli doctor --fix",
                )
            )
    return findings


def _check_versions(workspace: Workspace, model: str, history: History) -> list[Finding]:
    unreadable: list[MlcliError] = []
    here = {version.digest for version in versions_of(workspace, [model], unreadable)}
    named = {history.now(event.version) for event in history.events}
    gone = sorted(version for version in named - here if not history.is_removed(version))
    if not gone or unreadable:  # one that cannot be read is told as that, and may be the one
        return []
    versions = "a version that is" if len(gone) == 1 else f"{len(gone)} versions that are"
    message = f"its history names {versions} missing, as {gone[0][7:19]}"
    hint = f"git checkout -- .mlruns/models/{model}; where only a part is staged, git add .mlruns/models/{model}"
    return [Finding(code="version-missing", severity=Severity.ERROR, subject=model, message=message, hint=hint)]


def _digest_of(workspace: Workspace, model: str, number: int | None) -> str | None:
    try:
        return None if number is None else workspace.store.version(model, number).digest
    except MlcliError:
        return None


class _Weather(Struct, frozen=True):
    """What git says of the commits of versions: which are not here, on no branch, kept by no ref, or damaged."""

    missing: set[str] = set()
    unreachable: set[str] = set()
    unkept: set[str] = set()
    damaged: set[str] = set()


def _weather(workspace: Workspace, versions: Sequence[ModelVersion], findings: list[Finding]) -> _Weather:
    states = [version.run.git for version in versions]
    commits = {state.commit for state in states if state.commit}
    snapshots = {state.snapshot.commit: state.commit for state in states if state.snapshot}
    if not commits and not snapshots:
        return _Weather()
    try:
        git = workspace.repository
        missing = git.missing_commits({*commits, *snapshots})
        unreachable = git.unreachable_commits(commits - missing)
        here = {snapshot: parent for snapshot, parent in snapshots.items() if snapshot not in missing}
        return _Weather(
            missing,
            unreachable,
            git.unkept_commits({*unreachable, *here}),
            git.unreadable_snapshots({key: None if parent in missing else parent for key, parent in here.items()}),
        )
    except GitError as error:
        message = f"commits could not be looked up: {error.message}"
        findings.append(Finding(code="git", severity=Severity.WARNING, subject=".", message=message, hint=error.hint))
        return _Weather()


def _check_commits(workspace: Workspace, versions: Sequence[ModelVersion], stages: dict[str, Stage]) -> list[Finding]:
    findings: list[Finding] = []
    weather = _weather(workspace, versions, findings)
    for version in versions:
        grave = Severity.ERROR if stages[version.digest].exclusive else Severity.WARNING
        told = [
            *_check_commit(workspace, version.run.git, weather, grave),
            *_check_snapshot(version.run.git, weather, grave),
        ]
        for code, severity, message, hint in told:
            findings.append(Finding(code=code, severity=severity, subject=version.ref, message=message, hint=hint))
    return findings


Told = tuple[str, Severity, str, str]


def _check_commit(workspace: Workspace, git: GitState, weather: _Weather, grave: Severity) -> Iterator[Told]:
    short = (git.commit or "")[:7]
    if git.commit is None:
        reason = git.reason or "unknown"
        yield "no-commit", grave, f"its run has no commit: {reason}", "commit, then run and register again"
    elif git.commit in weather.missing:
        message = f"commit {short} is not in this repository{_again(workspace, git)}"
        yield "commit-missing", grave, message, f"git fetch --all; {FETCH_CODE}"
    elif git.commit in weather.unreachable:
        held = git.commit not in weather.unkept
        message = f"commit {short} is on no branch or tag{_again(workspace, git)}"
        message += "; only mlcli's own ref keeps it" if held else ""
        hint = f"git branch keep-{short} {short}"
        yield "commit-unreachable", Severity.WARNING if held else grave, message, hint


def _again(workspace: Workspace, git: GitState) -> str:
    """Where the code of a commit is that was rewritten: '; the same patch is f020328 on main'."""
    again = workspace.rewritten(git)
    return f"; the same {again.what} is {again.commit[:7]} on {again.on}" if again else ""


def _check_snapshot(git: GitState, weather: _Weather, grave: Severity) -> Iterator[Told]:
    """What a model was made from that was not committed: whether it was kept, and can be read."""
    if not git.dirty:
        return
    files = [*git.changed, *git.untracked]
    more = f" and {len(files) - 1 + git.left_out} more" if len(files) + git.left_out > 1 else ""
    message = f"it was made from uncommitted code: {files[0] if files else 'changes'}{more}"
    yield "dirty", grave, message, "commit, then run and register again"
    if git.snapshot is None:
        return
    short = git.snapshot.commit[:7]
    if git.snapshot.commit in weather.missing:
        message = f"{short}, which keeps its uncommitted code, is not in this repository"
        yield "snapshot-missing", Severity.WARNING, message, FETCH_CODE
    elif git.snapshot.commit in weather.damaged:
        message = f"{short}, which keeps its uncommitted code, cannot be read in full"
        yield "snapshot-damaged", grave, message, f"git fsck; {FETCH_CODE}"
    elif git.snapshot.commit in weather.unkept:
        message = f"no ref leads to {short}, which keeps its uncommitted code: git will drop it"
        yield "snapshot-unkept", Severity.WARNING, message, "mlcli doctor --fix"


def _check_run(version: ModelVersion, stage: Stage) -> list[Finding]:
    run = version.run
    if run.status is RunStatus.FINISHED:
        return []
    told = "had not ended when it was registered" if run.status is RunStatus.RUNNING else f"{run.status}"
    severity = Severity.ERROR if run.status is not RunStatus.RUNNING and stage.exclusive else Severity.WARNING
    message = f"its run {run.id[:8]} {told}"
    return [Finding(code="run-unfinished", severity=severity, subject=version.ref, message=message)]


def _scrubbed(version: ModelVersion, file: Artifact) -> Finding:
    scrub = next(each for each in version.run.scrubs if file.digest in each.objects)
    return Finding(
        code="artifact-scrubbed",
        severity=Severity.ERROR,
        subject=version.ref,
        message=f"{file.path} held a value that {scrub.by} took out on {scrub.at:%Y-%m-%d}: its content is gone",
        hint="run and register again",
    )


def _check_files(workspace: Workspace, version: ModelVersion) -> list[Finding]:
    findings = []
    run_is_here = bool(workspace.store.run_ids(version.run.id))
    for file in version.files:
        if file.digest in version.run.scrubbed:
            findings.append(_scrubbed(version, file))
            continue
        try:
            workspace.store.content_path(file)
        except Missing as error:
            # Content stays on the machine that made it: in another clone its absence is no fault of the lineage.
            severity = Severity.ERROR if run_is_here else Severity.NOTE
            hint = "restore it from a backup, or run and register again" if run_is_here else None
            findings.append(
                Finding(
                    code="artifact-missing", severity=severity, subject=version.ref, message=error.message, hint=hint
                )
            )
        except MlcliError as error:
            findings.append(
                Finding(
                    code="artifact-altered",
                    severity=Severity.ERROR,
                    subject=version.ref,
                    message=error.message,
                    hint="restore it from a backup, or run and register again",
                )
            )
    if not version.files:
        message = f"its run has no artifact {version.path}"
        findings.append(Finding(code="artifact-missing", severity=Severity.ERROR, subject=version.ref, message=message))
    return findings
