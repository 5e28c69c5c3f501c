"""Colour is decided for each stream: --color > NO_COLOR > CLICOLOR_FORCE, FORCE_COLOR > CLICOLOR=0, TERM=dumb > a terminal."""

from __future__ import annotations

import re

import pytest
from terminal import in_terminal

ON_A_PIPE = [
    ([], {}, False),
    (["--color", "always"], {}, True),
    (["--color", "always"], {"NO_COLOR": "1"}, True),
    (["--color", "never"], {"FORCE_COLOR": "1"}, False),
    ([], {"CLICOLOR_FORCE": "1"}, True),
    ([], {"FORCE_COLOR": "1"}, True),
    ([], {"FORCE_COLOR": "3"}, True),
    ([], {"FORCE_COLOR": "0"}, False),
    ([], {"CLICOLOR_FORCE": "0"}, False),
    ([], {"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False),
    ([], {"CLICOLOR_FORCE": "1", "NO_COLOR": ""}, True),
    ([], {"CLICOLOR_FORCE": "1", "TERM": "dumb"}, True),
]
ON_A_TERMINAL = [
    ("", {}, True),
    ("", {"NO_COLOR": "1"}, False),
    ("", {"NO_COLOR": ""}, True),
    ("", {"CLICOLOR": "0"}, False),
    ("", {"TERM": "dumb"}, False),
    ("", {"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ("--color never", {}, False),
    ("--color auto", {"NO_COLOR": "1"}, False),
    ("--color always", {"NO_COLOR": "1", "TERM": "dumb"}, True),
]


@pytest.mark.parametrize(("option", "env", "colored"), ON_A_PIPE)
def test_on_a_pipe_both_streams_are_plain_unless_colour_is_asked_for(story, mlcli, option, env, colored: bool) -> None:
    answer, fault = mlcli(*option, "show", "first", env=env), mlcli(*option, "show", "zz", env=env)
    assert ("\x1b[" in answer.stdout, "\x1b[" in fault.stderr) == (colored, colored)


@pytest.mark.terminal
@pytest.mark.parametrize(("option", "env", "colored"), ON_A_TERMINAL)
@pytest.mark.parametrize("command", ["ls", "show first", "show zz"])
def test_on_a_terminal_colour_is_there_unless_it_is_refused(
    story, command: str, option: str, env, colored: bool
) -> None:
    assert ("\x1b[" in in_terminal(f"mlcli {option} {command}", env=env).text) is colored


@pytest.mark.terminal
def test_a_stream_that_is_no_terminal_stays_plain_beside_one_that_is(story, machine) -> None:
    answer, fault = machine / "answer", machine / "fault"

    in_terminal(f'mlcli show first > "{answer}"; mlcli show zz 2> "{fault}"')
    colored_fault = in_terminal(f'mlcli show zz > "{answer}.2"').text

    assert ("\x1b[" in answer.read_text(), "\x1b[" in fault.read_text(), "\x1b[" in colored_fault) == (
        False,
        False,
        True,
    )


@pytest.mark.parametrize(
    "arguments", [["ls", "--json"], ["ls", "--format", "csv"], ["ls", "-q"], ["ls", "--format", "jsonl"]]
)
def test_what_a_script_reads_has_no_colour_even_where_it_is_forced(story, mlcli, arguments: list[str]) -> None:
    assert "\x1b" not in mlcli("--color", "always", *arguments).stdout


def test_the_best_of_a_metric_is_green_in_the_table(story, mlcli) -> None:
    table = mlcli("--color", "always", "ls", "--format", "table").stdout
    green = re.findall(r"\x1b\[32m *([^\x1b]+?) *\x1b", table)
    assert (green.count("0.99"), green.count("0.97")) == (1, 0)
