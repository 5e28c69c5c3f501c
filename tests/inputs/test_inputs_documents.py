"""Documents that somebody or something damaged: each is told by name, hides no other, and is found by doctor."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from asking import READ, VICTIM, controls, document, row, state

from mlcli.store import schema

RUN = f"runs/{VICTIM[:2]}/{VICTIM}.json"
VERSION = "models/iris/versions/1.json"
STAGE = "models/iris/stages/production.json"
OTHERS = {"dirty", "broken", "second", "first"}
IRIS = (("show", "iris@2"), ("lineage", "iris@2"), ("history", "iris"), ("models", "--json"))


def an_event(store: Path) -> str:
    return str(min((store / "models/iris/events").iterdir()).relative_to(store))


def said_twice(data: bytes) -> bytes:
    """The document with a key said once more before it, as JSON's readers that take the last would not see."""
    key = b'"version":' if b'"kind": "stage"' in data else b'"to_stage":' if b'"kind": "event"' in data else b'"kind":'
    return data.replace(key, key + b' "other", ' + key, 1)


def resealed(data: bytes, kind: str, **fields) -> bytes:
    """The document with other fields, under a digest that is right."""
    return schema.encode(schema.sealed(kind, {**json.loads(data), **fields}))


DAMAGE = {
    "J01": (lambda data: data.replace(b'"format": 1', b'"v": NaN, "format": 1'), "is not readable as JSON"),
    "J02": (said_twice, "twice"),
    "J03-bom": (lambda data: b"\xef\xbb\xbf" + data, "is not readable as JSON"),
    "J03-utf-16": (lambda data: data.decode().encode("utf-16"), "is not readable as JSON"),
    "J05": (lambda data: b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    "J05-70": (lambda data: data[:-3] + b', "z": ' + b"[" * 70 + b"]" * 70 + b"}", "nested too deeply"),
    "J07-twice": (lambda data: data + data, "is not readable as JSON"),
    "J07-garbage": (lambda data: data + b"garbage", "is not readable as JSON"),
    "J08": (lambda data: b"", "is empty"),
    "J11": (lambda data: b"\0" * 4096, "holds only zero bytes"),
    "J12": (lambda data: b"<<<<<<< HEAD\n" + data + b"=======\n" + data + b">>>>>>> other\n", "holds an unresolved merge"),
    "J13": (lambda data: data.replace(b'"format": 1', b'"format": 99'), "has format 99; this mlcli knows formats up to 1"),
    "J15-list": (lambda data: b"[]", "holds no JSON object"),
    "J15-text": (lambda data: b'"x"', "holds no JSON object"),
    "J15-null": (lambda data: b"null", "holds no JSON object"),
    "J15-number": (lambda data: b"7", "holds no JSON object"),
    "J24": (lambda data: data.replace(b"2026", b"2027", 1).replace(b'"version": 2', b'"version": 1'), "was edited or damaged"),
}  # fmt: skip


# Every kind of document is read by the same hand: the run's is damaged in every way, the others in these.
OF_EACH_KIND = ("J02", "J08", "J12", "J13", "J15-null", "J24")


def reported(cli, store: Path, name: str, reason: str, reads, *, told_by: tuple[str, ...]) -> None:
    """Every command reads all others and exits 0, that which meets the file warns; doctor answers no; nothing changes."""
    before = state(store)
    answers = {arguments: cli(*arguments) for arguments in reads}
    assert {
        arguments: done for arguments, done in answers.items() if done.returncode or "Traceback" in done.stderr
    } == {}
    listed = {run["name"] for run in json.loads(answers["ls", "--json"].stdout)["runs"]}
    assert listed >= OTHERS
    assert [line.split("\t")[0] for line in answers[("models",)].stdout.splitlines()] == ["iris", "wine"]
    warned = answers[told_by].stderr
    assert warned.startswith("mlcli: warning: .mlruns/")
    assert (name in warned, reason in warned, "\nhint: " in warned) == (True, True, True)
    doctor = cli("doctor")
    assert (doctor.returncode, "Traceback" in doctor.stderr) == (1, False)
    assert [line for line in doctor.stdout.splitlines() if name in line and reason in line] != []
    assert state(store) == before


@pytest.mark.parametrize("row", DAMAGE)
def test_a_damaged_run_hides_no_other(store: Path, cli, row: str) -> None:
    damage, reason = DAMAGE[row]
    path = store / RUN
    path.write_bytes(damage(path.read_bytes()))

    reported(cli, store, RUN, reason, READ, told_by=("ls",))

    done = cli("show", VICTIM)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 2)
    assert done.stderr.startswith(f"mlcli: error: .mlruns/{RUN} ")
    before = path.read_bytes()
    for change in (["tag", VICTIM, "a=b"], ["log", "metric", "a=1", "--run", VICTIM], ["doctor", "--fix"]):
        assert cli(*change).returncode != 0
    assert path.read_bytes() == before


@pytest.mark.parametrize("row", OF_EACH_KIND)
def test_a_damaged_version_hides_no_other(store: Path, cli, row: str) -> None:
    damage, reason = DAMAGE[row]
    path = store / VERSION
    path.write_bytes(damage(path.read_bytes()))

    reported(cli, store, VERSION, reason, (*READ, *IRIS, ("show", "iris@production")), told_by=("models",))

    assert cli("check").returncode == 1
    assert [cli(*change).returncode for change in (["promote", "iris@1", "staging"], ["show", "iris@1"])] == [3, 3]


@pytest.mark.parametrize("row", OF_EACH_KIND)
def test_a_damaged_transition_hides_no_version(store: Path, cli, row: str) -> None:
    damage, reason = DAMAGE[row]
    name = an_event(store)
    path = store / name
    path.write_bytes(damage(path.read_bytes()))

    reported(
        cli,
        store,
        name if row != "J24" else "models/iris/events",
        reason,
        (*READ, *IRIS, ("show", "iris@production")),
        told_by=("models",),
    )

    stages = {
        each["version"]: each["stage"] for each in json.loads(cli("models", "--json").stdout)["models"][0]["versions"]
    }
    assert stages == {1: "none", 2: "production"}
    assert [cli(*change).returncode for change in (["promote", "iris@2", "staging"], ["check"])] == [3, 1]


@pytest.mark.parametrize("row", OF_EACH_KIND)
def test_a_damaged_stage_hides_no_version(store: Path, cli, row: str) -> None:
    damage, reason = DAMAGE[row]
    path = store / STAGE
    path.write_bytes(damage(path.read_bytes()))

    done = cli("show", "iris@production")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 2)
    assert (f".mlruns/{STAGE}" in done.stderr, reason in done.stderr) == (True, True)
    assert {arguments: cli(*arguments).returncode for arguments in (*READ, *IRIS)} == dict.fromkeys((*READ, *IRIS), 0)
    assert (cli("doctor").returncode, cli("check").returncode) == (1, 1)
    assert cli("doctor", "--fix").returncode == (1 if row == "J13" else 0)


@row("J12")
def test_the_command_that_resolves_a_merge_is_told_and_resolves_it(store: Path, cli, git, row: str) -> None:
    git("add", "-A")
    git("commit", "-qm", "registered")
    path = store / "models/wine/stages/production.json"
    for branch, version in (("one", "wine@1"), ("two", "wine@2")):
        git("checkout", "-q", "-b", branch, "main")
        if branch == "two":
            cli("register", "wine", "second")
        assert cli("promote", version, "production").returncode == 0
        git("add", "-A")
        git("commit", "-qm", branch)
    merged = subprocess.run(["git", "merge", "one"], capture_output=True, text=True, check=False)
    assert ("CONFLICT" in merged.stdout, b"<<<<<<<" in path.read_bytes()) == (True, True)

    done = cli("show", "wine@production")
    where = ".mlruns/models/wine/stages/production.json"
    assert done.stderr == (f"mlcli: error: {where} holds an unresolved merge\nhint: mlcli doctor --fix\n")
    assert cli("doctor", "--fix").returncode in {0, 1}
    assert "unsettled" in cli("check").stdout
    assert cli("promote", "wine@2", "production").returncode == 0
    assert (cli("show", "wine@production").stdout.split()[0], cli("doctor").returncode) == ("wine@2", 0)


@row("J09")
def test_a_document_cut_at_any_byte_is_told(store: Path, cli, row: str) -> None:
    from mlcli.domain.run import FoundRuns
    from mlcli.store.disk import DiskStore

    path = store / RUN
    whole = path.read_bytes()
    opened = DiskStore(str(store), sync=False)
    told: set[tuple[int, int]] = set()
    for length in range(1, len(whole.rstrip()), 3):
        path.write_bytes(whole[:length])
        found: FoundRuns = opened.find_runs()
        told.add((len(found.runs), len(found.problems)))
    assert told == {(4, 1)}
    reported(cli, store, RUN, "is not readable as JSON", READ, told_by=("ls",))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        pytest.param({"params": []}, "Expected `object`, got `array` - at `$.params`", id="J16-params"),
        pytest.param({"status": 5}, "Expected `str`, got `int` - at `$.status`", id="J16-status"),
        pytest.param({"metrics": None}, "Expected `object`, got `null` - at `$.metrics`", id="J16-metrics"),
        pytest.param({"id": "../../../etc/passwd", "artifacts": [{"path": 7}]}, "$.artifacts[0]", id="J16-artifacts"),
    ],
)
def test_a_field_of_another_shape_is_told_by_its_path(store: Path, cli, fields, told: str) -> None:
    path = store / RUN
    path.write_bytes(resealed(path.read_bytes(), "run", **fields))
    reported(cli, store, RUN, told, READ, told_by=("ls",))


# Metric histories


def values(cli, ref: str = "victim") -> dict:
    run: dict = json.loads(cli("show", ref, "--json").stdout)["run"]
    return {key: (each["last"], each["count"]) for key, each in run["metrics"].items()}


@row("J19")
def test_points_keep_the_order_in_which_they_came(project: Path, cli, row: str) -> None:
    program = """
import mlcli
with mlcli.start_run(run_name="steps") as run:
    for step, value in ((5, 0.1), (5, 0.2), (1, 0.3), (9, 0.4), (2, 0.5)):
        mlcli.log_metric("loss", value, step=step)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    from mlcli.workspace import Workspace

    store = Workspace(str(project)).store
    run = store.find_runs().runs[0]
    assert [(point.step, point.value) for point in store.points(run.id)] == [
        (5, 0.1),
        (5, 0.2),
        (1, 0.3),
        (9, 0.4),
        (2, 0.5),
    ]
    assert (values(cli, "steps"), cli("doctor").returncode) == ({"loss": (0.4, 5)}, 0)


@row("J20", "J21", "J22")
def test_a_torn_line_costs_itself_and_line_ends_cost_nothing(store: Path, cli, row: str) -> None:
    path = store / "runs" / VICTIM[:2] / VICTIM / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    if row == "J20":
        path.write_bytes(b"".join(lines)[:-9])
    if row == "J21":
        path.write_bytes(lines[0] + lines[1][:40] + b"\n" + lines[2])
    if row == "J22":
        path.write_bytes(b"".join(lines).replace(b"\n", b"\r\n"))

    done = cli("doctor")
    if row != "J22":
        damaged = {"J20": 3, "J21": 2}[row]
        assert (done.returncode, f"lines that cannot be trusted: {damaged};" in done.stdout) == (1, True)
    assert cli("log", "metric", "accuracy=0.9", "--step", "7", "--run", "victim").returncode == 0
    assert values(cli) == {"accuracy": (0.9, 4 if row == "J22" else 3)}


# The registry, as git and editors change it


@row("J22", "J23")
def test_a_document_that_git_or_an_editor_formatted_anew_is_still_itself(store: Path, cli, row: str) -> None:
    before = {arguments: cli(*arguments).stdout for arguments in (*READ, *IRIS)}
    for path in [*store.rglob("models/**/*.json"), store / "store.json", document(store)]:
        data = path.read_bytes()
        if row == "J22":
            path.write_bytes(data.replace(b"\n", b"\r\n"))
        else:
            path.write_text(json.dumps(json.loads(data), indent="\t", sort_keys=True, ensure_ascii=True) + "\n\n")
    assert {arguments: cli(*arguments).stdout for arguments in (*READ, *IRIS)} == before
    assert (cli("doctor").returncode, cli("check").returncode) == (0, 0)
    assert cli("promote", "iris@1", "staging").returncode == 0


@row("J24")
def test_what_was_edited_by_hand_is_told_by_check(store: Path, cli, row: str) -> None:
    for name, old, new in (
        (STAGE, b'"version": 2', b'"version": 1'),
        (VERSION, b"Ada", b"Bob"),
        (an_event(store), b"Ada", b"Bob"),
    ):
        path = store / name
        kept = path.read_bytes()
        path.write_bytes(kept.replace(old, new))
        done = cli("check")
        assert (done.returncode, "was edited or damaged" in done.stdout, name.rpartition("/")[0] in done.stdout) == (
            1,
            True,
            True,
        )
        path.write_bytes(kept)
    # One that was sealed anew, as only somebody on purpose does, still is not what its model's history says.
    path = store / STAGE
    first = json.loads((store / VERSION).read_bytes())["digest"]
    path.write_bytes(resealed(path.read_bytes(), "stage", version=1, version_digest=first))
    assert (cli("check").returncode, "stage-disagrees" in cli("check").stdout) == (1, True)


@row("J30")
def test_content_that_is_gone_is_told_and_hides_nothing(store: Path, cli, row: str) -> None:
    digest = json.loads((store / VERSION).read_bytes())["run"]["artifacts"][0]["digest"].partition(":")[2]
    (store / "objects" / digest[:2] / digest).unlink()
    done = cli("doctor")
    assert (done.returncode, "object-missing" in done.stdout, digest in done.stdout) == (1, True, True)
    assert {arguments: cli(*arguments).returncode for arguments in READ} == dict.fromkeys(READ, 0)
    assert ("artifact-missing" in cli("check").stdout, "not in this clone" in cli("lineage", "iris@1").stdout) == (
        True,
        True,
    )


@pytest.mark.parametrize(
    "parts",
    [["stages"], ["events"], ["stages", "events"], ["versions", "events"], ["versions", "stages"]],
    ids=lambda parts: f"half-staged {'+'.join(parts)}",
)
def test_a_model_of_which_a_part_is_staged_is_no_commit_to_make(project: Path, cli, git, parts: list[str]) -> None:
    git("commit", "-qam", "trained")
    git("add", *[f".mlruns/models/iris/{part}" for part in parts])
    done = cli("check", "--staged")
    assert (done.returncode, "version-missing" in done.stdout or "stage-disagrees" in done.stdout) == (1, True)
    git("add", ".mlruns")
    assert cli("check", "--staged", "iris@2").returncode == 0


@row("J30-version")
def test_a_version_that_is_gone_is_told(store: Path, cli, row: str) -> None:
    (store / VERSION).unlink()
    told = "its history names a version that is missing"
    assert [(done.returncode, told in done.stdout) for done in (cli("check"), cli("doctor"))] == [(1, True), (1, True)]
    assert {arguments: cli(*arguments).returncode for arguments in (*READ, *IRIS)} == dict.fromkeys((*READ, *IRIS), 0)
    for path in (store / "models/iris/versions").iterdir():
        path.unlink()
    assert [(cli(command).returncode, "version-missing" in cli(command).stdout) for command in ("check", "doctor")] == [
        (1, True)
    ] * 2


# What is too much


def under(limit_mb: int, *arguments: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """The command with so much memory to use, and how long it took."""
    started = time.monotonic()
    done = subprocess.run(
        ["mlcli", *arguments], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit_mb * 2**20, limit_mb * 2**20)),
    )  # fmt: skip
    return done, time.monotonic() - started


@row("J27-params", "J27-value", "J27-list", "J27-tag", "J27-note", "J27-deep", "J27-much")
def test_more_than_fits_is_refused_and_nothing_is_kept(project: Path, cli, row: str) -> None:
    from mlcli import tracking
    from mlcli.errors import InvalidValue
    from mlcli.workspace import Workspace

    workspace = Workspace(str(project))
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    log = {
        "J27-params": lambda: tracking.log_params(workspace, VICTIM, {f"p{n}": n for n in range(200_000)}),
        "J27-value": lambda: tracking.log_params(workspace, VICTIM, {"p": "x" * 10_000_000}),
        "J27-list": lambda: tracking.log_params(workspace, VICTIM, {"p": ["x" * 100_000] * 100}),
        "J27-tag": lambda: tracking.set_tags(workspace, VICTIM, {"p": "x" * 10_000_000}),
        "J27-note": lambda: tracking.set_note(workspace, VICTIM, "x" * 10_000_000),
        "J27-deep": lambda: tracking.log_params(workspace, VICTIM, {"p": deep}),
        "J27-much": lambda: tracking.set_tags(workspace, VICTIM, {f"t{n}": "x" * 400_000 for n in range(200)}),
    }[row]
    told = {
        "J27-params": "a run has at most 10000 params, and these are 200000",
        "J27-value": "param 'p' has 10000000 characters and at most 500000 fit",
        "J27-list": "param 'p' has 10000301 characters and at most 500000 fit",
        "J27-tag": "tag 'p' has 10000000 characters and at most 500000 fit",
        "J27-note": "a note has at most 100000 characters, and this one 10000000",
        "J27-deep": "param 'p' has lists or maps nested more than 32 deep",
        "J27-much": "a document has at most 67108864 bytes, and this one would have 80",
    }[row]
    before = state(project)
    with pytest.raises(InvalidValue) as caught:
        log()
    assert caught.value.message.startswith(told)
    assert state(project) == before


@pytest.mark.slow
@row("J27")
def test_a_run_with_far_too_many_params_is_listed_all_the_same(store: Path, cli, row: str) -> None:
    path = store / RUN
    params = {f"p{n}": {"value": n, "source": "logged"} for n in range(200_000)}
    params["long"] = {"value": "x" * 10_000_000, "source": "logged"}
    path.write_bytes(resealed(path.read_bytes(), "run", params=params))
    done, seconds = under(600, "ls", "--columns", "name")
    assert (done.returncode, done.stdout.split(), done.stderr) == (
        0,
        ["victim", "dirty", "broken", "second", "first"],
        "",
    )
    assert seconds < 10


@row("large")
def test_a_document_of_a_hundred_megabytes_is_told_unread(store: Path, cli, row: str) -> None:
    path = store / RUN
    with path.open("wb") as file:
        file.write(b'{"note": "')
        for _ in range(100):
            file.write(b"x" * 2**20)
    for arguments in READ:
        done, _ = under(200, *arguments)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    done, _ = under(200, "ls", "-q")
    assert (len(done.stdout.split()), "a document has at most 67108864" in done.stderr) == (4, True)
    done, _ = under(200, "doctor")
    assert (done.returncode, RUN in done.stdout) == (1, True)


@row("J28")
def test_a_zero_character_is_kept_and_shown_escaped(project: Path, cli, row: str) -> None:
    text = "a\0b\x1b\x07"
    program = f"""
import mlcli
with mlcli.start_run(run_name="zero", description={text!r}):
    mlcli.log_param("p", {text!r})
    mlcli.log_param("list", [{text!r}])
    mlcli.set_tag("t", {text!r})
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    run = json.loads(cli("show", "zero", "--json").stdout)["run"]
    assert (run["params"]["p"]["value"], run["params"]["list"]["value"], run["tags"]["t"]) == (text, [text], text)
    for arguments in (
        ["show", "zero"],
        ["ls", "--columns", "params,tags,note"],
        ["lineage", "zero"],
        ["show", "zero", "--json"],
    ):
        assert controls(cli(*arguments).stdout) == []
    assert r"a\x00b\x1b\x07" in cli("show", "zero").stdout
