"""The shortcut of `mlcli run` knows what Typer knows, and takes what it is given in the same way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from msgspec.structs import asdict

from mlcli.cli import run, shortcut


def typers_command():
    app = typer.Typer(add_completion=False)
    app.command("run", context_settings=run.CONTEXT)(run.command)
    return typer.main.get_command(app)


def test_its_tables_are_those_of_typer():
    texts, lists, flags = {}, {}, {}
    for param in typers_command().params:
        if param.name == "help" or param.param_type_name == "argument":
            continue
        table = flags if param.is_flag else lists if param.multiple else texts
        table.update(dict.fromkeys([*param.opts, *param.secondary_opts], param.name))
    assert (texts, lists, flags) == (shortcut.TEXTS, shortcut.LISTS, shortcut.FLAGS)


LINES = [
    "-- python train.py",
    "python train.py --lr 0.1 -- x",
    "-- -odd",
    "--name n -e e -p a=1 --param b=2 --tag t=1 --note=x -- true",
    "--input a --input=b --output c --env HOME --no-capture code --idfile f --cached --keep-inputs -- a b",
    "--require-clean --system --native --why true",
]


@pytest.mark.parametrize("line", LINES)
def test_it_reads_what_typer_reads(line: str):
    words = line.split()
    with typers_command().make_context("run", list(words)) as context:
        said = {name: list(value) if isinstance(value, tuple) else value for name, value in context.params.items()}
    assert asdict(shortcut.read(words)) == {name: value for name, value in said.items() if name != "help"}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--",
        "--help",
        "--bad x",
        "--name",
        "--name --note x",
        "-pa=1 true",
        "-p=1 true",
        "--cached=1 x",
        "--nam x y",
        "-x",
    ],
)
def test_what_is_not_plain_is_left_to_typer(line: str):
    assert shortcut.read(line.split()) is None


def test_a_run_loads_no_typer_and_other_commands_do(workspace):
    def loaded(*words: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "mlcli", *words], capture_output=True, text=True, check=True
        )
        return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}

    assert "typer" not in loaded("run", "--", sys.executable, "-c", "pass")
    assert "typer" in loaded("ls")


def test_a_run_that_ends_badly_ends_as_by_typer(workspace, mlcli, tmp_path: Path):
    for words in (["run", "--", "false"], ["run", "--input", "absent", "--", "true"], ["run", "--", "no-such-command"]):
        plain, full = mlcli(*words), mlcli("--color", "never", *words)
        assert (plain.returncode, plain.stdout, plain.stderr.count("\n")) == (
            full.returncode,
            full.stdout,
            full.stderr.count("\n"),
        )
