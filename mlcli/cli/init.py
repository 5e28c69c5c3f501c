"""mlcli init: what a project may be given."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output


def command(
    hook: Annotated[bool, typer.Option("--hook", help="A git pre-commit hook that checks lineage.")] = False,
    makefile: Annotated[bool, typer.Option("--makefile", help="Makefile targets train, register and check.")] = False,
    merge_driver: Annotated[
        bool, typer.Option("--merge-driver", help="Let git merge renumber what both branches registered.")
    ] = False,
    ci: Annotated[bool, typer.Option("--ci", help="A GitHub workflow that checks lineage.")] = False,
) -> None:
    """Make the store now. Nothing needs this: the first mlcli run makes it. The rest only where asked."""
    from ..scaffold import make
    from ..workspace import Workspace

    for line in make(Workspace.find(), hook=hook, makefile=makefile, ci=ci, merge_driver=merge_driver):
        output.out(output.escaped(line))
    output.next_step("mlcli run -- python train.py")
