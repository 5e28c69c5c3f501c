"""The JSON Schema of every `--json`, from the types that are printed. A file under docs/schemas/ that changes is a contract that changes."""  # noqa: E501

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Struct

from mlcli.bisection import Measured
from mlcli.checking import Finding
from mlcli.comparison import Row
from mlcli.difference import Change, CodeChange, Executed, Side
from mlcli.domain.model import ModelVersion
from mlcli.domain.outcome import Compared, Difference, PackageChange
from mlcli.domain.reproduction import Reproduction, Verdict
from mlcli.domain.run import Metric, Param, Run, RunStatus
from mlcli.domain.source import Command, Person, Rewritten
from mlcli.domain.stage import Stage
from mlcli.explanation import Cause, Moved
from mlcli.explanation.code import Touched
from mlcli.explanation.experiments import Evidence
from mlcli.registry import Entry, Standing
from mlcli.reporting import Reported
from mlcli.reproduction import EnvironmentChoice
from mlcli.rerun import RestoredInput
from mlcli.scrubbing import Left, Place
from mlcli.store.examine import Problem

DIRECTORY = Path(__file__).resolve().parent / "schemas"


class Fault(Struct):
    """A document that could not be read on the way."""

    code: str
    message: str
    hint: str | None


class Runs(Struct):
    """`mlcli ls --json`."""

    schema: Literal["mlcli.runs/1"]
    runs: list[Run]
    problems: list[Fault]


class OneRun(Struct):
    """`mlcli show RUN --json`; `versions` are the refs of what was registered from it."""

    schema: Literal["mlcli.run/1"]
    run: Run
    versions: list[str]
    reproductions: list[Reproduction]


class OneVersion(Struct):
    """`mlcli show MODEL@VERSION --json`."""

    schema: Literal["mlcli.version/1"]
    version: ModelVersion
    stage: Stage
    aliases: list[str]
    approvals: list[str]
    note: str
    tags: dict[str, str]
    reproductions: list[Reproduction]


class Found(Struct):
    """`mlcli show FILE --json`, or of a digest or commit: the runs and the refs of the versions it belongs to."""

    schema: Literal["mlcli.found/1"]
    runs: list[Run]
    versions: list[str]


class Comparison(Struct):
    """`mlcli compare --json`: the ids of the runs, and a row for each thing with its value in each."""

    schema: Literal["mlcli.comparison/1"]
    runs: list[str]
    rows: list[Row]


class Diff(Struct):
    """`mlcli diff --json`; `code` is null where it cannot be compared, `patch` where `--code` does not ask for it."""

    schema: Literal["mlcli.diff/1"]
    a: Side
    b: Side
    code: CodeChange | None
    reason: str | None
    hint: str | None
    executed: Executed | None
    params: list[Change]
    metrics: list[Change]
    inputs: list[Change]
    environment: list[Change]
    patch: str | None


class Why(Struct):
    """`mlcli why --json`; `metric` is the one that evidence is of, null where none moved that can be measured."""

    schema: Literal["mlcli.why/1"]
    a: Side
    b: Side
    metric: str | None
    metrics: list[Moved]
    verdict: Literal["unmeasured", "equal", "unexplained", "only", "ranked"]
    causes: list[Cause]
    inert: list[Touched]
    repeats: list[Evidence]
    hint: str | None


class Registered(Struct):
    """`mlcli register --json`; `made` is false where `--once` found it registered."""

    schema: Literal["mlcli.registered/1"]
    version: ModelVersion
    made: bool


class Promoted(Struct):
    """`mlcli promote --json` and `rollback --json`; `archived` are the numbers of the versions it replaced.

    `gates` are those that it passed and `forced` those that it did not, each with what was found.
    """

    schema: Literal["mlcli.promoted/1"]
    model: str
    version: int
    from_stage: Stage
    to_stage: Stage
    archived: list[int]
    gates: dict[str, str]
    forced: dict[str, str]
    signed: bool
    made: bool


class Aliased(Struct):
    """`mlcli alias --json` and `unalias --json`: the number that the alias names now, and the one before."""

    schema: Literal["mlcli.aliased/1"]
    model: str
    alias: str
    version: int | None
    before: int | None
    made: bool


class Approved(Struct):
    """`mlcli approve --json` and `unapprove --json`; `approvals` are the names of all who approve by now."""

    schema: Literal["mlcli.approved/1"]
    model: str
    version: int
    approvals: list[str]
    made: bool


class VersionSummary(Struct):
    """A version in short."""

    version: int
    stage: Stage
    run_id: str
    commit: str | None
    registered_at: datetime
    digest: str


class ModelSummary(Struct):
    """A registered model, its aliases with the numbers that they name, its versions rising."""

    name: str
    aliases: dict[str, int]
    versions: list[VersionSummary]


class Models(Struct):
    """`mlcli models --json`."""

    schema: Literal["mlcli.models/1"]
    models: list[ModelSummary]


class History(Struct):
    """`mlcli history --json`, newest first."""

    schema: Literal["mlcli.history/1"]
    model: str
    entries: list[Entry]


class StandingThen(Struct):
    """`mlcli history --at TIME --json`: what each stage and alias stood for at that time."""

    schema: Literal["mlcli.standing/1"]
    model: str
    at: datetime
    standing: list[Standing]


class Report(Struct):
    """`mlcli report --json`; `findings` are those of `check` for the versions that are told of."""

    schema: Literal["mlcli.report/1"]
    stage: Stage
    at: datetime
    standing: list[Reported]
    findings: list[Finding]


class Removed(Struct):
    """`mlcli rm --json`: ids of runs, and versions as iris@3."""

    schema: Literal["mlcli.removed/1"]
    removed: list[str]


class Restored(Struct):
    """`mlcli restore REF... --json`."""

    schema: Literal["mlcli.restored/1"]
    restored: list[str]


class Discarded(Struct):
    """A run or version in the trash."""

    ref: str
    name: str
    removed_at: datetime


class Trash(Struct):
    """`mlcli restore --json`, the last removed first."""

    schema: Literal["mlcli.trash/1"]
    removed: list[Discarded]


class Collected(Struct):
    """`mlcli gc --json`; `commits` had refs for removed runs only, `left` removals and `waiting` objects are young."""

    schema: Literal["mlcli.gc/1"]
    dry_run: bool
    runs: list[str]
    versions: list[str]
    objects: int
    bytes: int
    commits: int
    left: int
    waiting: int


class ScrubbedRun(Struct):
    """`mlcli scrub --json`; `also` are other runs that shared its content."""

    schema: Literal["mlcli.scrubbed/1"]
    run_id: str
    dry_run: bool
    places: list[Place]
    also: list[str]
    left: list[Left]


class LinkedFile(Struct):
    """A file of a run, and whether its content is in this clone."""

    path: str
    size: int
    digest: str
    here: bool


class Upstream(Struct):
    """A run that made what another read, at these paths, and what made its own inputs in turn.

    `again`: what lies above it is told where it was named first, or where that is too deep in `graph` alone.
    """

    run: str
    name: str
    command: Command
    commit: str | None
    paths: list[str]
    upstream: list[Upstream]
    again: bool


class Link(Struct):
    """A version (null: a run that was not registered) with its run and files."""

    version: str | None
    stage: Stage | None
    digest: str | None
    registered_by: Person | None
    registered_at: datetime | None
    run: Run
    artifacts: list[LinkedFile]
    reproductions: list[Reproduction]
    rewritten: Rewritten | None
    upstream: list[Upstream]
    run_here: bool


class CameOf(Struct):
    """How a run came of another, whose id is `run`, or of the file that was asked about, where that is empty."""

    run: str
    kind: Literal["read", "parent", "reproduces"]
    paths: list[str]


class StandingVersion(Struct):
    """A version and its stage."""

    version: str
    stage: Stage


class CameOfIt(Struct):
    """A run that came of what was asked about, each way that it did, and the versions registered from it."""

    run: str
    name: str
    command: Command
    commit: str | None
    status: RunStatus
    of: list[CameOf]
    versions: list[StandingVersion]


class GraphNode(Struct):
    """A run, version, file or commit; the same one has the same id in each answer."""

    id: str
    kind: Literal["run", "version", "file", "commit"]
    label: str
    status: RunStatus | None
    stage: Stage | None
    size: int | None
    here: bool | None
    subject: bool


class GraphEdge(Struct):
    """That `target` came of `source`."""

    source: str
    target: str
    kind: Literal["code", "read", "made", "registered", "parent", "reproduces"]
    paths: list[str]


class LineageGraph(Struct):
    """All of a lineage, up and down, each thing once."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]


class Lineage(Struct):
    """`mlcli lineage --json`; `digests` are those of the content that was asked about."""

    schema: Literal["mlcli.lineage/1"]
    subject: str
    kind: Literal["version", "run", "content", "commit"]
    digests: list[str]
    links: list[Link]
    downstream: list[CameOfIt]
    graph: LineageGraph


class CheckedOut(Struct):
    """`mlcli checkout --json`; `made` is false where it was there already, and `removed` true with `--remove`."""

    schema: Literal["mlcli.checkout/1"]
    directory: str
    commit: str | None
    made: bool
    removed: bool
    changed: list[str]
    left_out: list[str]
    nested: list[str]
    missing: list[str]
    unkept: str | None


class Reproduced(Struct):
    """`mlcli reproduce --json`: `original` and `run` are ids, `run` null where nothing was run."""

    schema: Literal["mlcli.reproduction/1"]
    verdict: Verdict
    reason: str | None
    hint: str | None
    original: str
    run: str | None
    commit: str | None
    tolerance: float
    differences: list[Difference]
    compared: Compared
    inputs: list[RestoredInput]
    environment: EnvironmentChoice
    packages: list[PackageChange]
    absent: list[str]
    kept: str | None


class Bisected(Struct):
    """`mlcli bisect --json`; `first_bad` is null where `candidates` are left, `untried` are those of `--dry-run`."""

    schema: Literal["mlcli.bisect/1"]
    metric: str
    min: float | None
    max: float | None
    first_bad: Measured | None
    before: Measured | None
    subject: str | None
    author: Person | None
    at: datetime | None
    candidates: list[str]
    measured: list[Measured]
    untried: list[str]


class Check(Struct):
    """`mlcli check --json`; exit code 1 where `passed` is false."""

    schema: Literal["mlcli.check/1"]
    passed: bool
    versions: list[str]
    findings: list[Finding]


class Doctor(Struct):
    """`mlcli doctor --json`; exit code 1 where `healthy` is false."""

    schema: Literal["mlcli.doctor/1"]
    facts: dict[str, str]
    problems: list[Problem]
    mended: list[str]
    healthy: bool


ALL = (
    Runs, OneRun, OneVersion, Found, Comparison, Diff, Why, Removed, Restored, Trash, Collected, ScrubbedRun,
    Registered, Promoted, Aliased, Approved, Models, History, StandingThen, Report, Lineage, CheckedOut, Reproduced,
    Bisected, Check, Doctor,
)  # fmt: skip


SPARSE = (Param, Metric)  # what is as most are is not told


def name_of(type_: type[Struct]) -> str:
    """The schema's name, as it stands in the output: mlcli.runs/1."""
    return str(get_args(get_type_hints(type_)["schema"])[0])


def file_of(name: str) -> str:
    """The file that holds the schema of that name: runs-1.json."""
    return f"{name.removeprefix('mlcli.').replace('/', '-')}.json"


def schema_of(type_: type[Struct]) -> dict[str, Any]:
    """The JSON Schema of one output: every key is there but for those that `SPARSE` leaves out, no other is."""
    schema: dict[str, Any] = msgspec.json.schema(type_)
    definitions = schema["$defs"]
    closed: dict[str, Any] = _closed({"$ref": schema["$ref"], "$defs": dict(sorted(definitions.items()))})
    for name in {each.__name__ for each in SPARSE} & definitions.keys():
        closed["$defs"][name]["required"] = definitions[name]["required"]
    return closed


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "number":
        return {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
    closed = {key: _closed(inner) for key, inner in node.items() if key not in {"default", "description", "title"}}
    if "properties" in closed:
        closed |= {"required": list(closed["properties"]), "additionalProperties": False}
    return closed


def files() -> dict[str, str]:
    """Every schema file's name and content."""
    made = {}
    for type_ in ALL:
        content = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema_of(type_)}
        made[file_of(name_of(type_))] = msgspec.json.format(msgspec.json.encode(content), indent=1).decode() + "\n"
    return made
