"""What stands in a stage, of all models: since when, by whom, why, from what, and whether its lineage holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from .checking import Finding, check
from .domain.history import History
from .domain.model import ModelVersion
from .domain.run import Metric
from .domain.source import Person
from .domain.stage import Stage
from .errors import MlcliError, UsageError
from .lookup import history_of
from .workspace import Workspace


class Figure(Struct, frozen=True, kw_only=True):
    """A metric of a version, and of the one that it replaced (None where that has none)."""

    value: float
    before: float | None


class Reported(Struct, frozen=True, kw_only=True):
    """A version that stands in the stage, how it came there, and what it was made from.

    `before` is the number of the version that stood there before it. `inputs` are paths with digests.
    """

    model: str
    version: int
    since: datetime | None
    by: Person | None
    why: str
    at_commit: str | None
    aliases: list[str]
    approvals: list[str]
    gates: dict[str, str]
    forced: dict[str, str]
    signed: bool
    before: int | None
    run_id: str
    run_name: str
    command: list[str]
    commit: str | None
    subject: str | None
    branch: str | None
    dirty: bool
    params: dict[str, Any]
    metrics: dict[str, Figure]
    inputs: dict[str, str]
    digest: str


class StageReport(Struct, frozen=True, kw_only=True):
    """What stands in a stage now, by model, and what `check` finds of it."""

    stage: Stage
    at: datetime
    standing: list[Reported]
    findings: list[Finding]


def report(workspace: Workspace, stage: Stage, problems: list[MlcliError] | None = None) -> StageReport:
    """What stands in `stage`, which one version of a model holds at a time: UsageError for another."""
    if not stage.exclusive:
        raise UsageError(f"a report is of Staging or Production, not of {stage}", "mlcli report --stage production")
    workspace.require_store()
    standing = []
    for model in workspace.store.models():
        history = history_of(workspace, model, problems)
        if stage in history.stages.values():  # who put it there is told by the events
            history = workspace.store.history(model)
        standing += _of_model(workspace, model, stage, history)
    refs = [f"{each.model}@{each.version}" for each in standing]
    findings = check(workspace, refs).findings if refs else []
    return StageReport(stage=stage, at=workspace.now(), standing=standing, findings=findings)


def _of_model(workspace: Workspace, model: str, stage: Stage, history: History) -> list[Reported]:
    there = [digest for digest, where in history.stages.items() if where is stage]
    found = workspace.store.marked_versions("version", there, models=[model])
    terms = history.terms.get(stage, [])
    return [_reported(workspace, version, history, stage, terms) for version in found]


def _reported(
    workspace: Workspace, version: ModelVersion, history: History, stage: Stage, terms: list[str]
) -> Reported:
    event = history.put_there(version.digest)
    earlier = terms[: len(terms) - 1 - terms[::-1].index(version.digest)] if version.digest in terms else terms
    before = next(iter(workspace.store.marked_versions("version", earlier[-1:], models=[version.model])), None)
    run, git = version.run, version.run.git
    old: dict[str, Metric] = before.run.metrics if before else {}
    artifact = version.artifact
    return Reported(
        model=version.model,
        version=version.number,
        since=event.at if event else None,
        by=event.by if event else None,
        why=event.why if event else "",
        at_commit=event.commit if event else None,
        aliases=history.aliases_of(version.digest),
        approvals=[str(each.by) for each in history.approvals.get(version.digest, {}).values()],
        gates=event.gates if event else {},
        forced=event.forced if event else {},
        signed=bool(event and event.signature),
        before=before.number if before else None,
        run_id=run.id,
        run_name=run.name,
        command=run.command.argv,
        commit=git.commit,
        subject=git.subject,
        branch=git.branch,
        dirty=git.dirty,
        params={key: param.value for key, param in run.params.items()},
        metrics={
            key: Figure(value=each.last, before=old[key].last if key in old else None)
            for key, each in run.metrics.items()
        },
        inputs={each.path: each.digest for each in run.inputs},
        digest=artifact.digest if artifact else next((file.digest for file in version.files), ""),
    )
