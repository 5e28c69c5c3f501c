"""mlcli lineage as it is typed and read: trees both ways, formats, files, and what cannot be found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlcli import export
from mlcli.cli.lineage import _FILES, Form
from tests.terminal import in_terminal, screen

PREPARE = "open('clean.csv', 'w').write(open('raw.csv').read().upper())"
TRAIN = "open('model.bin', 'w').write(open('clean.csv').read() * 2)"
EVALUATE = "print(len(open('model.bin').read()) / len(open('clean.csv').read()))"


@pytest.fixture
def pipeline(repo: Path, mlcli) -> Path:
    """prepare -> train -> evaluate, each a command that was watched; toy@1 is in production."""
    (repo / "raw.csv").write_text("a,b\n")
    for name, code in (("prepare", PREPARE), ("train", TRAIN), ("evaluate", EVALUATE)):
        (repo / f"{name}.py").write_text(code)
        done = mlcli("run", "--name", name, "--", "python", f"{name}.py")
        assert done.returncode == 0, done.stderr
    assert mlcli("log", "artifact", "model.bin", "--run", "train").returncode == 0
    assert mlcli("register", "toy", "train:model.bin").returncode == 0
    assert mlcli("promote", "toy@1", "production").returncode == 0
    return repo


def drawn(mlcli, *arguments: str) -> list[str]:
    """The lines of a lineage, the ids of runs left out."""
    done = mlcli("lineage", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    ids = {each["id"][:8]: "ID" for each in json.loads(mlcli("ls", "--json").stdout)["runs"]}
    text = done.stdout
    for run_id, word in ids.items():
        text = text.replace(run_id, word)
    return text.splitlines()


# The tree


def test_a_file_leads_up_and_down_whatever_it_is_called(pipeline, mlcli, tmp_path: Path):
    (tmp_path / "copy.txt").write_text("a,b\n")
    lines = drawn(mlcli, str(tmp_path / "copy.txt"))
    assert lines[0].startswith("sha256:")
    assert lines[0].endswith("  as raw.csv")
    assert lines[1:] == [
        "├─ made by",
        "│  └─ no run that is known here",
        "└─ led to",
        "   └─ run ID prepare  python prepare.py  read raw.csv",
        "      ├─ run ID train  python train.py  read clean.csv",
        "      │  ├─ toy@1  Production",
        "      │  └─ run ID evaluate  python evaluate.py  read model.bin",
        "      └─ run ID evaluate  python evaluate.py  read clean.csv  (above)",
    ]


def test_a_version_leads_up_and_then_down(pipeline, mlcli):
    lines = drawn(mlcli, "toy@production")
    assert lines[0].startswith("toy@1  Production  sha256:")
    assert lines[1].startswith("├─ run ID train  finished")
    assert "│  │  └─ ID prepare  python prepare.py  → clean.csv" in lines
    assert lines[-2:] == ["└─ led to", "   └─ run ID evaluate  python evaluate.py  read model.bin"]


def test_up_and_down_are_asked_for_alone(pipeline, mlcli):
    up, down = drawn(mlcli, "train", "--up"), drawn(mlcli, "train", "--down")
    assert ("└─ led to" in up, any("made by" in line for line in up)) == (False, True)
    assert down[1:] == ["└─ led to", "   └─ run ID evaluate  python evaluate.py  read model.bin"]
    assert drawn(mlcli, "evaluate", "--down")[1:] == ["└─ led to", "   └─ nothing that is known here"]
    assert drawn(mlcli, "train", "--up", "--down") == drawn(mlcli, "train")


def test_a_commit_leads_to_all_that_was_made_from_it(pipeline, mlcli, git):
    lines = drawn(mlcli, "main")
    assert lines[0] == f"commit {git('rev-parse', 'HEAD')}  Start"
    assert [line[3:].split("  ")[0] for line in lines if line.startswith(("├─ ", "└─ "))] == [
        "toy@1",
        "run ID evaluate",
        "run ID prepare",
    ]


def test_an_empty_file_is_said_to_be_one_of_many(repo, mlcli):
    (repo / "empty").touch()
    for name in ("one", "two"):
        mlcli("run", "--name", name, "--input", "empty", "--", "true")
    (repo / "hollow").touch()
    lines = drawn(mlcli, "hollow")
    assert lines[0].endswith("  as empty  an empty file, as others are")
    assert [line.split()[3] for line in lines if "read empty" in line] == ["one", "two"]


def test_a_long_list_is_cut_with_a_count_and_whole_in_json(repo, mlcli):
    (repo / "data").mkdir()
    for number in range(57):
        (repo / "data" / f"{number:02}.csv").write_text(str(number))
    mlcli("run", "--name", "many", "--input", "data", "--", "true")
    assert drawn(mlcli, "many")[-2:] == [*drawn(mlcli, "many")[-2:-1], "   └─ … and 37 more"]
    answer = json.loads(mlcli("lineage", "many", "--json").stdout)
    assert len([edge for edge in answer["graph"]["edges"] if edge["kind"] == "read"]) == 57


def test_a_clone_without_runs_says_what_is_not_there(pipeline, mlcli, git, tmp_path: Path):
    git("add", "-A")
    git("commit", "-qm", "Register")
    git("clone", "-q", str(pipeline), str(tmp_path / "clone"))
    lines = mlcli("lineage", "toy", at=tmp_path / "clone").stdout.splitlines()
    assert lines[1].endswith("not in this clone")
    assert lines[-1].endswith("not in this clone")


@pytest.mark.parametrize("columns", [80, 100])
def test_a_tree_fits_the_terminal(pipeline, columns: int):
    seen = in_terminal("mlcli --color never lineage toy", columns=columns)
    assert seen.exit_code == 0
    lines = seen.text.splitlines()
    assert max(map(len, lines)) <= columns
    assert screen(seen.text, columns=columns) == [line.rstrip() for line in lines if line.strip()]


def test_a_line_that_is_too_long_goes_on_below_itself(repo, mlcli):
    mlcli("run", "--name", "long", "--", "echo", *(f"--option-{number}=value" for number in range(9)))
    lines = in_terminal("mlcli --color never lineage long", columns=80).text.splitlines()
    assert lines[1:4] == [
        "├─ command echo --option-0=value --option-1=value --option-2=value",
        "│     --option-3=value --option-4=value --option-5=value --option-6=value",
        "│     --option-7=value --option-8=value",
    ]


def test_production_is_green_and_what_is_missing_yellow(pipeline, mlcli, tmp_path: Path, git):
    assert "\x1b[32mProduction\x1b[0m" in mlcli("--color", "always", "lineage", "raw.csv").stdout
    git("add", "-A")
    git("commit", "-qm", "Register")
    git("clone", "-q", str(pipeline), str(tmp_path / "clone"))
    clone = mlcli("--color", "always", "lineage", "toy", at=tmp_path / "clone").stdout
    assert "\x1b[33mnot in this clone\x1b[0m" in clone


# Formats and files


def test_every_format_of_export_can_be_asked_for():
    assert {form.value for form in Form} == {"tree", "json", *export.NAMES}
    assert set(_FILES) == set(Form)


@pytest.mark.parametrize("form", list(Form))
def test_a_format_is_written_to_a_file_as_it_is_printed(pipeline, mlcli, tmp_path: Path, form: Form):
    (tmp_path / "a").mkdir()
    printed = mlcli("lineage", "toy", "--format", form.value)
    told = mlcli("lineage", "toy", "--format", form.value, "-o", str(tmp_path / "a" / "file"))
    assert (printed.returncode, printed.stderr, told.returncode, told.stderr) == (0, "", 0, "")
    assert told.stdout == f"toy -> {tmp_path}/a/file\n"
    assert (tmp_path / "a" / "file").read_text() == printed.stdout


@pytest.mark.parametrize("form", [form for form in Form if form is not Form.rocrate])
def test_in_a_directory_a_format_has_the_name_that_its_readers_expect(pipeline, mlcli, tmp_path: Path, form: Form):
    done = mlcli("lineage", "toy", "--format", form.value, "-o", f"{tmp_path}/made/here/")
    assert (done.returncode, done.stdout) == (0, f"toy -> {tmp_path}/made/here/{_FILES[form]}\n")
    again = mlcli("lineage", "toy", "--format", form.value, "-o", str(tmp_path / "made" / "here"))
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_json_has_the_graph_and_what_came_of_it(pipeline, mlcli):
    answer = json.loads(mlcli("lineage", "raw.csv", "--json").stdout)
    assert answer == json.loads(mlcli("lineage", "raw.csv", "--format", "json").stdout)
    names = {each["run"]: each["name"] for each in answer["downstream"]}
    assert [
        (each["name"], [(names.get(of["run"], ""), of["kind"], of["paths"]) for of in each["of"]], each["versions"])
        for each in answer["downstream"]
    ] == [
        ("prepare", [("", "read", ["raw.csv"])], []),
        ("train", [("prepare", "read", ["clean.csv"])], [{"version": "toy@1", "stage": "production"}]),
        ("evaluate", [("prepare", "read", ["clean.csv"]), ("train", "read", ["model.bin"])], []),
    ]
    assert {node["label"] for node in answer["graph"]["nodes"]} >= {"raw.csv", "prepare", "toy@1", "evaluate"}


# What cannot be told


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (
            ["nobodys.csv"],
            3,
            "no run or version made or read 'nobodys.csv'",
            "mlcli run -- COMMAND notes what it makes",
        ),
        (["hollow"], 3, "'hollow' holds no file that can be read", "name a file, or a directory with files in it"),
        (["nowhere.csv"], 3, "no run matches 'nowhere.csv'", "mlcli ls"),
        (["sha256:fffffff"], 3, "no run or version holds content with the digest sha256:fffffff", "mlcli ls"),
        (["toy", "-o", "train.py/x"], 3, "cannot write train.py/x: Not a directory", None),
        (["runs:/train/no.bin"], 3, None, None),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_cannot_be_told_is_said_in_a_line(pipeline, mlcli, arguments, code, message, hint):
    (pipeline / "nobodys.csv").write_text("of nobody")
    (pipeline / "hollow").mkdir()
    done = mlcli("lineage", *arguments)
    first = done.stderr.splitlines()[0].removeprefix("mlcli: error: ")
    assert (done.returncode, done.stdout, message or first) == (code, "", first)
    assert f"hint: {hint}" in done.stderr or hint is None


def test_an_ambiguous_digest_lists_what_may_be_meant(story, mlcli):
    digests = sorted(run.artifacts[0].digest for run in story.values() if run.artifacts)
    assert len({digest[:14] for digest in digests}) == len(digests)
    assert mlcli("lineage", digests[0][:14]).returncode == 0


def test_links_that_lead_nowhere_are_told_in_a_line(repo, mlcli):
    mlcli("run", "--", "true")
    (repo / "loop").symlink_to("loop")
    done = mlcli("lineage", "loop")
    assert (done.returncode, done.stderr) == (2, "mlcli: error: cannot read 'loop': it is a symbolic link\n")


@pytest.mark.parametrize("form", [form for form in Form if form is not Form.slsa])  # which wants what a run made
def test_odd_names_are_asked_for_and_told_in_every_format(repo, mlcli, form: Form):
    odd = repo / b"od\xff\x1b[31m.csv".decode("utf-8", "surrogateescape")
    odd.write_text("odd")
    (repo / "a\x1b[31m\n.csv").write_text("odd")
    assert mlcli("run", "--name", "odd", "--input", "a\x1b[31m\n.csv", "--", "true").returncode == 0
    done = mlcli("lineage", str(odd), "--format", form.value)
    assert (done.returncode, "\x1b" in done.stdout, done.stderr) == (0, False, "")
    assert "31m" in done.stdout
