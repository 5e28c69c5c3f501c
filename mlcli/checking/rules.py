"""Whether what stands in a stage meets the stage's gates, and which gates were overridden to put it there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..domain.checked import CheckedVersion, Recorded
from ..domain.history import Event
from ..domain.names import quoted
from ..domain.stage import Stage
from ..errors import MlcliError
from ..workspace import Workspace
from .finding import Finding, Severity, damage, fault


def check_forced(recorded: Recorded, versions: Sequence[CheckedVersion]) -> Iterator[Finding]:
    """Tell every promotion of these versions that overrode gates: a warning where it stands, a note ever after."""
    history, refs = recorded.history, {version.digest: version.ref for version in versions}
    for event in history.events:
        version = history.now(event.version) if event.forced else ""
        if version not in refs:
            continue
        standing = history.put_there(version)
        stands = standing is not None and (
            standing is event or (standing.rollback and standing.to_stage is event.to_stage)
        )
        gates = "; ".join(f"{gate} ({told})" for gate, told in event.forced.items())
        why = f", as {quoted(event.why)}" if event.why else ""
        yield Finding(
            code="forced",
            severity=Severity.WARNING if stands else Severity.NOTE,
            subject=refs[version],
            message=f"{event.by} put it in {event.to_stage} on {event.at:%Y-%m-%d} past its gates{why}: {gates}",
            hint=f"mlcli rollback {recorded.model} {event.to_stage.value}" if stands else None,
        )


def check_gates(workspace: Workspace, recorded: Recorded, versions: Sequence[CheckedVersion]) -> Iterator[Finding]:
    """Judge what stands in a stage by the stage's gates as they are set now; those that were overridden are told so."""
    for stage, (held, _) in recorded.history.holders.items():
        version = next((each for each in versions if each.digest == held), None)
        if version is None or stage.value not in workspace.settings.stages:
            continue
        event = recorded.history.put_there(version.digest)
        if event is None:
            continue  # branches say otherwise, which is told as that; without an event commands would be run
        try:
            yield from _judged(workspace, recorded, version, stage, event)
        except MlcliError as error:
            yield damage(version.ref, error)


def _judged(
    workspace: Workspace, recorded: Recorded, version: CheckedVersion, stage: Stage, event: Event
) -> Iterator[Finding]:
    from .. import gates

    whole = workspace.store.version(version.model, version.number)
    forced = _forced(recorded, version, stage) if event.rollback else set(event.forced)
    for outcome in gates.judged(workspace, whole, stage, recorded.history, event=event):
        if not outcome.passed and outcome.gate not in forced:
            message = f"it stands in {stage} and does not meet {outcome.gate}: {outcome.told}"
            yield fault("gate", version.ref, message, f"mlcli rollback {version.model} {stage.value}")


def _forced(recorded: Recorded, version: CheckedVersion, stage: Stage) -> set[str]:
    """The gates that were overridden whenever a version came to a stage; a rollback to it asks none."""
    history = recorded.history
    moves = (e for e in history.events if e.to_stage is stage and history.now(e.version) == version.digest)
    return {gate for event in moves for gate in event.forced}
