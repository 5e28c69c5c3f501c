"""mlcli run: wrap a command. What it does is in `running`; its plain use does not come here (`shortcut`)."""

from __future__ import annotations

from typing import Annotated

import typer

from . import running
from .running import KINDS

# The command's own options are its own: reading ours ends at its first word.
CONTEXT = {"allow_interspersed_args": False, "ignore_unknown_options": False}


def command(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="The command and its arguments.")],
    name: Annotated[str | None, typer.Option("--name", help="A name for the run; given one if you do not.")] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", help="The group of runs it belongs to.")
    ] = None,
    param: Annotated[list[str], typer.Option("--param", "-p", metavar="K=V", help="Declare a param.")] = [],  # noqa: B006
    tag: Annotated[list[str], typer.Option("--tag", metavar="K=V", help="Tag the run.")] = [],  # noqa: B006
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="A note to keep with the run.")] = "",
    inputs: Annotated[
        list[str],
        typer.Option("--input", metavar="PATH", help="A file or directory it is made from, known by its content."),
    ] = [],  # noqa: B006
    outputs: Annotated[
        list[str],
        typer.Option("--output", metavar="PATH", help="A file or directory it writes, also where that is not seen."),
    ] = [],  # noqa: B006
    variables: Annotated[
        list[str],
        typer.Option("--env", metavar="NAME", help="A variable of the environment that matters: note it."),
    ] = [],  # noqa: B006
    cached: Annotated[
        bool, typer.Option("--cached", help="Do not run it if all is as in a former run: put its outputs back.")
    ] = False,
    why: Annotated[
        bool, typer.Option("--why", help="Run nothing: tell what changed since its last run; exit 1 if anything did.")
    ] = False,
    keep_inputs: Annotated[bool, typer.Option("--keep-inputs", help="Keep a copy of the inputs' content.")] = False,
    require_clean: Annotated[
        bool, typer.Option("--require-clean", help="Refuse to start from uncommitted code.")
    ] = False,
    no_capture: Annotated[
        list[str],
        typer.Option("--no-capture", metavar="KIND", help=f"Do not watch for {', '.join(KINDS)}, or all."),
    ] = [],  # noqa: B006
    system: Annotated[
        bool, typer.Option("--system", help="Sample memory, CPU and GPU once a second, as metrics system/….")
    ] = False,
    native: Annotated[
        bool, typer.Option("--native", help="Watch programs that are no Python, too: Linux with a C compiler.")
    ] = False,
    idfile: Annotated[str | None, typer.Option("--idfile", metavar="FILE", help="Write the run's id here.")] = None,
) -> None:
    """Run a command and record it: commit, params, metrics, output, artifacts, and how it ended.

    Its stdin, stdout, stderr, signals and exit code pass through unchanged; mlcli's own lines go to stderr.
    Exit code: the command's own; 128+N where signal N ended it; 127 not found, 126 not executable, 125 not recorded.
    """
    asked = running.Asked(
        command=command,
        name=name,
        experiment=experiment,
        param=param,
        tag=tag,
        note=note,
        inputs=inputs,
        outputs=outputs,
        variables=variables,
        cached=cached,
        why=why,
        keep_inputs=keep_inputs,
        require_clean=require_clean,
        no_capture=no_capture,
        system=system,
        native=native,
        idfile=idfile,
    )
    raise typer.Exit(running.run(asked))
