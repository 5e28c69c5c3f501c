"""Gates on people: who approved a version, and who vouches for the transition."""

from __future__ import annotations

from ..domain.gate import Approved
from ..domain.history import Event
from . import Case, Found


def approved(case: Case, gate: Approved) -> Found:
    """Whether enough people approved it who did not register it; their signatures must hold where one is asked for."""
    registrant = case.version.registered_by.identity
    given = case.history.approvals.get(case.digest, {})
    counted, left_out = [], []
    for identity, approval in sorted(given.items()):
        if not identity:
            left_out.append("somebody without a name approved it")
        elif identity == registrant:
            left_out.append(f"{approval.by} registered it")
        elif (fault := _fault_of(case, approval)) is not None:
            left_out.append(f"the approval of {approval.by} does not count: {fault}")
        else:
            counted.append(str(approval.by))
    people = "person" if gate.count == 1 else "people"
    who = f" ({', '.join(counted)})" if counted else ""
    told = f"approved by {len(counted)}{who}, and at least {gate.count} {people} other than who registered it must"
    return len(counted) >= gate.count, "; ".join([told, *left_out])


def _fault_of(case: Case, approval: Event) -> str | None:
    """Why the signature of an approval does not hold, where the stage asks for signatures."""
    return _signature_fault(case, approval) if case.rules.signed else None


def signed(case: Case, _gate: object) -> Found:
    """Whether the transition's signature holds; of one that is not made yet, whether its maker's would."""
    workspace = case.workspace
    if case.event:
        fault = _signature_fault(case, case.event)
        return fault is None, fault or f"by {case.event.by.email}"
    person = workspace.person()
    text = case.version.digest
    found = workspace.verify(text, workspace.sign(text), person.email)
    return found.good, f"by {person.email} with {found.key}" if found.good else found.reason


def _signature_fault(case: Case, event: Event) -> str | None:
    if not event.signature:
        return "it is not signed"
    workspace = case.workspace
    found = workspace.verify(workspace.store.body_digest(event), event.signature, event.by.email, at=event.at)
    return None if found.good else found.reason
