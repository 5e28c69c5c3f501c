"""Models: logged to a run, registered, loaded again."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from .. import flavors, registry, serving, tracking
from ..domain.model import ModelVersion
from ..domain.run import Model, RunStatus, Signature
from ..lookup import find_run
from ..workspace import Workspace
from .active import current

infer_signature = flavors.infer_signature


class ModelInfo(Struct, frozen=True, kw_only=True):
    """What was logged: the model's URI, its description, and the version it was registered as, if it was."""

    model_uri: str
    run_id: str
    artifact_path: str
    description: Model
    registered_model_version: int | None = None

    @property
    def signature(self) -> Signature | None:
        """What the model takes and gives."""
        return self.description.signature


def log_model(
    model: object,
    artifact_path: str | None = None,
    *,
    name: str | None = None,
    flavor: str | None = None,
    signature: Signature | None = None,
    input_example: Any = None,
    registered_model_name: str | None = None,
) -> ModelInfo:
    """Keep a model as an artifact of the active run, with what is needed to load it again.

    Without a signature one is told from `input_example`, or from the fitted model itself. `load_model(info.model_uri)`
    gives it back.
    """
    import tempfile

    path = (name or artifact_path or "model").strip("/")
    active = current()
    with tempfile.TemporaryDirectory(prefix="mlcli-") as directory:
        described = flavors.save(
            model, directory, flavor=flavor, signature=signature, input_example=input_example, path=path
        )
        described = tracking.log_model(active.workspace, active.run_id, directory, described)
    number = None
    if registered_model_name:
        number = register_model(f"runs:/{active.run_id}/{path}", registered_model_name).number
    return ModelInfo(
        model_uri=f"runs:/{active.run_id}/{path}",
        run_id=active.run_id,
        artifact_path=path,
        description=described,
        registered_model_version=number,
    )


def load_model(model_uri: str) -> Any:
    """The model of a ref: 'models:/iris/Production', 'iris@3', 'runs:/<id>/model' or a model's directory.

    Loading runs the code in the model file; its digest is verified first.
    """
    return serving.load(Workspace.find(), model_uri).model


def register_model(model_uri: str, name: str) -> ModelVersion:
    """Register a run's model as the next version of `name`; registered already, that version is given again.

    So it is where the run makes another again whose model was registered: a reproduction adds no version.
    """
    workspace = Workspace.find()
    if (made := _registered_before(workspace, model_uri, name)) is not None:
        return made
    return registry.register(workspace, name, model_uri, once=True).version


def _registered_before(workspace: Workspace, model_uri: str, name: str) -> ModelVersion | None:
    run = find_run(workspace, model_uri)
    if run.reproduces is None or run.status is not RunStatus.RUNNING:
        return None
    made = workspace.store.marked_versions("run", [run.reproduces.run_id], models=[name])
    return made[-1] if made else None
