"""Every command and every parameter says what it is for; reading commands speak JSON; help needs no store."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from mlcli.cli.app import COMMANDS, app

READING = (
    "ls",
    "show",
    "compare",
    "diff",
    "why",
    "register",
    "promote",
    "models",
    "history",
    "lineage",
    "check",
    "doctor",
)
GROUP: Any = typer.main.get_command(app)


def commands() -> dict[str, Any]:
    """Every command by what is typed for it, those below `log` too."""
    found = {}
    for name in COMMANDS:
        command = GROUP.commands[name]
        found[name] = command
        for inner, below in getattr(command, "commands", {}).items():
            found[f"{name} {inner}"] = below
    return found


PARAMETERS = [
    pytest.param(param, id=f"{path}: {param.name}")
    for path, command in {"mlcli": GROUP, **commands()}.items()
    for param in command.params
    if param.name != "help"
]


@pytest.mark.parametrize(("path", "command"), commands().items(), ids=commands())
def test_every_command_has_a_help_that_is_a_sentence(path: str, command: Any) -> None:
    text = command.help.split("\n\n")[0].strip()
    assert (text[0].isupper(), text[-1] in ".:" or text.rpartition(" ")[2][-1].isalnum(), len(text) > 15) == (
        True,
        True,
        True,
    )


@pytest.mark.parametrize("param", PARAMETERS)
def test_every_parameter_has_help(param: Any) -> None:
    assert param.help


@pytest.mark.parametrize("name", READING)
def test_every_reading_command_speaks_json(name: str) -> None:
    assert "--json" in {option for param in GROUP.commands[name].params for option in param.opts}


@pytest.mark.parametrize("path", ["", *commands()])
def test_help_is_given_without_a_store_on_stdout(mlcli, path: str) -> None:
    done = mlcli(*path.split(), "-h")
    assert (done.returncode, done.stderr, done.stdout.lstrip()[: len(f"Usage: mlcli {path}")]) == (
        0,
        "",
        f"Usage: mlcli {path}",
    )


def test_help_lists_every_command_with_its_line(mlcli) -> None:
    text = " ".join(mlcli("--help").stdout.split())
    assert [name for name, entry in COMMANDS.items() if f" {name} {entry.help}" not in text] == []


def test_the_help_in_the_list_begins_the_help_of_the_command() -> None:
    begins = {name: (entry.help.split()[0], GROUP.commands[name].help.split()[0]) for name, entry in COMMANDS.items()}
    assert {
        name: pair
        for name, pair in begins.items()
        if pair[0] != pair[1] and name not in {"doctor", "lineage", "promote"}
    } == {}


def test_help_names_only_what_works(mlcli) -> None:
    later = (
        "serve",
        "push",
        "pull",
        "ui",
        "sweep",
    )
    assert [word for word in later if f" {word} " in mlcli("--help").stdout] == []


def test_no_command_at_all_shows_the_help_and_exits_2(mlcli) -> None:
    done = mlcli()
    assert (done.returncode, "Usage: mlcli" in done.stdout + done.stderr) == (2, True)


def test_version_is_one_line(mlcli) -> None:
    import mlcli as package

    assert mlcli("--version").stdout == f"mlcli {package.__version__}\n"


def test_python_m_mlcli_is_the_same_command(mlcli, machine) -> None:
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-m", "mlcli", "ls", "--nope"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "mlcli: error: No such option: --nope\nhint: mlcli ls --help\n")


@pytest.mark.parametrize(
    ("shell", "asked", "offered"),
    [
        ("bash", {"COMP_WORDS": "mlcli re", "COMP_CWORD": "1"}, "register"),
        ("bash", {"COMP_WORDS": "mlcli ls --fo", "COMP_CWORD": "2"}, "--format"),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "mlcli re"}, '"register"'),
        ("fish", {"_TYPER_COMPLETE_ARGS": "mlcli re", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}, "register"),
    ],
)
def test_completion_offers_commands_and_options(mlcli, shell: str, asked: dict[str, str], offered: str) -> None:
    done = mlcli(env={"_MLCLI_COMPLETE": f"complete_{shell}", **asked})
    assert (done.stderr, offered in done.stdout) == ("", True)


def test_the_completion_script_of_a_shell_can_be_shown(mlcli) -> None:
    done = mlcli("--show-completion", "bash", env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert (done.returncode, done.stdout.startswith("_mlcli_completion()")) == (0, True)
