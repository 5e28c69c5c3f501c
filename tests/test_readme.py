"""The README is true: its session is read from it and run, its scripts work, its reference is the app's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from terminal import in_terminal

CHECKOUT = Path(__file__).resolve().parent.parent
README = CHECKOUT / "README.md"
SCREEN = {"NO_COLOR": "1", "TERM": "xterm-256color"}
_VARIES = [
    (r"sha256:[0-9a-f]+", "DIGEST"),
    (r"\b[0-9a-f]{7,64}\b", "ID"),
    (r"\b[a-z]{3,8}-[a-z]{3,8}\b", "NAME"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME"),
    (r"\b(\d+(\.\d)? s|\d+m \d\ds)\b", "DURATION"),
    (r"(?<= )(\d+[smhd]|\d{4}-\d\d-\d\d)(?= |$)", "AGE"),
    (r"\b\d+(\.\d)? (B|kB|MB)\b", "SIZE"),
    (r"python \d+\.\d+\.\d+\S*?(?=[ ,])", "PYTHON"),
    (r"\d+ packages", "PACKAGES"),
    (r"\w+ (x86_64|aarch64|arm64|amd64)", "PLATFORM"),
    (r"\d+ cpu", "CPUS"),
    (r"\(\d+ more", "(SOME more"),
]  # fmt: skip


class Step(NamedTuple):
    """A command of a session and the lines that it is shown to write."""

    command: str
    lines: list[str]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.M | re.S)


def session(block: str) -> list[Step]:
    steps: list[Step] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            steps.append(Step(line[2:], []))
        else:
            steps[-1].lines.append(line)
    return steps


def scripts() -> dict[str, str]:
    """The Python blocks that begin with their file's name."""
    return {match[1]: block for block in blocks("python") if (match := re.match(r"# (\w+\.py)\n", block))}


def normal(line: str) -> str:
    for pattern, word in _VARIES:
        line = re.sub(pattern, word, line)
    return " ".join(line.split())


def fits(shown: list[str], written: list[str]) -> bool:
    """Whether what was written is what is shown; a line '…' stands for any lines, '…' in a line for any text."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else re.escape(normal(line)).replace("…", ".*") + "\n" for line in shown
    )
    return re.fullmatch(pattern, "".join(normal(line) + "\n" for line in written)) is not None


@pytest.fixture
def project(machine, git, monkeypatch) -> Path:
    """A repository with the README's scripts committed."""
    path = machine / "work" / "iris"
    path.mkdir()
    monkeypatch.chdir(path)
    git("init", "-q")
    for name, text in scripts().items():
        (path / name).write_text(text)
    (path / ".gitignore").write_text("*.joblib\n")
    git("add", "-A")
    git("commit", "-qm", "Train a forest")
    return path


@pytest.mark.slow
@pytest.mark.terminal
def test_the_readme_session_does_what_it_shows(project: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    for block in blocks("console"):
        at = str(CHECKOUT if "--store .mlruns-example" in block else project)
        for step in session(block):
            run = f'{step.command}\ncode=$?; pwd > "{there}"; exit $code'
            seen = in_terminal(run, cwd=at, env=SCREEN)
            written = [line for line in seen.text.splitlines() if line.strip()]
            assert fits(step.lines, written), f"$ {step.command}\n{seen.text}"
            at = there.read_text().strip()


@pytest.mark.slow
def test_the_readme_python_scripts_work_as_they_stand(project: Path, mlcli) -> None:
    made = subprocess.run([sys.executable, "iris.py"], capture_output=True, text=True, check=True)
    assert re.fullmatch(rf"file://{re.escape(str(project))}/\.mlruns/runs/../\w{{32}}/artifacts\n", made.stdout)
    assert mlcli("run", "--", sys.executable, "train.py", "--max-depth", "2").returncode == 0
    mlcli("register", "iris")
    mlcli("promote", "iris@1", "production")

    asked = subprocess.run([sys.executable, "predict.py"], capture_output=True, text=True, check=True)

    assert asked.stdout == "0\n2 runs above 0.9\n"


def test_the_readme_names_only_commands_that_there_are() -> None:
    from mlcli.cli.app import COMMANDS

    text = README.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^\$ |&& |entry: |\(MLCLI\) )mlcli (?:--store \S+ )?([a-z]+)\b", text, re.M))
    assert {"run", "ls", "check"} <= named
    assert named <= set(COMMANDS)


def test_the_readme_command_reference_is_the_apps() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "docs.generate", "--check"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_command_reference_is_told(tmp_path: Path) -> None:
    stale = README.read_text(encoding="utf-8").replace("Run a command and record it", "Run it")
    (tmp_path / "README.md").write_text(stale, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", f"""
import sys; sys.path.insert(0, {str(CHECKOUT)!r})
from pathlib import Path
from docs import generate
generate.README = Path({str(tmp_path / 'README.md')!r})
sys.exit(generate.main(["--check"]))"""],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "README.md: not as the code is now; make docs")


@pytest.mark.parametrize("language", ["make", "yaml"])
def test_the_readme_has_one_recipe_to_copy(language: str) -> None:
    assert len(blocks(language)) == 1


def test_every_page_that_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8"))
    assert [link for link in links if not (CHECKOUT / link).exists()] == []


def test_the_readme_sets_up_by_two_commands_of_the_makefile() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    assert [name for name in ("demo", "test", "lint") if not re.search(rf"^{name}:", makefile, re.M)] == []
