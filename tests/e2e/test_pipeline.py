"""The pipeline of docs/pipelines.md, by make itself: only what lies downstream of a change runs again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pydot
import pytest

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "pipelines.md"
ALL = ["prepared", "trained", "evaluated"]


def make(*arguments: str) -> list[str]:
    """What the stages that ran said, in order."""
    done = subprocess.run(["make", "--silent", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


@pytest.fixture
def project(repo: Path, git, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scripts and the Makefile of the page, committed, after they were run once."""
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"):
        monkeypatch.delenv(name, raising=False)  # of the make that runs the tests
    text = PAGE.read_text()
    for name, content in re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", text, re.M | re.S):
        (repo / name).write_text(content)
    (makefile,) = re.findall(r"^```make\n(.*?)^```$", text, re.M | re.S)
    (repo / "Makefile").write_text(makefile)
    (repo / "raw.csv").write_text("1,2\n\n2,4\n")
    (repo / ".gitignore").write_text("clean.csv\nmodel.json\nmetrics.json\n__pycache__/\n")
    git("add", "-A")
    git("commit", "-qm", "A pipeline")
    assert make() == ALL
    return repo


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def recorded(mlcli) -> list[str]:
    return mlcli("ls", "-q").stdout.split()


@pytest.mark.slow
def test_only_what_lies_downstream_of_a_change_runs_again(project, git, mlcli) -> None:
    first = {name: (project / name).read_bytes() for name in ("clean.csv", "model.json", "metrics.json")}
    assert make() == []
    (project / "raw.csv").touch()
    (project / "notes.md").write_text("unrelated\n")
    git("add", "-A")
    git("commit", "-qm", "Notes")
    assert make() == []

    edit(project / "raw.csv", "2,4", "2,5")
    assert make() == ALL
    edit(project / "raw.csv", "\n\n", "\n\n\n\n")
    assert make() == ["prepared"], "what it prepared is the same"
    edit(project / "train.py", "import json", "import json  # a comment")
    assert make() == ["trained"], "its model is the same"
    edit(project / "train.py", "round(slope, 6)", "round(slope, 6) + 1")
    assert make() == ["trained", "evaluated"]
    edit(project / "evaluate.py", "abs(slope * x - y)", "(slope * x - y) ** 2")
    assert make() == ["evaluated"]
    edit(project / "Makefile", "--rate 0.1", "--rate 0.2")
    assert make() == ["trained"]

    (project / "model.json").unlink()
    (project / "clean.csv").write_text("0,0\n")
    assert make() == [], "both are put back"
    count = len(recorded(mlcli))
    git("checkout", "-q", ".")
    assert make() == []
    assert len(recorded(mlcli)) == count
    assert {name: (project / name).read_bytes() for name in first} == first


@pytest.mark.slow
def test_the_runs_of_a_pipeline_are_one_lineage_also_after_some_were_not_made(project, git, mlcli) -> None:
    def upstream(ref: str) -> list[list[str]]:
        """The commands that made what it read, each with those before it."""
        (link,) = json.loads(mlcli("lineage", ref, "--json").stdout)["links"]
        levels, level = [], link["upstream"]
        while level:
            levels.append(sorted(each["command"]["argv"][1] for each in level))
            level = [below for each in level for below in each["upstream"]]
        return levels

    assert upstream("@") == [["prepare.py", "train.py"], ["prepare.py"]]
    edit(project / "train.py", "round(slope, 6)", "round(slope, 6) + 1")
    edit(project / "raw.csv", "2,4", "2,5")
    make()
    git("checkout", "-q", ".")
    edit(project / "evaluate.py", "abs(slope * x - y)", "(slope * x - y) ** 2")
    assert make() == ["evaluated"]
    assert upstream("@") == [["prepare.py", "train.py"], ["prepare.py"]]
    (link,) = json.loads(mlcli("lineage", "@", "--json").stdout)["links"]
    assert {each["run"] for each in link["upstream"]} <= set(recorded(mlcli)[-3:]), "of the first three runs"


@pytest.mark.slow
def test_a_pipeline_that_was_killed_goes_on_where_it_was(project, mlcli) -> None:
    edit(project / "raw.csv", "2,4", "2,5")
    edit(project / "train.py", "import json\n", "import json\nimport os\nimport time\n")
    edit(
        project / "train.py",
        "slope = 0.0",
        "open('began', 'w').close()\nwhile os.path.exists('wait'):\n    time.sleep(0.01)\nslope = 0.0",
    )
    (project / "wait").touch()
    running = subprocess.Popen(["make", "--silent"], start_new_session=True, stdout=subprocess.PIPE, text=True)
    while not (project / "began").exists():
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    (project / "wait").unlink()
    assert make() == ["trained", "evaluated"], "it was prepared already"
    assert make() == []


@pytest.mark.slow
def test_stages_that_do_not_need_each_other_go_on_at_once(project, mlcli) -> None:
    (project / "count.py").write_text("open('count.txt', 'w').write(open('clean.csv').read())\nprint('counted')\n")
    with (project / "Makefile").open("a") as makefile:
        makefile.write("\ncount: prepare\n\t$(STAGE) python count.py\n")
    assert make("-j2", "train", "count") == ["counted"]
    files = ("clean.csv", "model.json", "count.txt")
    made = [(project / name).read_bytes() for name in files]
    for _ in range(3):
        for name in files:
            (project / name).unlink()
        assert make("-j2", "train", "count") == []
        assert [(project / name).read_bytes() for name in files] == made
    edit(project / "raw.csv", "2,4", "2,5")
    assert sorted(make("-j2", "train", "count")) == ["counted", "prepared", "trained"]
    assert mlcli("doctor").returncode == 0


STEPS = {
    ("raw.csv", "prepare.py"), ("prepare.py", "clean.csv"), ("clean.csv", "train.py"), ("train.py", "model.json"),
    ("model.json", "evaluate.py"), ("clean.csv", "evaluate.py"),
}  # fmt: skip


def lineage(mlcli, *arguments: str) -> str:
    done = mlcli("lineage", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def edges(mlcli, ref: str) -> set[tuple[str, str]]:
    """Which file led to which script, and which script to which file."""
    graph = json.loads(lineage(mlcli, ref, "--json"))["graph"]
    runs = json.loads(mlcli("ls", "--json").stdout)["runs"]
    scripts = {f"run:{run['id']}": run["command"]["argv"][1] for run in runs}
    label = {node["id"]: scripts.get(node["id"], node["label"]) for node in graph["nodes"]}
    return {(label[e["source"]], label[e["target"]]) for e in graph["edges"] if e["kind"] in {"read", "made"}}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:'\\w+' deprecated")
def test_three_commands_are_one_graph_in_each_format(project, mlcli) -> None:
    assert edges(mlcli, "@") >= STEPS
    assert edges(mlcli, "raw.csv") >= STEPS
    (graph,) = pydot.graph_from_dot_data(lineage(mlcli, "raw.csv", "--format", "dot"))
    assert len(graph.get_edges()) >= len(STEPS)
    chart = lineage(mlcli, "raw.csv", "--format", "mermaid")
    assert (chart.startswith("flowchart LR\n"), chart.count(" --> ")) == (True, len(graph.get_edges()))
    tree = lineage(mlcli, "raw.csv").splitlines()
    assert [line.index("run") for line in tree if "prepare.py" in line or "train.py" in line] == [6, 9]
