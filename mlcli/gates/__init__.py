"""Whether a version meets the gates of a stage: each is judged, and tells both figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct

from ..domain.gate import Aged, Approved, Bound, Compared, Gate, Plain, Ran, Reachable, StageRules, Stood
from ..domain.history import Action, Event, History, fold
from ..domain.model import ModelVersion
from ..domain.stage import Stage
from ..errors import MlcliError
from ..workspace import Workspace


class Outcome(Struct, frozen=True, kw_only=True):
    """How a gate was judged: the gate as it is written, whether it is met, and what was found."""

    gate: str
    passed: bool
    told: str


class Case(Struct, frozen=True, kw_only=True):
    """What is judged: a version that is to enter a stage, or the `event` that brought it there.

    `history` is the model's as whoever promoted saw it.
    """

    workspace: Workspace
    version: ModelVersion
    stage: Stage
    history: History
    event: Event | None
    rules: StageRules

    @property
    def digest(self) -> str:
        """The digest that the version has in the history."""
        return self.history.now(self.version.digest)


# What a judge found: whether the gate is met, and why; None where that cannot be told here.
Found = tuple[bool, str] | None


def judged(
    workspace: Workspace,
    version: ModelVersion,
    stage: Stage,
    history: History,
    *,
    event: Event | None = None,
    commands: Sequence[Outcome] = (),
) -> list[Outcome]:
    """Judge every gate that the settings put before `stage`; none where there are none.

    Without `event` the version is about to be promoted, and commands are run. With the event that put it there it is
    judged again, as things were then: commands are not run, no other version is compared, and what cannot be told in
    this clone is left out. A gate that cannot be judged is not met, and tells why. What `commands`, the outcomes of
    before, say of gates that are commands holds still: they are not run again.
    """
    rules = workspace.settings.stages.get(stage.value)
    if rules is None:
        return []
    before = _before(history, event) if event else history
    case = Case(workspace=workspace, version=version, stage=stage, history=before, event=event, rules=rules)
    outcomes = []
    ended = {each.gate: each for each in commands}
    for gate in rules.require:
        if isinstance(gate, Ran) and gate.text in ended:
            outcomes.append(ended[gate.text])
            continue
        try:
            found = _judge_of(gate)(case, gate)
        except MlcliError as error:
            found = False, f"{error.message}; {error.hint}" if error.hint else error.message
        if found is not None:
            outcomes.append(Outcome(gate=gate.text, passed=found[0], told=found[1]))
    return outcomes


def _before(history: History, event: Event) -> History:
    """The history that the writer of an event saw; versions are named as they are since."""
    events = {each.digest: each for each in history.events}
    seen: set[str] = set()
    waiting = list(event.parents)
    while waiting:
        digest = waiting.pop()
        if digest in events and digest not in seen:
            seen.add(digest)
            waiting += events[digest].parents
    return fold(each for each in history.events if each.digest in seen or each.action is Action.SCRUBBED)


def _judge_of(gate: Gate) -> Callable[[Case, Any], Found]:
    from . import code, evidence, figures, people
    from .commands import ran

    return {
        "clean": code.clean,
        Reachable: code.reachable,
        "artifact": evidence.artifact,
        "inputs": evidence.inputs,
        "reproduced": evidence.reproduced,
        Bound: figures.bound,
        Compared: figures.compared,
        Approved: people.approved,
        "signed": people.signed,
        Stood: stood,
        Aged: aged,
        Ran: ran,
    }[gate.word if isinstance(gate, Plain) else type(gate)]  # type: ignore[return-value]


def stood(case: Case, gate: Stood) -> Found:
    """Whether the version stands or stood in a stage."""
    if _stretches(case, gate.stage):
        return True, f"it was in {gate.stage}"
    return False, f"it was never in {gate.stage}: mlcli promote {case.version.ref} {gate.stage.value}"


def aged(case: Case, gate: Aged) -> Found:
    """Whether the version stood in a stage for long enough, once."""
    asked = f"at least {_span(gate.least)} is asked"
    stretches = _stretches(case, gate.stage)
    if not stretches:
        return False, f"it was never in {gate.stage}, and {asked}"
    longest = max(stretches)
    return longest >= gate.least, f"{_span(longest)} in {gate.stage}, and {asked}"


def _stretches(case: Case, stage: Stage) -> list[timedelta]:
    """How long the version stood in a stage each time; a time that did not end goes to now, or to the event."""
    now, digest = case.history.now, case.digest
    stretches, since = [], None
    for event in case.history.events:
        if event.action is not Action.MOVED:
            continue
        if now(event.version) == digest:
            to = event.to_stage
        elif digest in map(now, event.archived):
            to = Stage.ARCHIVED
        else:
            continue
        if to is stage:
            since = since or event.at
        elif since:
            stretches.append(event.at - since)
            since = None
    if since:
        stretches.append((case.event.at if case.event else case.workspace.now()) - since)
    return stretches


def _span(time: timedelta) -> str:
    seconds = max(0, int(time.total_seconds()))
    for unit, name, below, below_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= unit:
            rest = seconds % unit // below
            return f"{seconds // unit}{name} {rest}{below_name}" if rest else f"{seconds // unit}{name}"
    return f"{seconds}s"
