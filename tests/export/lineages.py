"""Lineages of every kind, as documents hold them."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

from mlcli.domain.model import ModelVersion
from mlcli.domain.observed import Code, Elsewhere, Output
from mlcli.domain.run import Artifact, Field, Input, Metric, Model, Param, ParamSource, Run, RunStatus, Signature
from mlcli.domain.source import Command, Environment, GitState, Person, Snapshot
from mlcli.domain.stage import Stage
from mlcli.lineage import Lineage, Link, Origin

START = datetime(2026, 11, 21, 6, 40, tzinfo=timezone.utc)
COMMIT = "1b" * 20


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def metric(value: float) -> Metric:
    return Metric(last=value, step=0, at=START, min=value, min_step=0, max=value, max_step=0, count=1)


def a_run(**changes: Any) -> Run:
    """A finished run that made a model of a committed script, a file, params and packages."""
    told: dict[str, Any] = {
        "id": "3f2a9c1d" * 4,
        "name": "brave-otter",
        "status": RunStatus.FINISHED,
        "started_at": START,
        "ended_at": START + timedelta(minutes=1),
        "exit_code": 0,
        "command": Command(argv=["python", "train.py", "--depth", "10"]),
        "git": GitState(commit=COMMIT, branch="main", subject="Start", remote="git@example.com:team/iris.git"),
        "environment": Environment(python="3.12.1", packages={"scikit_learn": "1.9.1", "numpy": "2.1.0+local"}),
        "user": Person(name="Ada Lovelace", email="ada@example.com"),
        "params": {"depth": Param(10, ParamSource.COMMAND_LINE)},
        "metrics": {"accuracy": metric(0.97), "loss": metric(1e-05)},
        "inputs": [Input(path="data/train.csv", size=20, digest=digest(1))],
        "artifacts": [Artifact(path="model/model.joblib", size=9, digest=digest(2))],
        "models": [Model(path="model", flavor="sklearn", python_class="sklearn.tree.DecisionTreeClassifier",
                         digest=digest(3), file="model.joblib")],
    }  # fmt: skip
    return Run(**{**told, **changes})


def a_lineage(run: Run, *, registered: bool = True, here: bool = True, why: str = "", upstream: Any = ()) -> Lineage:
    """The lineage of a run, or of the version that was registered of it."""
    version = ModelVersion(
        model="iris", number=3, path="model", run=run, registered_at=START + timedelta(hours=1),
        registered_by=Person(name="Grace Hopper", email="not an address"), why=why, digest=digest(9),
    )  # fmt: skip
    files = version.files if registered else run.artifacts
    link = Link(
        version=version if registered else None, stage=Stage.STAGING if registered else None, run=run, artifacts=files,
        here=[here] * len(files), reproductions=[], rewritten=None, upstream=list(upstream),
    )  # fmt: skip
    return Lineage(subject="iris@3" if registered else run.id, kind="version" if registered else "run", links=[link])


def a_pipeline() -> Lineage:
    """prepare -> split -> train, where prepare's file is read by both others."""
    prepare = a_run(id="aa" * 16, name="prepare", command=Command(argv=["python", "prepare.py"]), models=[], inputs=[],
                    artifacts=[Artifact(path="raw.csv", size=5, digest=digest(11))])  # fmt: skip
    split = a_run(id="bb" * 16, name="split", command=Command(argv=["make", "split"]), models=[],
                  inputs=[Input(path="raw.csv", size=5, digest=digest(11))],
                  artifacts=[Artifact(path="data/train.csv", size=20, digest=digest(1))])  # fmt: skip
    both = [*a_run().inputs, Input(path="raw.csv", size=5, digest=digest(11))]
    first = Origin(run=prepare, paths=["raw.csv"])
    return a_lineage(
        a_run(inputs=both), upstream=[Origin(run=split, paths=["data/train.csv"], upstream=[first]), first]
    )


HOSTILE = "données/ä b#c?d%e\"<>|\\^`{}[]'\n---\n- x: *a*\u202e\x1b[31m\x07\u2028\ufffe\U000e0001😀.csv"
NESTED = {"a": [1, None, {"b": math.inf}], HOSTILE: HOSTILE}


def hostile(**changes: Any) -> Run:
    """A run whose every word was chosen to break what it is written into."""
    return a_run(
        name=HOSTILE, note=f"---\n{HOSTILE}\n# x", command=Command(argv=["python", HOSTILE, "`|`"], cwd=HOSTILE),
        git=GitState(commit=COMMIT, branch=HOSTILE, subject=HOSTILE, remote=f"https://example.com/{HOSTILE}"),
        environment=Environment(python=HOSTILE, packages={HOSTILE: HOSTILE}, variables={HOSTILE: HOSTILE}),
        user=Person(name=HOSTILE, email=HOSTILE), params={HOSTILE: Param(NESTED, ParamSource.LOGGED)},
        metrics={HOSTILE: metric(0.5)}, tags={"license": HOSTILE, HOSTILE: HOSTILE}, urls=[f"https://example.com/{HOSTILE}"],
        inputs=[Input(path=HOSTILE, size=1, digest=digest(4)), Input(path=f"/{HOSTILE}", size=1, digest=digest(5)),
                Input(path="../outside.csv", size=1, digest=digest(6))],
        artifacts=[Artifact(path=f"model/{HOSTILE}", size=9, digest=digest(2)),
                   Artifact(path="model/ro-crate-metadata.json", size=9, digest=digest(2)),
                   Artifact(path="ro-crate-metadata.json", size=9, digest=digest(2))],
        models=[Model(path="model", flavor=HOSTILE, python_class=HOSTILE, digest=digest(3),
                      signature=Signature(inputs=[Field(name=HOSTILE, dtype=HOSTILE)]))],
        **changes,
    )  # fmt: skip


_DIRTY = GitState(commit=COMMIT, dirty=True, changed=["train.py"], snapshot=Snapshot(commit="2c" * 20, tree="3d" * 20))
_ODD = [
    Input(path="gone.csv", size=3, digest="", changed=True),
    Input(path="images/", size=30, digest=digest(7), files=1000),
    Input(path="site-packages/sklearn/iris.csv", size=3, digest=digest(8), seen=True),
    Input(path="copy.csv", size=3, digest=digest(8)),
]
_CODE = Code(digest=digest(10), elsewhere=[Elsewhere(path="/home/ada/a lib", commit=COMMIT), Elsewhere(path="/x")])
_PLOT = Output(path="plot.png", size=4, digest=digest(12), kind="figure")

LINEAGES = {
    "a version": a_lineage(a_run()),
    "a run": a_lineage(a_run(), registered=False),
    "a pipeline": a_pipeline(),
    "no commit": a_lineage(a_run(git=GitState(reason="not a git repository"))),
    "no remote": a_lineage(a_run(git=GitState(commit=COMMIT))),
    "a remote that is a path": a_lineage(a_run(git=GitState(commit=COMMIT, remote="/srv/git/my project.git"))),
    "uncommitted and kept": a_lineage(a_run(git=_DIRTY)),
    "uncommitted and lost": a_lineage(a_run(git=GitState(commit=COMMIT, dirty=True, unkept="too large"))),
    "nothing known": a_lineage(a_run(params={}, metrics={}, inputs=[], models=[], environment=Environment(),
                                     user=Person(), command=Command(argv=[]))),
    "no numbers": a_lineage(a_run(metrics={"nan": metric(math.nan), "inf": metric(math.inf), "low": metric(-math.inf)},
                                  params={"lr": Param(math.nan, ParamSource.LOGGED)})),
    "odd inputs": a_lineage(a_run(inputs=_ODD, urls=["https://example.com/100%.csv"], code=_CODE, outputs=[_PLOT])),
    "failed": a_lineage(a_run(status=RunStatus.FAILED, exit_code=1, models=[]), registered=False),
    "killed": a_lineage(a_run(status=RunStatus.KILLED, signal=9, reason="out of memory"), registered=False),
    "running": a_lineage(a_run(status=RunStatus.RUNNING, ended_at=None, exit_code=None), registered=False),
    "content elsewhere": a_lineage(a_run(), here=False),
    "hostile words": a_lineage(hostile(), why=HOSTILE),
    "a hostile run": a_lineage(hostile(), registered=False),
    "hundreds of inputs": a_lineage(a_run(
        inputs=[Input(path=f"images/{at}.png", size=at, digest=digest(1000 + at)) for at in range(300)])),
}  # fmt: skip
