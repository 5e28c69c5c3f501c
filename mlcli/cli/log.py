"""mlcli log: metrics, params, tags and artifacts from a shell script, inside a run."""

from __future__ import annotations

import os
import re
from typing import Annotated

import typer

from ..domain.names import check_artifact_path, quoted
from ..domain.source import parsed_scalar
from ..errors import InvalidValue, NoActiveRun
from .pairs import pairs

app = typer.Typer(
    help="Log to the run you are in, from any language.", no_args_is_help=True, add_completion=False,
    rich_markup_mode=None, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|infinity)|nan", re.I | re.A)
Run = Annotated[str | None, typer.Option("--run", metavar="REF", help="Another run than the one you are in.")]


def _workspace_and_run(run: str | None):  # type: ignore[no-untyped-def]
    from ..lookup import find_run
    from ..workspace import RUN_VARIABLE, Workspace

    workspace = Workspace.find()
    ref = run or workspace.environ.get(RUN_VARIABLE)
    if not ref:
        raise NoActiveRun("mlcli log works inside a run", "mlcli run -- sh train.sh, or mlcli log … --run @")
    return workspace, find_run(workspace, ref)


@app.command("metric")
def metric(
    values: Annotated[list[str], typer.Argument(metavar="K=V...", help="Metrics and their values.")],
    step: Annotated[
        str | None, typer.Option("--step", metavar="N", help="The step they belong to; 0 if not said.")
    ] = None,
    run: Run = None,
) -> None:
    """Log one value of each metric. As: mlcli log metric accuracy=0.97 loss=0.1 --step 3."""
    from .. import tracking

    numbers = {key: _number(key, text) for key, text in pairs(values, "log metric").items()}
    workspace, found = _workspace_and_run(run)
    tracking.log_metrics(workspace, found.id, numbers, step=_step(step), live=found.ended_at is None)


@app.command("param")
def param(
    values: Annotated[list[str], typer.Argument(metavar="K=V...", help="Params and their values.")], run: Run = None
) -> None:
    """Log params. As: mlcli log param lr=0.1 depth=10."""
    from .. import tracking

    given = {key: parsed_scalar(text) for key, text in pairs(values, "log param").items()}
    workspace, found = _workspace_and_run(run)
    tracking.log_params(workspace, found.id, given)


@app.command("tag")
def tag(
    values: Annotated[list[str], typer.Argument(metavar="K=V...", help="Tags and their values.")], run: Run = None
) -> None:
    """Set tags. As: mlcli log tag team=vision."""
    from .. import tracking

    given = pairs(values, "log tag")
    workspace, found = _workspace_and_run(run)
    tracking.set_tags(workspace, found.id, given)


@app.command("artifact")
def artifact(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files or directories.")],
    below: Annotated[
        str | None, typer.Option("--to", metavar="PATH", help="The artifact directory to put them in.")
    ] = None,
    run: Run = None,
) -> None:
    """Keep files or directories with the run. As: mlcli log artifact model.bin plots/."""
    from .. import tracking

    if below is not None:
        check_artifact_path(below)
    workspace, found = _workspace_and_run(run)
    for path in paths:
        name = os.path.basename(os.path.abspath(path))
        tracking.log_artifact(workspace, found.id, path, name if below is None else f"{below}/{name}")


def _number(key: str, text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise InvalidValue(f"metric {quoted(key)} must be a number, not {quoted(text)}", f"mlcli log metric {key}=0.97")
    return float(text)


def _step(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"-?\d{1,19}", text, re.A):
        raise InvalidValue(f"a step must be a whole number of 64 bits, not {quoted(text)}", "--step 3")
    return int(text)
