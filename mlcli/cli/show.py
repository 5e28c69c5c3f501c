"""mlcli show: one run, or a model version with its run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import output, words
from .options import AnyRef, At, Json

if TYPE_CHECKING:
    from ..domain.model import ModelVersion
    from ..domain.run import Run
    from ..registry import State
    from ..workspace import Workspace


def command(ref: AnyRef, at: At = None, as_json: Json = False) -> None:
    """Show all that is known of a run, or of a model version and its run."""
    from ..domain.model import ModelVersion
    from ..domain.run import Run
    from ..errors import MlcliError, NotFound
    from ..lookup import find_any, reproductions_of
    from ..registry import state_of, version_at, versions_from
    from ..workspace import Workspace
    from .times import moment

    workspace = Workspace.find()
    problems: list[MlcliError] = []
    then = moment(workspace, at)
    found = find_any(workspace, ref) if then is None else version_at(workspace, ref, then)
    if isinstance(found, ModelVersion):
        state = state_of(workspace, found, problems, at=then)
        output.warn_of(problems)
        if as_json:
            output.emit_json(
                "mlcli.version/1",
                version=found,
                stage=state.stage,
                aliases=state.aliases,
                approvals=state.said.approvals,
                note=state.said.note,
                tags=state.said.tags,
                reproductions=reproductions_of(workspace, found.run),
            )
            return
        _version(found, state)
        output.out()
        _run(workspace, found.run, registered=[])
    elif isinstance(found, Run):
        states = versions_from(workspace, found, problems)
        output.warn_of(problems)
        if as_json:
            refs = [state.version.ref for state in states]
            output.emit_json("mlcli.run/1", run=found, versions=refs, reproductions=reproductions_of(workspace, found))
            return
        _run(workspace, found, registered=[f"{state.version.ref} {state.stage}" for state in states])
    else:
        output.warn_of(problems)
        if as_json:
            output.emit_json("mlcli.found/1", runs=found.runs, versions=[version.ref for version in found.versions])
            return
        if not found.runs and not found.versions:
            raise NotFound(f"no run was made from {output.escaped(ref)}", "mlcli ls")
        for version in found.versions:
            output.out(output.escaped(version.ref))
        for run in found.runs:
            output.out(f"{run.id}\t{output.escaped(run.name)}")


def _line(label: str, value: str) -> None:
    output.out(f"  {output.paint(f'{label:<10}', 'dim')} {value}")


def _version(version: ModelVersion, state: State) -> None:
    stage = str(state.stage)
    style = {"Production": "green", "Staging": "yellow"}.get(stage, "dim")
    named = "".join(f"  {output.paint(f'@{alias}', 'accent')}" for alias in state.aliases)
    output.out(f"{output.paint(version.ref, 'accent')}  {output.paint(stage, style)}{named}")
    model = version.artifact
    files = version.files
    total = words.size(sum(file.size for file in files))
    digest = words.short_digest(model.digest if model else files[0].digest if files else "")
    _line("artifact", f"{output.escaped(version.path)} {total} {digest}")
    by = output.escaped(version.registered_by)
    _line(
        "registered",
        f"{words.stamp(version.registered_at)} by {by}" + (f" · {output.escaped(version.why)}" if version.why else ""),
    )
    if state.said.approvals:
        _line("approved", output.escaped(f"by {', '.join(state.said.approvals)}"))
    if state.said.tags:
        _line("tags", output.escaped("   ".join(f"{key}={value}" for key, value in state.said.tags.items())))
    if state.said.note:
        _line("note", output.escaped(state.said.note))


def _run(workspace: Workspace, run: Run, *, registered: list[str]) -> None:
    style = {"finished": "green", "running": "yellow"}.get(run.status.value, "red")
    ended = f"{output.paint(run.status.value, style)} · {words.duration(run.seconds)} · {words.stamp(run.started_at)}"
    output.out(f"run {output.paint(run.id[:8], 'accent')} {output.paint(run.name, 'bold')}  {ended}")
    if run.reason:
        _line("reason", output.escaped(run.reason))
    elif run.exit_code:
        _line("exit code", str(run.exit_code))
    _line(
        "command",
        output.escaped(" ".join(run.command.argv))
        + (f"  (in {output.escaped(run.command.cwd)})" if run.command.cwd != "." else ""),
    )
    _line("git", _git(run))
    if run.experiment != "default":
        _line("experiment", output.escaped(run.experiment))
    if run.params:
        _line(
            "params",
            "   ".join(
                f"{output.escaped(key)} {output.escaped(words.told_value(param.value))}"
                for key, param in run.params.items()
            ),
        )
    for at, (key, metric) in enumerate(run.metrics.items()):
        course = (
            words.sparkline([point.value for point in workspace.store.points(run.id, key)]) if metric.count > 1 else ""
        )
        span = (
            f"  min {words.number(metric.min)} max {words.number(metric.max)} of {metric.count}"
            if metric.count > 1
            else ""
        )
        _line(
            "metrics" if at == 0 else "", f"{output.escaped(key)} {words.number(metric.last)} {course}{span}".rstrip()
        )
    for at, model in enumerate(run.models):
        _line(
            "model" if at == 0 else "",
            f"{output.escaped(model.path)} {output.escaped(model.python_class)} {words.short_digest(model.digest)}",
        )
    for at, each in enumerate(run.inputs[:10]):
        _line("inputs" if at == 0 else "", words.told_input(each))
    if len(run.inputs) > 10:
        _line("", f"… and {len(run.inputs) - 10} more")
    _seen(run)
    for at, file in enumerate(run.artifacts[:10]):
        _line(
            "artifacts" if at == 0 else "",
            f"{output.escaped(file.path)} {words.size(file.size)} {words.short_digest(file.digest)}",
        )
    if len(run.artifacts) > 10:
        _line("", f"… and {len(run.artifacts) - 10} more")
    _line("env", _environment(run))
    if run.tags:
        _line("tags", "   ".join(f"{output.escaped(key)}={output.escaped(value)}" for key, value in run.tags.items()))
    if run.note:
        _line("note", output.escaped(run.note))
    for scrub in run.scrubs:
        told = f"{words.stamp(scrub.at)} by {scrub.by}: {words.counted(scrub.places, 'place')}"
        _line("scrubbed", output.escaped(told))
    if run.parent_id:
        _line("parent", run.parent_id[:8])
    _again(workspace, run)
    if registered:
        _line("registered", output.escaped(", ".join(registered)))
    elif run.models and run.status.value == "finished":
        output.next_step(f"mlcli register NAME {run.id[:8]}")


def _seen(run: Run) -> None:
    """What was seen of it without being asked."""
    if run.code:
        _line("code", words.told_code(run.code))
    for at, fit in enumerate(run.fits[:5]):
        told = "  ".join(f"{key}={words.told_value(value)}" for key, value in fit.params.items())
        shape = " × ".join(map(str, fit.shape))
        _line("fits" if at == 0 else "", output.escaped(f"{fit.cls.rpartition('.')[2]}({told})  {shape}  {fit.at}"))
    outputs = words.other_outputs(run)
    for at, each in enumerate(outputs[:10]):
        _line("outputs" if at == 0 else "", words.told_output(each))
    if len(outputs) > 10:
        _line("", f"… and {len(outputs) - 10} more")
    if run.usage and run.usage.cpu_seconds is not None:
        memory = f" · {words.size(run.usage.peak_memory)} at most" if run.usage.peak_memory else ""
        _line("usage", f"{words.duration(run.usage.cpu_seconds)} of CPU{memory}")
    if run.reuse:
        _line("reused", f"{words.counted(run.reuse.count, 'time')}, last {words.stamp(run.reuse.last_at)}")
    if run.capture and run.capture.missing:
        for at, line in enumerate(run.capture.missing[:3]):
            _line("not seen" if at == 0 else "", output.paint(output.escaped(line), "yellow"))


def _git(run: Run) -> str:
    git = run.git
    if git.commit is None:
        return output.paint(words.no_commit(git), "yellow")
    where = f"{git.commit[:7]}" + (f" {output.escaped(git.branch)}" if git.branch else " (detached)")
    if git.subject:
        where += f' "{output.escaped(git.subject)}"'
    if git.dirty:
        where += " " + output.paint(words.uncommitted(git), "yellow")
    return where


def _again(workspace: Workspace, run: Run) -> None:
    from ..lookup import reproductions_of

    if run.reproduces:
        verdict = f", {run.reproduces.verdict}" if run.reproduces.verdict else ""
        _line("reproduces", f"{run.reproduces.run_id[:8]}{verdict}")
    if made := reproductions_of(workspace, run):
        _line("again", words.told_reproductions(made))


def _environment(run: Run) -> str:
    env = run.environment
    parts = [f"python {env.python}" if env.python else "", f"{len(env.packages)} packages" if env.packages else ""]
    parts += [f"{env.platform} {env.machine}", f"{env.cpus} cpu" if env.cpus else ""]
    return output.escaped(" · ".join(part for part in parts if part))
