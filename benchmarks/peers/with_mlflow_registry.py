"""MLflow's registry on its default store, SQLite, through its client; it has no commands for versions."""

import sys
from pathlib import Path

CALLS = {
    "register": "client.create_model_version('iris', 'runs:/{run}/model', '{run}')",
    "promote": "client.transition_model_version_stage('iris', '{number}', 'Production', True)",
    "alias": "client.set_registered_model_alias('iris', 'champion', '{number}')",
    "resolve": "client.get_latest_versions('iris', ['Production'])",
    "by alias": "client.get_model_version_by_alias('iris', 'champion')",
}


def _calls(number):
    run = Path("run").read_text()
    return {name: call.format(run=run, number=number) for name, call in CALLS.items()}


def commands(number):
    begin = "import mlflow; client = mlflow.MlflowClient(); "
    return {name: [sys.executable, "-c", begin + call] for name, call in _calls(number).items()}


def operations(number):
    import mlflow

    known = {"client": mlflow.MlflowClient()}
    codes = {name: compile(call, name, "eval") for name, call in _calls(number).items()}
    return {name: lambda code=code: eval(code, known) for name, code in codes.items()}


def ask_make(count, spare):
    """The rows that so many registrations and promotions leave, in one transaction: by the client it takes minutes."""
    import mlflow
    from mlflow.store.model_registry.dbmodels.models import SqlModelVersion

    client = mlflow.MlflowClient()
    run = client.create_run("0").info.run_id
    Path("run").write_text(run)
    client.create_registered_model("iris")
    source = client.create_model_version("iris", f"runs:/{run}/model", run)
    with client._get_registry_client().store.ManagedSessionMaker(read_only=False) as session:
        for number in range(2, int(count) + 1):
            session.add(
                SqlModelVersion(
                    name="iris", version=number, current_stage="Archived", source=source.source,
                    storage_location=source.source, run_id=run,
                )
            )  # fmt: skip
    client.transition_model_version_stage("iris", count, "Production", archive_existing_versions=True)
    client.set_registered_model_alias("iris", "champion", count)
    return {}
