"""mlcli's registry: a store of many versions, its commands, and what those do in a process that is there already."""

from __future__ import annotations

import hashlib
import os
import subprocess
from datetime import timedelta
from pathlib import Path

COMMITS, PACKAGES = 50, 60


def commands(number):
    """The command line of each operation, by which the version of that number is registered and promoted."""
    version, run = f"iris@{number}", _id(number)[:12]
    return {
        "register": ["mlcli", "register", "iris", run],
        "promote": ["mlcli", "promote", version, "production"],
        "alias": ["mlcli", "alias", version, "champion"],
        "resolve": ["mlcli", "show", "iris@production"],
        "by alias": ["mlcli", "show", "iris@champion"],
        "lineage": ["mlcli", "lineage", "iris@production"],
        "check": ["mlcli", "check"],
        "staged": ["mlcli", "check", "--staged", "--quiet"],
    }


def operations(number):
    from mlcli import registry
    from mlcli.lookup import find_version
    from mlcli.workspace import Workspace

    workspace, version = Workspace.find(), f"iris@{number}"
    return {
        "register": lambda: registry.register(workspace, "iris", _id(number)),
        "promote": lambda: registry.promote(workspace, version, "production"),
        "alias": lambda: registry.alias(workspace, version, "champion"),
        "resolve": lambda: find_version(workspace, "iris@production"),
        "by alias": lambda: find_version(workspace, "iris@champion"),
    }


def ask_make(count, spare, per_model=0):
    """Versions with the runs and content that they are of, and `spare` runs that are not registered yet.

    Runs come from fifty commits, each with 60 packages, a few inputs and one small artifact of its own. All are of
    `iris`, each promoted to production in its turn; or of models of so many versions, every tenth promoted.
    """
    os.environ["MLCLI_DURABILITY"] = "none"
    from mlcli.workspace import Workspace

    sources = list(_sources())
    workspace = Workspace.find()
    workspace.make_store()
    count, per_model = int(count), int(per_model)
    began = workspace.now() - timedelta(days=30)
    for number in range(1, count + int(spare) + 1):
        run = _run(workspace.store, number, sources[number % COMMITS], began + timedelta(seconds=number))
        if number <= count:
            _version(workspace.store, run, number, per_model)
    _git("add", "-A")
    _git("commit", "-q", "-m", "The registry")
    return {}


def _run(store, number, source, when):
    from msgspec.structs import replace

    from mlcli.domain.run import Input, Metric, Param, ParamSource, Run, RunStatus
    from mlcli.store import schema

    content = Path(".git", "content")
    content.write_text(f"model {number}\n" * 50)
    digest = "sha256:" + f"{number % 7:064x}"
    measured = Metric(last=0.9, step=9, at=when, min=0.1, min_step=0, max=0.9, max_step=9, count=10)
    run = Run(
        id=_id(number), name=f"run-{number}", status=RunStatus.FINISHED, started_at=when, ended_at=when, exit_code=0,
        command=replace(source.command, argv=["python", "train.py", f"--seed={number}"]), git=source.git,
        environment=source.environment, user=source.user,
        params={f"param_{each}": Param(each * number, ParamSource.COMMAND_LINE) for each in range(10)},
        metrics={f"metric_{each}": measured for each in range(5)},
        inputs=[Input(path=f"data/{each}.csv", size=1000, digest=digest, seen=True) for each in range(3)],
        artifacts=store.keep(_id(number), str(content), "model.bin"),
    )  # fmt: skip
    _write(store, store.runs.directory.name(run.id), schema.sealed("run", schema.run_fields(run)))
    return run


_last = {}  # of each model: the event that its next one follows, and the version in production


def _version(store, run, number, per_model):
    from msgspec.structs import replace

    from mlcli.domain.history import Action, Event, Holder
    from mlcli.domain.model import ModelVersion
    from mlcli.domain.stage import Stage
    from mlcli.store import layout, schema

    model, own = (f"model-{(number - 1) // per_model}", (number - 1) % per_model + 1) if per_model else ("iris", number)
    parents, archived = _last.get(model, ([], []))
    at, by, commit = run.started_at, run.user, run.git.commit
    version = ModelVersion(
        model=model, number=0, path="model.bin", run=run, registered_at=at, registered_by=by, commit=commit
    )
    document = schema.sealed("version", schema.version_fields(version))
    _write(store, f"{layout.versions(model)}/{own}.json", document)
    event = Event(
        model=model, version=document["digest"], from_stage=Stage.NONE, to_stage=Stage.NONE, parents=parents,
        at=at, by=by, commit=commit, action=Action.REGISTERED, number=own,
    )  # fmt: skip
    parents = [store.add_event(event).digest]
    if own % 10 == 1 or not per_model:
        moved = replace(
            event, to_stage=Stage.PRODUCTION, action=Action.MOVED, number=None, parents=parents, archived=archived
        )
        parents, archived = [store.add_event(moved).digest], [event.version]
        store.set_holder(model, Stage.PRODUCTION, Holder(number=own, version=event.version, event=parents[0]))
    _last[model] = parents, archived


def _write(store, name, document):
    from mlcli.store import schema

    path = Path(store.files.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(schema.encode(document))


def _id(number):
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def _sources():
    from msgspec.structs import replace

    from mlcli import capture
    from mlcli.workspace import Workspace

    here, now = os.getcwd(), Workspace.find().now
    packages = {f"package-{each}": f"{each}.0.1" for each in range(PACKAGES)}
    for number in range(COMMITS):
        Path("train.py").write_text(f"print({number})\n")
        _git("add", "train.py")
        _git("commit", "-q", "-m", f"Change {number}")
        source = capture.collect(["python", "train.py"], root=here, cwd=here, environ=os.environ, at=now())
        yield replace(source, environment=replace(source.environment, packages=packages))


def _git(*arguments):
    subprocess.run(["git", *arguments], check=True)
