"""Write README.md's command reference from the app, and docs/schemas/ from the types: `python -m docs.generate [--check]`."""  # noqa: E501

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from . import schemas

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN = "<!-- commands: written by `make docs` -->"
END = "<!-- end of commands -->"
_UNTOLD = {"help", "install_completion", "show_completion"}


def reference() -> str:
    """Every command with its usage, its parameters and their help, in Markdown."""
    os.environ["COLUMNS"] = "100"
    import typer

    from mlcli.cli.app import COMMANDS, app

    group: Any = typer.main.get_command(app)
    with group.make_context("mlcli", ["ls"], resilient_parsing=True):
        own = [param for param in group.params if param.name not in _UNTOLD]
        lines = ["### Options before any command", "", *_parameters(own)]
        panel = ""
        for name, entry in COMMANDS.items():
            if entry.panel != panel:
                panel = entry.panel
                lines += ["", f"### {panel}"]
            lines += _command(group.commands[name], f"mlcli {name}")
    return "\n".join(lines).strip()


def _command(command: Any, path: str) -> list[str]:
    if hasattr(command, "commands"):
        lines = []
        for name, inner in command.commands.items():
            lines += _command(inner, f"{path} {name}")
        return lines
    shown = [param for param in command.params if param.name not in _UNTOLD]
    options = " [OPTIONS]" if any(param.param_type_name == "option" for param in shown) else ""
    arguments = "".join(f" {_name(param)}" for param in shown if param.param_type_name == "argument")
    text = " ".join((command.help or "").split())
    return ["", f"#### `{path}{options}{arguments}`", "", text, "", *_parameters(shown)]


def _parameters(params: list[Any]) -> list[str]:
    return [f"- `{_name(param)}` {' '.join((getattr(param, 'help', '') or '').split())}" for param in params]


def _name(param: Any) -> str:
    if param.param_type_name == "argument":
        return str(param.metavar or param.name.upper())
    value = "" if param.is_flag else f" {param.metavar or _choices(param) or 'TEXT'}"
    return ", ".join(sorted(param.opts, key=len)) + value


def _choices(param: Any) -> str:
    choices = getattr(param.type, "choices", None)
    if choices:
        return "|".join(str(getattr(choice, "value", choice)) for choice in choices)
    return "N" if "int" in type(param.type).__name__.lower() else ""


def written(text: str) -> str:
    """The README with the reference between its marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"README.md has no '{BEGIN}' and '{END}'")
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{after}"


def stale() -> dict[Path, str]:
    """The files that are not as they would be written now, with what would be written."""
    wanted = {README: written(README.read_text(encoding="utf-8"))}
    wanted |= {schemas.DIRECTORY / name: content for name, content in schemas.files().items()}
    return {path: text for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text}


def main(arguments: list[str]) -> int:
    """Write what is stale, or with --check name it: 0 where nothing is, else 1."""
    found = stale()
    for path, text in found.items():
        if "--check" in arguments:
            print(f"{path.name}: not as the code is now; make docs", file=sys.stderr)  # noqa: T201
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return int(bool(found) and "--check" in arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
