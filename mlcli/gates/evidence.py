"""Gates on what is known of a version: its files, the inputs of its run, whether it could be made again."""

from __future__ import annotations

from ..domain.observed import Kind
from ..domain.reproduction import Verdict
from ..errors import Missing, MlcliError
from ..lookup import reproductions_of
from . import Case, Found


def artifact(case: Case, _gate: object) -> Found:
    """Whether every file is here and matches its digest; of what is judged again, in a clone, it need not be here."""
    version, store = case.version, case.workspace.store
    if not version.files:
        return False, f"its run has no artifact {version.path}"
    faults = []
    for file in version.files:
        try:
            store.content_path(file)
        except Missing as error:
            if case.event and file.digest not in version.run.scrubbed and not store.run_ids(version.run.id):
                return None
            faults.append(error.message)
        except MlcliError as error:
            faults.append(error.message)
    if faults:
        return False, faults[0] + (f", and {len(faults) - 1} more" if len(faults) > 1 else "")
    return True, f"{_count(len(version.files), 'file')} as registered"


def inputs(case: Case, _gate: object) -> Found:
    """Whether all that its run is known to have read has a digest, and something is known of that."""
    run = case.version.run
    unknown = [each.path for each in run.inputs if not each.digest] + run.urls
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        return False, f"of what its run read, {unknown[0]}{more} has no digest"
    watched = run.capture is not None and run.capture.complete and Kind.INPUTS.value not in run.capture.off
    if not run.inputs and not watched:
        return False, "no input of its run is known: mlcli run --input PATH -- COMMAND"
    return True, f"{_count(len(run.inputs), 'input')} with {'a digest' if len(run.inputs) == 1 else 'digests'}"


def reproduced(case: Case, _gate: object) -> Found:
    """Whether its run was made again, and came out the same."""
    run = case.version.run
    told = {each.run_id: each for each in [*run.reproductions, *reproductions_of(case.workspace, run)] if each.verdict}
    for each in told.values():
        if each.verdict in {Verdict.IDENTICAL, Verdict.EQUIVALENT}:
            return True, f"made again as {each.run_id[:8]}: {each.verdict}"
    if case.event and not case.workspace.store.run_ids(run.id):
        return None
    if told:
        last = list(told.values())[-1]
        return False, f"made again as {last.run_id[:8]}: {last.verdict}"
    return False, f"it was not made again: mlcli reproduce {case.version.ref}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
