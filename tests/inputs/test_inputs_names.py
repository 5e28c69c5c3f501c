"""What things are called: a model's name by its grammar, everything else in any script there is."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from asking import VICTIM, controls, refused, row, state

from mlcli import registry, tracking
from mlcli.domain.names import check_alias
from mlcli.errors import InvalidName, MlcliError
from mlcli.workspace import Workspace

HINT = "use letters, digits, '-', '_' and '.', as in 'iris-forest'"
NAMES = [
    ("M01", "../evil", "it holds '/'"),
    ("M01", "a/b", "it holds '/'"),
    ("M01", "a\\b", "it holds '\\'"),
    ("M01", "", "it is empty"),
    ("M01", ".", "it begins with '.'"),
    ("M01", "..", "it begins with '.'"),
    ("M01", ".hidden", "it begins with '.'"),
    ("M02", "-x", "it begins with '-'"),
    ("M02", "--help", "it begins with '-'"),
    ("M02", "-", "it begins with '-'"),
    ("M03", "m@prod", "it holds '@'"),
    ("M03", "m:1", "it holds ':'"),
    ("M03", "m#1", "it holds '#'"),
    ("M03", "m 1", "it holds ' '"),
    ("M04", "m" * 129, "it has 129 characters and at most 128 fit"),
    ("M04-bytes", "模" * 128, "it has 384 bytes and at most 200 fit"),
    ("M08", "%2e%2e%2f", "it holds '%'"),
    ("M08", "m%00", "it holds '%'"),
    ("control", "a\x1bb", "it holds '\\x1b'"),
    ("direction", "a\u202eb", "it holds '\\u202e'"),
    ("decomposed", "e\u0301", "it is not in Unicode's composed form (NFC)"),
    ("device", "con", "the name is a device on Windows"),
    ("surrogate", "a\udcff", "it holds '\\udcff'"),
]


@pytest.mark.parametrize(("name", "why"), [each[1:] for each in NAMES], ids=[each[0] for each in NAMES])
def test_a_name_that_could_be_misread_is_refused(project: Path, cli, name: str, why: str) -> None:
    import mlcli
    from mlcli.domain.names import quoted

    before = state(project.parent)
    message = f"{quoted(name)} cannot name a model: {why}"
    if "\udcff" not in name:
        refused(cli("register", "--", name, "first"), 2, message, HINT)
        assert [cli(command, "--", f"{name}@1").returncode for command in ("show", "lineage", "check")] != [0, 0, 0]
    if name[:1] == "-":
        assert cli("register", name, "first").stdout == (cli("register", "--help").stdout if name == "--help" else "")
    with pytest.raises(InvalidName) as caught:
        mlcli.register_model(f"runs:/{VICTIM}/notes.txt", name)
    assert caught.value.message == message
    with pytest.raises(MlcliError):
        mlcli.load_model(f"models:/{name}/1")
    assert state(project.parent) == before


@row("M04")
def test_the_longest_name_is_kept(project: Path, cli, row: str) -> None:
    name = "m" * 128
    assert cli("register", name, "first").returncode == 0
    assert cli("promote", f"{name}@1", "production").returncode == 0
    assert cli("show", f"{name}@production").returncode == 0
    assert (name in cli("models").stdout, cli("doctor").returncode) == (True, 0)


@pytest.mark.parametrize("row", ["M11"])
def test_an_alias_that_means_something_else_is_refused(row: str) -> None:
    for alias in ("latest", "1", "v1", "Production", "staging", "NONE", "LATEST", "V12"):
        with pytest.raises(InvalidName, match="it is reserved"):
            check_alias(alias)
    assert check_alias("champion") == "champion"


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        pytest.param("failed", 1, "run {id} failed: its model is not registered", id="M12-failed"),
        pytest.param("killed", 1, "run {id} was killed: its model is not registered", id="M12-killed"),
        pytest.param("removed", 3, "no run matches '{id}'", id="M12-removed"),
        pytest.param("missing", 3, "no run matches '{id}'", id="M12-missing"),
        pytest.param("damaged", 3, ".mlruns/runs/{shard}/{whole}.json is empty", id="M12-damaged"),
    ],
)
def test_a_run_that_did_not_end_well_is_not_registered(
    repo: Path, record, cli, status: str, code: int, told: str
) -> None:
    import mlcli

    run = record(model="content", name="made", status=status if status in {"failed", "killed"} else "finished")
    if status == "removed":
        assert cli("rm", run.id).returncode == 0
    whole = "0123456789abcdef" * 2 if status == "missing" else run.id
    if status == "damaged":
        (repo / ".mlruns" / "runs" / whole[:2] / f"{whole}.json").write_bytes(b"")
    before = state(repo / ".mlruns")

    done = cli("register", "new", whole[:8])

    told = told.format(id=whole[:8], shard=whole[:2], whole=whole)
    assert (done.returncode, done.stdout, done.stderr.splitlines()[0]) == (code, "", f"mlcli: error: {told}")
    assert len(done.stderr.splitlines()) == 2
    with pytest.raises(MlcliError):
        mlcli.register_model(f"runs:/{whole}/model", "new")
    assert state(repo / ".mlruns") == before


# Every script


def scripts() -> dict[str, str]:
    """A few letters of each script that Unicode's names tell apart."""
    found: dict[str, list[str]] = {}
    for code in range(0xA0, 0x32000):
        char = chr(code)
        if unicodedata.category(char)[0] != "L" or unicodedata.normalize("NFC", char) != char:
            continue
        name = unicodedata.name(char, "")
        for word in (" LETTER", " SYLLABLE", " SIGN", " CHARACTER", " HIEROGLYPH", " IDEOGRAPH", "-"):
            name = name.partition(word)[0]
        if not name:
            continue
        script = name.removesuffix(" CAPITAL").removesuffix(" SMALL")
        if len(found.setdefault(script, [])) < 3:
            found[script].append(char)
    return {script: "".join(chars) for script, chars in found.items()}


SCRIPTS = scripts()
ODD = {
    "combining": "Z\u0351\u036b\u0343a\u0300\u0316l\u0334g\u0321o", "decomposed": "e\u0301a\u0308", "rtl": "שלום-مرحبا-abc",
    "zwj": "👩‍💻👨‍👩‍👧‍👦", "skin": "👋🏽", "flag": "🇺🇳", "keycap": "1️⃣", "variation": "❤️", "astral": "𝔐𝕃-𐍈", "private": "\ue000", "nonchar": "\ufdd0",
    "width": "ｆｕｌｌ", "ligature": "ﬁ", "long-s": "ſ", "dotless": "ıİ", "sharp-s": "ßẞ", "nbsp": "a\u00a0b", "ideographic": "a\u3000b", "bom": "\ufeffx", "tag": "x\U000e0041", "soft": "a\u00adb",
}  # fmt: skip


def nameable(text: str) -> bool:
    """Whether a param may be named so: nothing in it is told by an escape."""
    return all(char.isprintable() or unicodedata.category(char) in {"Zs", "Cn"} for char in text)


@row("scripts")
def test_every_script_there_is_can_be_written_and_read_back(project: Path, cli, machine, row: str) -> None:
    assert len(SCRIPTS) > 120
    texts = list({text.lower(): text for text in [*SCRIPTS.values(), *ODD.values()]}.values())
    keys = [text for text in texts if nameable(text)]
    assert {name for name in ODD if not nameable(ODD[name])} == {"zwj", "private", "bom", "tag", "soft"}
    files = machine / "files"
    files.mkdir()
    for text in texts:
        (files / text).write_text(text)
    program = """
import json, sys
import mlcli
texts, keys = json.load(sys.stdin)
with mlcli.start_run(run_name="".join(texts)[:250], description="".join(texts)) as run:
    mlcli.log_params({key: [key] for key in keys})
    mlcli.set_tags({key: key for key in keys})
    mlcli.log_metrics({key: 1.0 for key in keys})
    mlcli.log_artifacts(sys.argv[1])
    for key in set(texts) - set(keys):
        for log in (lambda: mlcli.log_param(key, 1), lambda: mlcli.set_tag(key, 1), lambda: mlcli.log_metric(key, 1)):
            try:
                log()
            except mlcli.MlcliError as error:
                assert error.code == "invalid-name", error
            else:
                raise AssertionError(key)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(files)],
        input=json.dumps([texts, keys]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    run = json.loads(cli("show", "@", "--json").stdout)["run"]
    assert (run["name"], run["note"]) == ("".join(texts)[:250], "".join(texts))
    assert {key: param["value"] for key, param in run["params"].items()} == {key: [key] for key in keys}
    assert (run["tags"], set(run["metrics"])) == ({key: key for key in keys}, set(keys))
    assert {artifact["path"] for artifact in run["artifacts"]} == set(texts)
    shown = cli("show", "@").stdout
    assert [key for key in keys if key not in shown] == []
    for arguments in (
        ["ls"],
        ["ls", "--format", "table"],
        ["lineage", "@"],
        ["compare", "@", "first"],
        ["show", "@", "--json"],
    ):
        done = cli(*arguments)
        assert (done.returncode, done.stderr, controls(done.stdout)) == (0, "", [])
    assert cli("doctor").returncode == 0


@row("scripts-models")
def test_a_model_may_be_named_in_any_script(project: Path, cli, row: str) -> None:
    workspace = Workspace(str(project))
    chosen = [text for at, text in enumerate(SCRIPTS.values()) if at % 12 == 0]
    for text in chosen:
        registry.register(workspace, text, VICTIM, artifact="notes.txt")
    assert set(cli("models", "-q").stdout.splitlines()) == {*chosen, "iris", "wine"}
    assert cli("promote", f"{chosen[-1]}@1", "production").returncode == 0
    assert cli("lineage", f"models:/{chosen[-1]}/Production").returncode == 0
    assert cli("doctor").returncode == 0


@row("scripts-runs")
def test_a_run_may_be_named_in_any_script_and_found_by_it(repo: Path, record, cli, row: str) -> None:
    chosen = [text for at, text in enumerate({**SCRIPTS, **ODD}.values()) if at % 8 == 0] + [
        ODD["zwj"],
        ODD["rtl"],
        ODD["bom"],
    ]
    runs = {text: record(name=text).id for text in dict.fromkeys(chosen)}
    listed = {run["name"]: run["id"] for run in json.loads(cli("ls", "--json").stdout)["runs"]}
    assert {name: listed[name] for name in runs} == runs
    for text in (chosen[0], ODD["zwj"], ODD["rtl"], ODD["bom"]):
        assert json.loads(cli("show", text, "--json").stdout)["run"]["id"] == runs[text]
        assert cli("ls", "-q", f"name = '{text}'").stdout.strip() == runs[text]


# Two that differ in case only


@row("case")
def test_two_that_differ_in_case_only_are_two_but_where_they_would_be_one_file(project: Path, cli, row: str) -> None:
    before = state(project / ".mlruns")
    differ = "differ in case or spelling only, which not every system can keep"
    refused(cli("register", "IRIS", "second"), 2, f"'IRIS' and the model 'iris' {differ}", "mlcli register iris …")
    assert state(project / ".mlruns") == before
    for name in ("Vision", "vision"):
        done = cli("run", "--name", name, "-e", name, "-p", f"{name}=1", "--tag", f"{name}=1", "--", "true")
        assert done.returncode == 0
    runs = json.loads(cli("ls", "--json", "-n", "2").stdout)["runs"]
    assert [(run["name"], run["experiment"], list(run["params"]), list(run["tags"])) for run in runs] == [
        ("vision", "vision", ["vision"], ["vision"]), ("Vision", "Vision", ["Vision"], ["Vision"]),
    ]  # fmt: skip
    assert json.loads(cli("show", "Vision", "--json").stdout)["run"]["id"] == runs[1]["id"]
    assert tracking.find_runs(Workspace(str(project)), "experiment = 'vision'").runs[0].id == runs[0]["id"]
