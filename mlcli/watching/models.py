"""The models that a run wrote by itself: kept as artifacts, so that they can be registered, loaded and asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from ..domain.names import check_artifact_path
from ..domain.observed import Fit, Output
from ..domain.run import Artifact, Model, Run
from ..errors import MlcliError
from ..workspace import Workspace

# What loads each, by the format that it is written in; a pickle's is told by its class.
_FLAVORS = {"xgboost-json": "xgboost", "xgboost-ubj": "xgboost", "lightgbm-text": "lightgbm"}
_LIBRARIES = {"sklearn": "scikit-learn"}


def kept(
    workspace: Workspace, run: Run, outputs: Sequence[Output], made: Sequence[Fit]
) -> tuple[list[Artifact], list[Model]]:
    """The models among what was written, unless the run logged the same itself."""
    found = [output for output in outputs if output.kind == "model" and output.kept]
    artifacts: list[Artifact] = []
    models: list[Model] = []
    if not found:
        return artifacts, models
    logged = {artifact.digest for artifact in workspace.store.run(run.id).artifacts}
    for output in found:
        if output.digest in logged:
            continue
        with suppress(MlcliError):
            path = check_artifact_path(os.path.basename(output.path) if os.path.isabs(output.path) else output.path)
            artifacts += workspace.store.keep(run.id, workspace.place(output.path), path)
            models.append(_described(path, output, _flavor(workspace, output), made, run))
    return artifacts, models


def _flavor(workspace: Workspace, output: Output) -> str:
    """What loads it: a pickle of an estimator alone is scikit-learn's, any other joblib's."""
    if "pickle" not in output.format:
        return _FLAVORS.get(output.format, output.format)
    from ..observation import kinds

    first = next(iter(kinds.recognised(workspace.place(output.path)).classes), "")
    return "sklearn" if first == output.cls and first.startswith("sklearn.") else "joblib"


def _described(path: str, output: Output, flavor: str, made: Sequence[Fit], run: Run) -> Model:
    library = output.cls.partition(".")[0]
    package = _LIBRARIES.get(library, library)
    version = run.environment.packages.get(package)
    fit = made[output.fit] if output.fit is not None and output.fit < len(made) else None
    return Model(
        path=path,
        flavor=flavor,
        python_class=output.cls,
        digest=output.digest,
        file=os.path.basename(path),
        libraries={package: version} if version else {},
        python=run.environment.python,
        params={**fit.params, **fit.nested} if fit else {},
    )
