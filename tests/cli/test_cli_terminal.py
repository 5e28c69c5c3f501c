"""At a screen: tables fit its width with ids and numbers whole, the next step is told, nothing hostile gets through."""

from __future__ import annotations

import pytest
from terminal import in_terminal, screen

pytestmark = pytest.mark.terminal
PLAIN = {"NO_COLOR": "1"}


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize(
    "command",
    ["ls", "models", "history iris", "compare first second", "ls --columns run,name,commit,command,params,metrics"],
)
def test_a_table_fits_the_screen(story, command: str, columns: int) -> None:
    seen = in_terminal(f"mlcli {command}", columns=columns, env=PLAIN)

    lines = seen.text.splitlines()
    assert (seen.exit_code, [line for line in lines if len(line.rstrip()) > columns]) == (0, [])
    assert screen(seen.text, columns=columns) == [line.rstrip() for line in lines]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_ids_and_metrics_of_ls_are_never_cut(story, columns: int) -> None:
    words = in_terminal("mlcli ls", columns=columns, env=PLAIN).text.split()
    assert {"fcaa7074", "bd7fd457", "7e55383a", "3f2a9c1d", "0.99", "0.97", "0.9"} <= set(words)


@pytest.mark.parametrize(("columns", "shown"), [(60, 2), (80, 5), (120, 6)])
def test_a_table_too_wide_leaves_out_columns_and_cuts_no_number(workspace, record, columns: int, shown: int) -> None:
    for at in range(2):
        record(
            name=f"experiment-number-{at}",
            params={f"parameter_{key}": key + at for key in range(6)},
            metrics={f"metric_{key}": 0.123456 + at * key for key in range(6)},
        )

    text = in_terminal("mlcli ls", columns=columns, env=PLAIN).text

    assert [line for line in text.splitlines() if len(line.rstrip()) > columns] == []
    assert (text.splitlines()[2].split().count("0.1235"), "(no room for " in text) == (shown, True)


def test_ls_shows_what_differs_and_says_what_does_not(workspace, record) -> None:
    record(params={"depth": 1, "seed": 0}, metrics={"accuracy": 0.9}, name="one")
    record(params={"depth": 2, "seed": 0}, metrics={"accuracy": 0.8}, name="two")

    lines = in_terminal("mlcli ls", env=PLAIN).text.splitlines()

    assert (lines[0].split(), [line.split()[1:3] for line in lines[1:3]]) == (
        ["run", "name", "when", "status", "depth", "accuracy"],
        [["7e55383a", "two"], ["3f2a9c1d", "one"]],
    )
    assert lines[3].startswith("2 runs · same in all: seed=0 commit=")


@pytest.mark.parametrize("columns", ["0", "1", "5", "no number"])
def test_ls_works_whatever_columns_says(story, mlcli, columns: str) -> None:
    done = mlcli("ls", "--format", "table", env={"COLUMNS": columns})
    assert (done.returncode, done.stderr) == (0, "")


def test_the_next_step_is_told_to_people_only(story, mlcli) -> None:
    person, script = in_terminal("mlcli register other second", env=PLAIN).text, mlcli("register", "third", "second")
    assert person.splitlines()[-1] == "  next: mlcli promote other@1 staging"
    assert "next:" not in script.stdout + script.stderr


def test_help_at_a_screen_is_drawn_in_its_width(machine) -> None:
    text = in_terminal("mlcli --help", columns=80, env=PLAIN).text
    drawn = screen(text, columns=80, lines=100)
    assert ("Track" in text, len(drawn), drawn[-1].strip()) == (
        True,
        len(text.rstrip().splitlines()),
        "models:/iris/3, a file, a commit.",
    )


def test_an_empty_list_says_how_to_begin(repo, mlcli) -> None:
    mlcli("init")
    assert in_terminal("mlcli ls; mlcli models", env=PLAIN).text.splitlines() == [
        "no runs yet", "  next: mlcli run -- python train.py", "no models yet", "  next: mlcli register NAME",
    ]  # fmt: skip


HOSTILE = {
    "clipboard": "\x1b]52;c;ZXZpbA==\x07x",
    "eight-bit": "\x9b31mred",
    "clear": "\x1b[2J\x1b[H",
    "carriage": "safe\revil",
    "lines": "one\ntwo\tthree",
    "backspace": "abc\b\b\bxyz",
    "nul": "a\u0085b\x7fc",
    "turned": "\u202egnp.exe\u2066x\u200by",
    "markup": "[bold red]x[/]",
    "broken markup": "loss [/foo]",
    "emoji code": ":smile:",
}
FORBIDDEN = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *"\u200b\u202e\u2066"} - {"\n", "\t"}


@pytest.fixture
def hostile(workspace, record) -> list[str]:
    """For each hostile text a run, tag, note and version that carry it; the commands that show them all."""
    from mlcli import registry, tracking

    for number, text in enumerate(HOSTILE.values(), 1):
        run = record(name=text, model=text, params={"p": text}, metrics={"m": [1, number]}, argv=("python", text))
        tracking.set_tags(workspace, run.id, {"t": text})
        tracking.set_note(workspace, run.id, text)
        registry.register(workspace, "iris", run.id, why=text)
        registry.promote(workspace, f"iris@{number}", "production", why=text)
    versions = [f"iris@{number}" for number in range(1, len(HOSTILE) + 1)]
    return [
        "ls", "ls --format plain", "ls --format md", "ls --format csv", "ls --columns name,params,tags,note,command",
        "history iris", "models", "check", "doctor", f"compare {' '.join(versions)}", "tag @ x=1",
        *(f"show {version}" for version in versions), "lineage main",
    ]  # fmt: skip


def test_no_control_character_reaches_a_pipe(hostile: list[str], mlcli) -> None:
    answers = {command: mlcli(*command.split()) for command in hostile}
    written = {command: done.stdout + done.stderr for command, done in answers.items()}
    assert {command: sorted(FORBIDDEN & set(text)) for command, text in written.items() if FORBIDDEN & set(text)} == {}
    assert {command: done.returncode for command, done in answers.items() if done.returncode} == {}


def test_no_control_character_reaches_a_screen(hostile: list[str]) -> None:
    text = in_terminal("; ".join(f"mlcli {command}" for command in hostile), env=PLAIN).text
    assert sorted(FORBIDDEN & set(text)) == []


def test_what_is_shown_escaped_is_kept_exactly(hostile: list[str], mlcli) -> None:
    import json

    runs = json.loads(mlcli("ls", "--sort", "started", "--json").stdout)["runs"]
    kept = [(run["name"], run["tags"]["t"], run["note"], run["params"]["p"]["value"]) for run in runs]
    assert kept == [(text,) * 4 for text in HOSTILE.values()]


def test_what_looks_like_markup_is_printed_as_it_is(hostile: list[str]) -> None:
    text = in_terminal("mlcli ls --columns name", columns=160, env=PLAIN).text
    assert [HOSTILE[name] for name in ("markup", "broken markup", "emoji code") if HOSTILE[name] not in text] == []


def test_a_json_answer_escapes_what_a_terminal_would_obey(workspace, record, mlcli) -> None:
    record(name="\x1b]52;c;ZXZpbA==\x07x")
    assert sorted(FORBIDDEN & set(mlcli("ls", "--json").stdout)) == []


def test_a_hostile_argument_is_quoted_escaped_in_the_error(story, mlcli) -> None:
    done = mlcli("show", "\x1b]0;owned\x07")
    assert done.stderr == "mlcli: error: no run matches '\\x1b]0;owned\\x07'\nhint: mlcli ls\n"
