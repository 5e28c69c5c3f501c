"""Register an artifact of a run as the next version of a name."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ..chronicle import announced
from ..domain.model import ModelVersion
from ..domain.names import check_name, quoted, sounding
from ..domain.query import Both, Compare, Negated
from ..domain.ref import RunArtifact, parse_artifact
from ..domain.run import Artifact, Run, RunStatus
from ..domain.values import kept_reason
from ..errors import InvalidName, NotFound, Refused
from ..lookup import find_run
from ..workspace import Workspace


class Registered(Struct, frozen=True, kw_only=True):
    """A registration: the version, and whether it was made now or was there before (`--once`)."""

    version: ModelVersion
    made: bool


def register(
    workspace: Workspace,
    model: str,
    run_text: str | None = None,
    *,
    artifact: str | None = None,
    why: str = "",
    once: bool = False,
    pushed: bool = False,
) -> Registered:
    """Register an artifact of a run as the next version of `model`.

    With no run the newest that has a model is taken; with one model in the run no artifact need be named. What is
    registered already is not registered again: Refused, or with `once` that version. With `pushed`, or where the
    settings require it, a run whose commit no remote has is Refused.
    """
    check_name(model, "model")
    workspace.require_store()
    run, path = _run_and_path(workspace, run_text, artifact)
    if run.status in {RunStatus.FAILED, RunStatus.KILLED}:
        raise Refused(
            f"run {run.id[:8]} {_ended(run)}: its model is not registered", "mlcli ls \"status = 'finished'\""
        )
    if pushed or workspace.settings.require_pushed == "yes":
        _refuse_unpushed(workspace, run)
    for file in run.files_of(path):
        workspace.store.content_path(file)
    version = ModelVersion(
        model=model,
        number=0,
        path=path,
        run=replace(run, process=None),
        registered_at=workspace.now(),
        registered_by=workspace.person(),
        commit=workspace.head(),
        why=kept_reason(why),
    )
    with workspace.store.changing(model):
        history = workspace.store.standing(model)
        twin = _twin(workspace, version)
        if twin is not None and not once:
            raise Refused(
                f"{twin.ref} is {quoted(path)} of run {run.id[:8]} already", "mlcli register --once … accepts that"
            )
        if twin is not None:
            return Registered(version=announced(workspace, twin, history), made=False)
        _refuse_name_twin(workspace, model)
        git = replace(run.git, patch_id=workspace.patch_id(run.git.commit))
        version = replace(version, run=replace(version.run, git=git))
        last = max([history.last_number, *workspace.numbers_in_git(model)])  # so that no number is used again
        version = workspace.store.add_version(version, above=last)
        return Registered(version=announced(workspace, version, history), made=True)


def _refuse_unpushed(workspace: Workspace, run: Run) -> None:
    """Refused where nobody else could get the code that a run came from."""
    short = (run.git.commit or "")[:7]
    if run.git.dirty or run.git.commit is None:
        told = run.git.reason if run.git.commit is None else "it was not committed"
        raise Refused(f"the code of run {run.id[:8]} is not pushed: {told}", "commit, push, then run again")
    if not workspace.is_pushed(run.git.commit):
        raise Refused(f"the code of run {run.id[:8]} is not pushed: no remote has commit {short}", "git push")


def _ended(run: Run) -> str:
    return "failed" if run.status is RunStatus.FAILED else "was killed"


def _run_and_path(workspace: Workspace, run_text: str | None, artifact: str | None) -> tuple[Run, str]:
    if run_text is None:
        run = _newest_with_model(workspace)
    else:
        ref = parse_artifact(run_text)
        if isinstance(ref, RunArtifact):
            run_text, artifact = ref.run, artifact or ref.path
        run = find_run(workspace, run_text)
    if artifact is not None and not run.files_of(artifact.strip("/")):
        run = _with_outputs(run, artifact.strip("/"))
    return run, _artifact_path(run, artifact)


def _with_outputs(run: Run, path: str) -> Run:
    """The run, with what it wrote at or below a path among its artifacts, as far as that was kept."""
    wrote = [each for each in run.outputs if each.kept and (each.path == path or each.path.startswith(f"{path}/"))]
    made = [Artifact(path=each.path, size=each.size or 0, digest=each.digest) for each in wrote]
    return replace(run, artifacts=[*run.artifacts, *made])


def _newest_with_model(workspace: Workspace) -> Run:
    with_model = Both(Negated(Compare(("model",), "isnull", None)), Compare(("status",), "in", ("finished", "running")))
    with_model = Both(with_model, Compare(("reproduces",), "isnull", None))
    for run in workspace.store.find_runs(with_model, limit=1).runs:
        return run
    raise NotFound(
        "no finished run has a model",
        "log one: mlcli.sklearn.log_model(model, 'model'); or register a file: RUN:FILE, as @:model.bin",
    )


def _artifact_path(run: Run, artifact: str | None) -> str:
    if artifact is not None:
        path = artifact.strip("/")
        if not run.files_of(path):
            paths = [*(file.path for file in run.artifacts), *(each.path for each in run.outputs if each.kept)]
            there = ", ".join(map(quoted, paths[:5])) or "none"
            raise NotFound(
                f"run {run.id[:8]} has no artifact {quoted(artifact)}; it has {there}", f"mlcli show {run.id[:8]}"
            )
        return path
    if len(run.models) == 1:
        return run.models[0].path
    if run.models:
        models, short = ", ".join(model.path for model in run.models), run.id[:8]
        raise NotFound(
            f"run {short} has {len(run.models)} models: {models}", f"name one, as {short}:{run.models[0].path}"
        )
    if len(run.artifacts) == 1:
        return run.artifacts[0].path
    raise NotFound(
        f"run {run.id[:8]} has no model", "log one with mlcli.sklearn.log_model, or name one of its files: RUN:FILE"
    )


def _twin(workspace: Workspace, version: ModelVersion) -> ModelVersion | None:
    content = {file.digest for file in version.files}
    for other in workspace.store.marked_versions("run", [version.run.id], models=[version.model]):
        if other.path == version.path and {file.digest for file in other.files} == content:
            return other
    return None


def _refuse_name_twin(workspace: Workspace, model: str) -> None:
    for other in workspace.store.models():
        if other != model and sounding(other) == sounding(model):
            raise InvalidName(
                f"{quoted(model)} and the model {quoted(other)} differ in case or spelling only, which not every "
                "system can keep",
                f"mlcli register {other} …",
            )
