"""Whether every link of the lineage of model versions holds."""

from __future__ import annotations

from collections.abc import Sequence

from ..domain.checked import CheckedVersion, Recorded
from ..domain.ref import Word, parse
from ..domain.stage import Stage
from ..lookup import find_version, version_of
from ..workspace import Workspace
from .commits import check_commits
from .files import check_files, check_run
from .finding import Finding as Finding
from .finding import Report as Report
from .finding import Severity as Severity
from .finding import damage
from .names import check_names as check_names
from .names import check_times, name_twins
from .rules import check_forced, check_gates
from .signatures import check_signatures


def check(
    workspace: Workspace, refs: Sequence[str] = (), *, stage: Stage | None = None, signed: bool = False
) -> Report:
    """Verify every link of the versions that `refs` name (none: of all), or of those that stand in `stage`.

    Each must lead to a run that finished, a commit that is in the repository and on a branch, made from a clean tree,
    and files that match their digests; each model's names must say what its history says, and what stands in a stage
    must still meet the stage's gates. A version in Staging or Production whose code cannot be found again is an error;
    elsewhere a warning. With `signed`, whatever was done to these versions must carry a good signature.
    """
    chosen, models = _chosen(workspace, refs)
    recorded = {model: workspace.store.recorded(model) for model in models}
    findings: list[Finding] = name_twins(workspace, models)
    for model in models:
        findings += [damage(subject, error) for subject, error in recorded[model].unread]
        findings += check_names(workspace, model, recorded[model])
        findings += check_times(workspace, recorded[model])
    versions = _versions(recorded, chosen, stage)
    stages = {version.digest: recorded[version.model].history.stage_of(version.digest) for version in versions}
    findings += check_commits(workspace, versions, stages)
    for version in versions:
        findings += check_run(version, stages[version.digest])
    findings += check_files(workspace, versions)
    for model in models:
        of_model = [version for version in versions if version.model == model]
        findings += check_forced(recorded[model], of_model)
        findings += check_gates(workspace, recorded[model], of_model)
    findings += check_signatures(workspace, recorded, versions) if signed else []
    return Report(versions=[version.ref for version in versions], findings=findings)


def _chosen(workspace: Workspace, refs: Sequence[str]) -> tuple[set[tuple[str, int | None]] | None, list[str]]:
    """Which versions are asked for, each by model and number, without one where it is all of a model; None: all."""
    if not refs:
        return None, sorted({*workspace.store.models(), *workspace.store.histories()})
    chosen: set[tuple[str, int | None]] = set()
    for ref in refs:
        parsed = parse(ref)
        if isinstance(parsed, Word) and workspace.store.version_numbers(parsed.text):
            chosen.add((parsed.text, None))
        else:
            version = find_version(workspace, ref) if isinstance(parsed, Word) else version_of(workspace, parsed)
            chosen.add((version.model, version.number))
    return chosen, sorted({model for model, _ in chosen})


def _versions(
    recorded: dict[str, Recorded], chosen: set[tuple[str, int | None]] | None, stage: Stage | None
) -> list[CheckedVersion]:
    versions = [version for each in recorded.values() for version in each.versions]
    if chosen is not None:
        versions = [v for v in versions if not chosen.isdisjoint({(v.model, None), (v.model, v.number)})]
    if stage is not None:
        versions = [v for v in versions if recorded[v.model].history.stage_of(v.digest) is stage]
    return versions
