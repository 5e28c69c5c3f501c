"""From a ref to a loaded model that answers, its files verified before one byte of them is read as code."""

from __future__ import annotations

import os
import tempfile

from msgspec import Struct

from . import flavors
from .domain.model import ModelVersion
from .domain.names import quoted
from .domain.ref import RunArtifact, parse
from .domain.run import Model, Run
from .errors import NotFound
from .lookup import find_any, find_run
from .workspace import Workspace


class LoadedModel(Struct, frozen=True, kw_only=True):
    """A model in memory, what is known of it, and the version and run it came from (None: a plain directory)."""

    model: object
    description: Model
    version: ModelVersion | None = None
    run: Run | None = None


def load(workspace: Workspace, text: str) -> LoadedModel:
    """The model that `text` names: iris@production, models:/iris/3, runs:/<id>/model, or a model's directory.

    Its files are verified against their digests first: Missing where they are not in this clone, Corrupt where they
    were altered. Loading runs the code in the model file, so load what you or your team registered.
    """
    path = text.removeprefix("file://")
    if os.path.isfile(os.path.join(path, flavors.FILE)):
        description = flavors.read_description(path)
        return LoadedModel(model=flavors.load(path, description), description=description)
    workspace.require_store()
    ref = parse(text)
    if isinstance(ref, RunArtifact):
        run = find_run(workspace, ref.run)
        return _loaded(workspace, run, ref.path, None)
    found = find_any(workspace, text)
    if isinstance(found, ModelVersion):
        return _loaded(workspace, found.run, found.path, found)
    if isinstance(found, Run):
        if len(found.models) != 1:
            paths = ", ".join(model.path for model in found.models) or "none"
            raise NotFound(f"run {found.id[:8]} has not one model; it has {paths}", f"runs:/{found.id[:8]}/<model>")
        return _loaded(workspace, found, found.models[0].path, None)
    raise NotFound(f"{quoted(text)} names no model", "as models:/iris/Production or runs:/<id>/model")


def _loaded(workspace: Workspace, run: Run, path: str, version: ModelVersion | None) -> LoadedModel:
    description = next((model for model in run.models if model.path == path.strip("/")), None)
    if description is None:
        have = ", ".join(model.path for model in run.models) or "none"
        raise NotFound(f"run {run.id[:8]} has no model {quoted(path)}; it has {have}", f"mlcli show {run.id[:8]}")
    with tempfile.TemporaryDirectory(prefix="mlcli-") as directory:
        for file in run.files_of(description.path):
            below = file.path[len(description.path) + 1 :] or description.file  # a model that is one file
            target = os.path.join(directory, below)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(os.path.abspath(workspace.store.content_path(file)), target)
        model = flavors.load(directory, description)
    return LoadedModel(model=model, description=description, version=version, run=run)
