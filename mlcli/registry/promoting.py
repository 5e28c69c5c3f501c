"""Promotions: a version is moved to a stage where the stage's gates let it pass; one event is appended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec import Struct

from ..chronicle import restate, tell, version_of_digest
from ..domain.history import Action, History
from ..domain.model import ModelVersion
from ..domain.stage import Stage
from ..errors import GateRefused, NotFound, Refused, UsageError
from ..gates import Outcome, judged
from ..lookup import find_version, require_model
from ..workspace import Workspace


class Promoted(Struct, frozen=True, kw_only=True):
    """A transition: what moved from where to where, what it replaced, and whether it was made now.

    `gates` are the rules that it passed, `forced` those that it did not, each with what was found.
    """

    version: ModelVersion
    from_stage: Stage
    to_stage: Stage
    archived: list[ModelVersion]
    replaced: ModelVersion | None = None
    gates: dict[str, str] = {}
    forced: dict[str, str] = {}
    signed: bool = False
    made: bool


def promote(
    workspace: Workspace,
    version_text: str,
    stage_text: str,
    *,
    why: str = "",
    keep: bool = False,
    once: bool = False,
    force: bool = False,
) -> Promoted:
    """Move a version to a stage: one event is appended, and the version it replaces there is archived unless `keep`.

    `None` and `Archived` take a version out of service. A version that stands there already is Refused, or accepted
    with `once`, as is one in Production that was to be in Staging; where branches moved the model apart, it is said
    again, which settles them. GateRefused tells all gates of the stage that say no; `force`, with a reason, overrides
    them where the stage allows that, and the event says so.
    """
    stage = Stage.parse(stage_text)
    version = find_version(workspace, version_text)
    if force:
        _refuse_force(workspace, version, stage, why)
    with _judged(workspace, version, stage, once=once) as (history, outcomes):
        before = history.stage_of(version.digest)
        if outcomes is None:
            if not once:
                raise Refused(f"{version.ref} is in {stage} already", "mlcli promote --once … accepts that")
            restate(workspace, version.model, history)
            return Promoted(version=version, from_stage=before, to_stage=before, archived=[], made=False)
        failed = {each.gate: each.told for each in outcomes if not each.passed}
        if failed and not force:
            raise _refusal(workspace, version, stage, outcomes)
        gates = {each.gate: each.told for each in outcomes if each.passed}
        return _moved(workspace, version, stage, history, why=why, keep=keep, gates=gates, forced=failed)


def rollback(workspace: Workspace, model: str, stage_text: str | None = None, *, why: str = "") -> Promoted:
    """Bring back the version that stood in a stage before the one that does: one more transition.

    With no stage it is Production, or Staging where none was ever in Production. Again, it goes further back. Gates are
    not asked: the version stood there before. NotFound where there is none to go back to.
    """
    workspace.require_store()
    require_model(workspace, model)
    store = workspace.store
    with store.changing(model):
        history = store.standing(model)
        stage = Stage.parse(stage_text) if stage_text else _usual(history)
        held = history.holders.get(stage, (None, ""))[0]
        terms = history.terms.get(stage, [])
        former = (version_of_digest(workspace, model, history, each) for each in reversed(terms) if each != held)
        version = next((each for each in former if each is not None), None)
        if version is None:
            now = f" before {_ref_of(history, model, held)}" if held else ""
            raise NotFound(f"no version of {model} was in {stage}{now}", f"mlcli history {model}")
        reason = why or f"rollback from {_ref_of(history, model, held or (terms[-1] if terms else ''))}"
        return _moved(workspace, version, stage, history, why=reason, rollback=True)


def _usual(history: History) -> Stage:
    return Stage.PRODUCTION if Stage.PRODUCTION in history.terms or not history.terms else Stage.STAGING


def _ref_of(history: History, model: str, digest: str) -> str:
    number = history.numbers.get(digest)
    return f"{model}@{number}" if number else digest[7:19]


@contextmanager
def _judged(
    workspace: Workspace, version: ModelVersion, stage: Stage, *, once: bool
) -> Iterator[tuple[History, list[Outcome] | None]]:
    """The model's history, kept from changing, and what the gates say to it; None where the version is there already.

    Commands may take minutes, and are run while others may write, once; what else the gates ask may have changed since.
    """
    store = workspace.store
    # Gates may ask for all that happened; else what it adds up to will do.
    told = store.history if stage.value in workspace.settings.stages else store.standing

    def asked(history: History, commands: Sequence[Outcome] = ()) -> list[Outcome] | None:
        if _is_there(version, stage, history, once=once):
            return None
        return judged(workspace, version, stage, history, commands=commands)

    history = told(version.model)
    outcomes = asked(history)
    with store.changing(version.model):
        now = told(version.model)
        yield now, outcomes if now.heads == history.heads else asked(now, outcomes or ())


def _is_there(version: ModelVersion, stage: Stage, history: History, *, once: bool) -> bool:
    before = history.stage_of(version.digest)
    further = once and (before, stage) == (Stage.PRODUCTION, Stage.STAGING)  # a Makefile's line, run again
    torn = {("stage", stage.value), ("version", version.digest)} & history.torn.keys()
    return (before is stage or further) and not torn


def _refuse_force(workspace: Workspace, version: ModelVersion, stage: Stage, why: str) -> None:
    rules = workspace.settings.stages.get(stage.value)
    if rules is not None and not rules.force:
        raise Refused(
            f"{stage} lets nobody force a version past its gates",
            f"set force = true in [tool.mlcli.stages.{stage.value}]",
        )
    if not why.strip():
        raise UsageError("--force needs a reason", f"mlcli promote {version.ref} {stage.value} --force -m WHY")


def _refusal(workspace: Workspace, version: ModelVersion, stage: Stage, outcomes: list[Outcome]) -> GateRefused:
    failed = [f"{each.gate}: {each.told}" for each in outcomes if not each.passed]
    rules = workspace.settings.stages.get(stage.value)
    shown = f"mlcli show {version.ref}"
    forced = f"mlcli promote {version.ref} {stage.value} --force -m WHY" if rules and rules.force else shown
    told = "its gate says" if len(outcomes) == 1 else f"{len(failed)} of {len(outcomes)} gates say"
    return GateRefused(f"{version.ref} is not let into {stage}: {told} no", forced, details=failed)


def _moved(
    workspace: Workspace,
    version: ModelVersion,
    stage: Stage,
    history: History,
    *,
    why: str,
    keep: bool = False,
    gates: dict[str, str] | None = None,
    forced: dict[str, str] | None = None,
    rollback: bool = False,
) -> Promoted:
    standing = _standing(workspace, version, history, stage)
    archived = [] if keep else standing
    event = tell(
        workspace,
        version,
        Action.MOVED,
        history,
        why=why,
        to_stage=stage,
        sign=workspace.settings.signs(stage.value) and "signed" not in (forced or {}),
        archived=[other.digest for other in archived],
        gates=gates or {},
        forced=forced or {},
        rollback=rollback,
    )
    restate(workspace, version.model, history.followed(event))
    return Promoted(
        version=version,
        from_stage=event.from_stage,
        to_stage=stage,
        archived=archived,
        replaced=standing[-1] if standing else None,
        gates=event.gates,
        forced=event.forced,
        signed=bool(event.signature),
        made=True,
    )


def _standing(workspace: Workspace, version: ModelVersion, history: History, stage: Stage) -> list[ModelVersion]:
    """The versions that stand in an exclusive stage now; the one that holds its name comes last."""
    if not stage.exclusive:
        return []
    there = {digest for digest, where in history.stages.items() if where is stage}
    if ("stage", stage.value) in history.torn:  # what one branch archived and another did not is settled with it
        torn = {digest for kind, digest in history.torn if kind == "version"}
        there |= {digest for digest in torn if not history.stage_of(digest).exclusive}
    there.discard(version.digest)
    held = history.holders.get(stage, (None, ""))[0]
    found = [version_of_digest(workspace, version.model, history, digest) for digest in sorted(there)]
    standing = [each for each in found if each is not None]
    return sorted(standing, key=lambda other: other.digest == held)
