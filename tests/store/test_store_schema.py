"""Documents: from the domain to JSON and back, sealed by a digest, refused where they cannot be trusted."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mlcli.domain.history import Action, Event, Holder
from mlcli.domain.model import ModelVersion
from mlcli.domain.observed import Capture, Code, Elsewhere, Fit, Module, Output, Reuse, Usage
from mlcli.domain.reproduction import Reproduction, Verdict
from mlcli.domain.run import (
    Artifact,
    Field,
    Input,
    Metric,
    MetricSource,
    Model,
    Param,
    ParamSource,
    Run,
    RunStatus,
    Scrub,
    Signature,
)  # fmt: skip
from mlcli.domain.source import Command, Environment, GitState, LeftOut, Person, Process, Snapshot
from mlcli.domain.stage import Stage
from mlcli.errors import Corrupt, InvalidValue, NewerFormat
from mlcli.store import schema

FROZEN = Path(__file__).resolve().parent.parent / "data" / "format-1"
AT = datetime(2026, 11, 21, 6, 40, 0, 123456, tzinfo=timezone.utc)
ADA = Person(name="Ada Lovelace", email="ada@example.com")


def metric(last: float, least: float, greatest: float) -> Metric:
    return Metric(last=last, step=9, at=AT, min=least, min_step=2, max=greatest, max_step=-3, count=12)


# Every field set: what a run of a later issue may look like as well as the plainest one.
RUN = Run(
    id="3f2a9c1d8b7e4f60a1b2c3d4e5f60718",
    name="größer [bold] \u202e \x1b[31m",
    name_given=True,
    experiment="churn",
    status=RunStatus.KILLED,
    started_at=AT,
    ended_at=AT + timedelta(seconds=3, microseconds=1),
    exit_code=137,
    signal=9,
    reason="it was killed",
    command=Command(argv=["python", "train.py", "--password", "***"], cwd="jobs", masked=1),
    git=GitState(
        commit="c" * 40, tree="7" * 40, subject="Start", branch="main", upstream="origin/main", ahead=1, behind=2,
        remote="https://example.com/x.git", dirty=True, changed=["train.py"], untracked=["new.py"], left_out=3,
        operation="rebase", shallow=True, reason="no commit yet",
    ),
    environment=Environment(
        python="3.11.7", implementation="cpython", platform="linux", machine="x86_64", cpus=2,
        variables={"TZ": "UTC"}, packages={"scikit-learn": "1.6.0"},
    ),
    process=Process(pid=42, host="here", boot_id="b", start_ticks=99),
    user=ADA,
    parent_id="0" * 32,
    params={
        "lr": Param(0.1, ParamSource.LOGGED),
        "depth": Param(10, ParamSource.COMMAND_LINE),
        "layers": Param([1, {"a": None, "b": True}], ParamSource.DECLARED),
        "limit": Param("Infinity", ParamSource.LOGGED),
        "__proto__": Param("\x00", ParamSource.LOGGED),
    },
    metrics={"loss": metric(math.nan, -math.inf, math.inf), "acc": metric(0.97, 0.0, 1e308), "five": metric(5.0, 5.0, 5.0)},
    tags={"team": "a\nb"},
    note="a longer text\n",
    artifacts=[Artifact(path="model/model.joblib", size=7, digest="sha256:" + "a" * 64)],
    models=[
        Model(
            path="model", flavor="sklearn", python_class="sklearn.svm.SVC", digest="sha256:" + "b" * 64,
            file="model.joblib", libraries={"joblib": "1.4"}, python="3.11.7", params={"C": 1.0},
            signature=Signature(
                inputs=[Field(name="x", dtype="float64", shape=[-1, 4])], outputs=[Field(dtype="int64")]
            ),
        )
    ],
)  # fmt: skip
PLAIN = Run(
    id="0" * 32,
    name="x",
    experiment="default",
    status=RunStatus.RUNNING,
    started_at=AT,
    command=Command(argv=[]),
    git=GitState(reason="not a git repository"),
    environment=Environment(),
    user=Person(),
)
KEPT = replace(
    RUN,
    git=replace(
        RUN.git, pushed=False, hidden=["hidden.py"], patch_id="9" * 40, unkept="no ref can be made for it: x",
        snapshot=Snapshot(
            commit="5" * 40, tree="6" * 40, unnamed=2, submodules={"sub": "8" * 40}, nested={"inner": ""}, bypassed=["lfs"],
            left_out=[LeftOut(path="big.bin", size=3000, digest="sha256:" + "c" * 64, reason="large")],
        ),
    ),
    inputs=[Input(path="data/x.csv", size=4, digest="sha256:" + "d" * 64, kept=True)],
    reproduces=Reproduction(run_id="1" * 32, at=AT),
    reproductions=[Reproduction(run_id="2" * 32, at=AT, verdict=Verdict.EQUIVALENT, tolerance=1e-9)],
)  # fmt: skip
SEEN = replace(
    KEPT,
    params={
        "lr": Param(0.1, ParamSource.GIVEN, "argparse"),
        "seed": Param(0, ParamSource.DEFAULT, "click"),
        "optimizer.rate": Param("NaN", ParamSource.CONFIG, "config params.yaml"),
    },
    metrics={
        "acc": replace(metric(0.97, 0.0, 1.0), source=MetricSource.LIBRARY, origin="accuracy_score at train.py:39 of y, p"),
        "auc": replace(metric(0.9, 0.9, 0.9), source=MetricSource.PRINTED),
    },
    inputs=[
        Input(path="data/x.csv", size=4, digest="sha256:" + "d" * 64, seen=True, by="read_parquet", changed=True),
        Input(path="shards/", size=900, digest="sha256:" + "e" * 64, seen=True, files=300),
    ],
    urls=["https://example.com/x.csv", "postgresql://example.com/churn"],
    outputs=[
        Output(
            path="model.joblib", size=7, digest="sha256:" + "a" * 64, kept=True, kind="model", format="pickle",
            cls="sklearn.svm.SVC", by="joblib.dump", fit=0,
        ),
    ],
    code=Code(
        digest="sha256:" + "f" * 64,
        modules=[Module(path="train.py", blob="b" * 40, state="modified"), Module(path="f.py", name="f", blob="c" * 40, state="committed")],
        elsewhere=[Elsewhere(path="/src/lib", commit="a" * 40, dirty=True, modules=2, digest="sha256:" + "1" * 64, files=["a.py", "b.py"])],
    ),
    fits=[
        Fit(
            cls="sklearn.svm.SVC", params={"C": 2.0, "gamma": "Infinity"}, nested={"scaler__copy": True}, shape=[100, 4],
            seconds=0.5, at="train.py:36", calls=20, best={"C": 1}, best_score=0.9,
        )
    ],
    capture=Capture(processes=3, listed={"data/": "sha256:" + "2" * 64}, missing=["cat was started"], off=["printed"]),
    usage=Usage(cpu_seconds=1.5, peak_memory=2**28),
    reuse=Reuse(count=2, last_at=AT),
    scrubs=[Scrub(at=AT, by=ADA, places=3, objects=["sha256:" + "3" * 64])],
)  # fmt: skip
VERSION = ModelVersion(
    model="iris", number=3, path="model", run=replace(RUN, process=None), registered_at=AT, registered_by=ADA, commit="d" * 40,
    why="better",
)  # fmt: skip
EVENT = Event(
    model="iris", version="sha256:" + "1" * 64, from_stage=Stage.STAGING, to_stage=Stage.PRODUCTION,
    archived=["sha256:" + "2" * 64], parents=["sha256:" + "3" * 64], at=AT, by=ADA, commit="d" * 40, why="better",
)  # fmt: skip
SAID = replace(EVENT, action=Action.TAGGED, tags={"team": "a", "draft": None}, alias="champion", number=3)
GATED = replace(
    EVENT, gates={"clean": "its commit is 8888888"}, forced={"metrics.accuracy >= 0.95": "0.9, and at least 0.95 is asked"},
    rollback=True, signature="-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n",
)  # fmt: skip
HOLDER = Holder(number=3, version="sha256:" + "1" * 64, event="sha256:" + "4" * 64)

STORED = {
    "run.json": ("run", schema.run_fields(RUN)),
    "plain-run.json": ("run", schema.run_fields(PLAIN)),
    "kept-run.json": ("run", schema.run_fields(KEPT)),
    "seen-run.json": ("run", schema.run_fields(SEEN)),
    "version.json": ("version", schema.version_fields(VERSION)),
    "event.json": ("event", schema.event_fields(EVENT)),
    "said-event.json": ("event", schema.event_fields(SAID)),
    "gated-event.json": ("event", schema.event_fields(GATED)),
    "alias.json": ("alias", schema.holder_fields(HOLDER)),
    "stage.json": ("stage", schema.holder_fields(HOLDER)),
    "store.json": ("store", {}),
}


def read(name: str, data: bytes):
    """A document as the domain's value; the number of a version is its name's."""
    kind = STORED[name][0]
    document = schema.decode(data, kind, name)
    return {
        "run": lambda: schema.run_from(document, name),
        "version": lambda: replace(schema.version_from(document, 3, name), digest=""),
        "event": lambda: replace(schema.event_from(document, name), digest=""),
        "stage": lambda: schema.holder_from(document, name),
        "alias": lambda: schema.holder_from(document, name),
        "store": lambda: None,
    }[kind]()


MEANT = {
    "run.json": RUN,
    "plain-run.json": PLAIN,
    "kept-run.json": KEPT,
    "seen-run.json": SEEN,
    "version.json": VERSION,
    "event.json": EVENT,
    "said-event.json": SAID,
    "gated-event.json": GATED,
    "alias.json": HOLDER,
    "stage.json": HOLDER,
    "store.json": None,
}


def shown(value: object) -> str:
    """NaN equals nothing, and looks like itself; the order of keys says nothing."""
    return json.dumps(msgspec.to_builtins(value), sort_keys=True)


@pytest.mark.parametrize("name", STORED)
def test_a_document_reads_back_as_what_was_meant(name: str):
    kind, fields = STORED[name]
    assert shown(read(name, schema.encode(schema.sealed(kind, fields)))) == shown(MEANT[name])


@pytest.mark.parametrize("name", STORED)
def test_a_document_of_format_1_still_means_the_same(name: str):
    assert shown(read(name, (FROZEN / name).read_bytes())) == shown(MEANT[name])


@pytest.mark.parametrize("name", ["run.json", "plain-run.json"])
def test_a_run_of_before_inputs_and_reproductions_were_told_has_none(name: str):
    assert b'"inputs":' not in (FROZEN / "plain-run.json").read_bytes()
    run = read(name, (FROZEN / name).read_bytes())
    assert (run.inputs, run.reproduces, run.reproductions, run.git.snapshot) == ([], None, [], None)


@pytest.mark.parametrize("name", STORED)
def test_what_is_written_may_say_more_than_format_1_did_and_nothing_else(name: str):
    then = json.loads((FROZEN / name).read_bytes())
    now = json.loads(schema.encode(schema.sealed(*STORED[name])))
    assert beyond(then, now) == []


def beyond(then, now, where: str = "$") -> list[str]:
    """The paths at which `now` does not say what `then` said; a digest of the whole follows from the rest."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            path
            for key in then
            if (where, key) != ("$", "digest")
            for path in beyond(then[key], now.get(key), f"{where}.{key}")
        ]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = enumerate(zip(then, now, strict=True))
        return [path for at, (old, new) in pairs for path in beyond(old, new, f"{where}[{at}]")]
    return [] if then == now and type(then) is type(now) else [where]


@pytest.mark.parametrize("name", STORED)
def test_a_document_is_strict_json_that_diffs_well(name: str):
    kind, fields = STORED[name]
    text = schema.encode(schema.sealed(kind, fields)).decode()
    document = json.loads(text, parse_constant=pytest.fail)
    assert list(document)[:2] + list(document)[-1:] == ["format", "kind", "digest"]
    assert text.startswith('{\n  "format": 1,\n  "kind": "')
    assert text.endswith("}\n")


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize(
    "edited",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: json.dumps(json.loads(data), indent=8).encode(),
        lambda data: json.dumps(json.loads(data), sort_keys=True).encode(),
        lambda data: b"\n\n  " + data + b"  \n",
    ],
    ids=["line ends", "indentation", "key order", "space around"],
)
def test_line_ends_indentation_and_key_order_do_not_matter(name: str, edited):
    assert shown(read(name, edited((FROZEN / name).read_bytes()))) == shown(MEANT[name])


def test_a_digest_does_not_depend_on_the_order_of_fields():
    assert schema.digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == schema.digest_of(
        {"b": {"d": 3, "c": 2}, "a": 1, "digest": "x"}
    )


def test_no_field_can_pass_for_the_seal():
    document = schema.sealed("run", {"format": 99, "kind": "store", "digest": "x", "id": "1"})
    assert (document["format"], document["kind"], document["digest"]) == (1, "run", schema.digest_of(document))


def test_a_change_keeps_what_a_newer_mlcli_wrote():
    newer = schema.run_fields(RUN)
    newer["reviewed"] = {"by": "Bob"}
    newer["git"]["signed"] = True
    newer["params"]["lr"]["unit"] = "1/step"
    before = schema.run_from(newer, "run")
    changed = schema.changed(newer, before, replace(before, note="new", params={"lr": before.params["lr"]}))
    assert (changed["reviewed"], changed["git"]["signed"], changed["params"], changed["note"]) == (
        {"by": "Bob"}, True, {"lr": {"value": 0.1, "source": "logged", "origin": "", "unit": "1/step"}}, "new",
    )  # fmt: skip


def test_a_field_that_a_newer_mlcli_wrote_is_no_fault():
    document = schema.sealed("run", {**schema.run_fields(PLAIN), "later": 1})
    assert schema.run_from(schema.decode(schema.encode(document), "run", "x"), "x") == PLAIN


def test_a_newer_format_is_refused_with_what_to_do():
    with pytest.raises(NewerFormat) as caught:
        schema.decode(b'{"format": 99, "kind": "run"}', "run", ".mlruns/x")
    assert (caught.value.message, caught.value.hint) == (
        ".mlruns/x has format 99; this mlcli knows formats up to 1", "pip install -U mlcli",
    )  # fmt: skip


GOOD = (FROZEN / "plain-run.json").read_bytes()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "x is empty"),
        (b" \n\t\r\n", "x is empty"),
        (b"\0" * 4096, "x holds only zero bytes"),
        (b"\xef\xbb\xbf" + GOOD, "x is not readable as JSON"),
        (GOOD.decode().encode("utf-16"), "x is not readable as JSON"),
        (GOOD.replace(b"default", b"def\xffult"), "x is not readable as JSON"),
        (GOOD + GOOD, "x is not readable as JSON"),
        (GOOD + b"garbage", "x is not readable as JSON"),
        (GOOD.replace(b'"note": ""', b'"note": NaN'), "x is not readable as JSON"),
        (b"<<<<<<< HEAD\n" + GOOD + b"=======\n" + GOOD + b">>>>>>> other\n", "x holds an unresolved merge"),
        (GOOD.replace(b'"id"', b'\n<<<<<<< HEAD\n"id"'), "x holds an unresolved merge"),
        (b"[" * 100_000 + b"]" * 100_000, "x is not readable as JSON: it is nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "x is not readable as JSON: it is nested too deeply"),
        (b"[]", "x holds no JSON object"),
        (b'"x"', "x holds no JSON object"),
        (b"null", "x holds no JSON object"),
        (b"7", "x holds no JSON object"),
        (b"{}", "x is not a run document of mlcli"),
        (b'{"format": 0, "kind": "run"}', "x is not a run document of mlcli"),
        (b'{"format": "1", "kind": "run"}', "x is not a run document of mlcli"),
        (b'{"format": 1.0, "kind": "run"}', "x is not a run document of mlcli"),
        (b'{"format": 1, "kind": "event"}', "x is not a run document of mlcli"),
        (b'{"format": 1, "kind": "run"}', "x was edited or damaged: its digest does not match its content"),
        (GOOD.replace(b'"running"', b'"finished"'), "x was edited or damaged: its digest does not match its content"),
        (GOOD.replace(b'"note": ""', b'"note": "x", "note": ""'), "x says 'note' twice"),
        (GOOD.replace(b'"note": ""', b'"note": "x", "not\\u0065": ""'), "x says 'note' twice"),
        (GOOD.replace(b'"note": ""', b'"note": "", "note": "x"'), "x says 'note' twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_trusted_is_reported_and_not_read(data: bytes, told: str):
    with pytest.raises(Corrupt) as caught:
        schema.decode(data, "run", "x")
    assert caught.value.message.startswith(told)
    assert caught.value.hint == ("mlcli doctor --fix" if "merge" in told else "mlcli doctor")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stage.json", '"version": 3,', '"version": 2, "version": 3,'),
        ("event.json", '"to_stage"', '"to_stage": "archived", "to_stage"'),
        ("version.json", '"branch"', '"branch": "evil", "branch"'),
    ],
)
def test_a_document_with_a_key_twice_is_not_read_last_one_wins(name: str, old: str, new: str):
    data = (FROZEN / name).read_text().replace(old, new).encode()
    with pytest.raises(Corrupt, match=r"x says '(version|to_stage|branch)' twice"):
        schema.decode(data, STORED[name][0], "x")


def test_no_way_of_spelling_hides_a_key_twice():
    plain = schema.sealed("run", {**schema.run_fields(PLAIN), "note": '""', "seconds": 100000.0})
    for note in ('\\"\\"', "\\u0022\\u0022", '\\"\\u0022'):
        data = schema.encode(plain).replace(b'"note": "\\"\\""', f'"id": "", "note": "{note}"'.encode())
        data = data.replace(b"100000.0", b"1e5")
        with pytest.raises(Corrupt, match="x says 'id' twice"):
            schema.decode(data, "run", "x")


@pytest.mark.parametrize("deep", [64, 65, 400])
def test_what_is_nested_deeper_than_anybody_nests_is_not_read(deep: int):
    value: Any = 1
    for _ in range(deep - 1):
        value = [value]
    data = schema.encode(schema.sealed("run", {**schema.run_fields(PLAIN), "later": value}))
    if deep == 64:
        assert schema.run_from(schema.decode(data, "run", "x"), "x") == PLAIN
        return
    with pytest.raises(Corrupt, match="x is not readable as JSON: it is nested too deeply"):
        schema.decode(data, "run", "x")


def test_a_document_that_could_not_be_read_again_is_not_written():
    with pytest.raises(InvalidValue, match="a document has at most 67108864 bytes, and this one would have 671"):
        schema.encode({"note": "x" * 2**26})


def test_a_letter_that_an_editor_spelled_out_is_no_key_twice():
    data = (FROZEN / "event.json").read_text().replace("better", r"\u0062etter").encode()
    assert shown(read("event.json", data)) == shown(EVENT)


@pytest.mark.parametrize("length", range(0, len(GOOD.rstrip()), 7))
def test_a_document_that_is_cut_short_is_never_read(length: int):
    with pytest.raises(Corrupt):
        schema.decode(GOOD[:length], "run", "x")


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(GOOD.rstrip()) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_read_as_something_else(at: int, bit: int):
    flipped = bytearray(GOOD)
    flipped[at] ^= 1 << bit
    try:
        read_back = schema.decode(bytes(flipped), "run", "x")
    except Corrupt:
        read_back = None
    except NewerFormat:
        read_back = None
    # A flip in the space between tokens may leave the same document.
    assert read_back in (None, schema.decode(GOOD, "run", "x"))


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("params", [], "Expected `object`, got `array` - at `$.params`"),
        ("status", 5, "Expected `str`, got `int` - at `$.status`"),
        ("status", "lost", "Invalid enum value 'lost' - at `$.status`"),
        ("metrics", None, "Expected `object`, got `null` - at `$.metrics`"),
        ("metrics", {"a": 1}, "$.metrics[...]"),
        ("started_at", "yesterday", "$.started_at"),
        ("artifacts", [{"path": 1}], "$.artifacts[0]"),
    ],
)
def test_a_field_of_another_shape_is_told_by_its_path(field: str, value, told: str):
    document = schema.sealed("run", {**schema.run_fields(PLAIN), field: value})
    with pytest.raises(Corrupt) as caught:
        schema.run_from(schema.decode(schema.encode(document), "run", "x"), "x")
    assert caught.value.message.startswith("x does not have the shape of a run: ")
    assert told in caught.value.message


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(params=st.dictionaries(st.text(min_size=1, max_size=10), JSON, max_size=4), note=st.text(max_size=50))
def test_any_value_survives_a_round_trip(params, note):
    run = replace(PLAIN, params={key: Param(value, ParamSource.LOGGED) for key, value in params.items()}, note=note)
    once = schema.run_from(schema.decode(schema.encode(schema.sealed("run", schema.run_fields(run))), "run", "x"), "x")
    again = schema.run_from(
        schema.decode(schema.encode(schema.sealed("run", schema.run_fields(once))), "run", "x"), "x"
    )
    assert shown(once) == shown(again)
    assert once.note == note


def test_a_number_that_becomes_another_kind_of_number_is_changed():
    guessed = replace(PLAIN, params={"C": Param(4, ParamSource.COMMAND_LINE), "l": Param([1], ParamSource.LOGGED)})
    parsed = replace(PLAIN, params={"C": Param(4.0, ParamSource.GIVEN), "l": Param([1.0], ParamSource.LOGGED)})
    document = schema.sealed("run", schema.run_fields(guessed))
    params = schema.changed(document, guessed, parsed)["params"]
    assert [json.dumps(params[key]["value"]) for key in ("C", "l")] == ["4.0", "[1.0]"]
