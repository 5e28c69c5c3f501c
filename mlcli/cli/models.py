"""mlcli models: registered models and what stands in each stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..domain.stage import Stage
from . import output, tables, words
from .options import AsFormat, Header, Json, Quiet
from .tables import Cell, Format

if TYPE_CHECKING:
    from ..errors import MlcliError
    from ..registry import RegisteredModel


def command(
    format_: AsFormat = Format.auto, header: Header = False, quiet: Quiet = False, as_json: Json = False
) -> None:
    """List registered models with the version in each stage."""
    from ..registry import models
    from ..workspace import Workspace

    workspace = Workspace.find()
    problems: list[MlcliError] = []
    found = models(workspace, problems)
    output.warn_of(problems)
    format_ = tables.chosen(format_, as_json=as_json)
    if quiet:
        for model in found:
            output.out(model.name)
        return
    if format_ in {Format.json, Format.jsonl}:
        output.emit_json("mlcli.models/1", models=[_summary(model) for model in found])
        return
    if not found and format_ is Format.table:
        output.err("no models yet")
        output.next_step("mlcli register NAME")
        return
    rows = [
        [
            Cell(model.name, "accent"),
            Cell(str(len(model.versions))),
            Cell(_numbers(model, Stage.STAGING), "yellow"),
            Cell(_numbers(model, Stage.PRODUCTION), "green"),
            Cell(f"{model.name}@{model.versions[-1].version.number}"),
            Cell(words.ago(model.versions[-1].version.registered_at, workspace.now()) if format_ is Format.table
                 else model.versions[-1].version.registered_at.isoformat(timespec="seconds").replace("+00:00", "Z")),
        ]
        for model in found
    ]  # fmt: skip
    tables.table(format_, ["model", "versions", "staging", "production", "newest", "when"], rows, header=header)


def _numbers(model: RegisteredModel, stage: Stage) -> str:
    return ",".join(str(state.version.number) for state in model.in_stage(stage)) or "-"


def _summary(model: RegisteredModel) -> dict[str, object]:
    return {
        "name": model.name,
        "aliases": model.aliases,
        "versions": [
            {
                "version": state.version.number,
                "stage": state.stage,
                "run_id": state.version.run.id,
                "commit": state.version.run.git.commit,
                "registered_at": state.version.registered_at,
                "digest": state.version.digest,
            }
            for state in model.versions
        ],
    }
