"""What a project may be given when it asks: the store now, a git hook, Makefile lines, a CI workflow."""

from __future__ import annotations

import os
import shlex
import sys

from .errors import Refused, WriteFailed
from .workspace import Workspace

MARK = "mlcli check --staged"
HOOK = f"""\
#!/bin/sh
# Installed by mlcli init --hook. Refuses a commit whose registered models do not lead back to run, commit and files.
command -v mlcli >/dev/null && exec {MARK} --quiet
exec {{python}} -m {MARK} --quiet
"""
MAKEFILE = """\
# mlcli: every training run recorded, the newest model registered, its lineage checked.
MLCLI ?= mlcli
.PHONY: train register check
train:
\t$(MLCLI) run -- python train.py
register: train
\t$(MLCLI) register --once model
check:
\t$(MLCLI) check
"""
WORKFLOW = """\
name: mlcli
on: [push, pull_request]
jobs:
  lineage:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: { fetch-depth: 0 }  # check looks for the commits that models were made from
      - uses: actions/setup-python@v5
        with: { python-version: "3.12" }
      - run: pip install mlcli
      - run: mlcli check
"""


def make(workspace: Workspace, *, hook: bool = False, makefile: bool = False, ci: bool = False) -> list[str]:
    """Make the store and what else was asked for; what was done, one line each. Nothing that is there is replaced."""
    done = ["made .mlruns/" if workspace.make_store() else ".mlruns/ is there already"]
    if hook:
        done.append(_hook(workspace))
    if makefile:
        done.append(_lines(workspace, "Makefile", MAKEFILE, "$(MLCLI) run"))
    if ci:
        done.append(_lines(workspace, ".github/workflows/mlcli.yml", WORKFLOW, "mlcli check"))
    return done


def _hook(workspace: Workspace) -> str:
    path = os.path.join(workspace.repository.hooks_directory(), "pre-commit")
    shown = workspace.relative(path)
    there = _read(path)
    if MARK in there:
        return f"{shown} is there already"
    if there:
        raise Refused(f"{shown} is there already and is not mlcli's", f"add this line to it: {MARK} || exit 1")
    _write(path, HOOK.format(python=shlex.quote(sys.executable)))
    os.chmod(path, 0o755)  # noqa: S103  # git runs it as whoever commits
    return f"wrote {shown}"


def _lines(workspace: Workspace, name: str, lines: str, mark: str) -> str:
    path = os.path.join(workspace.root, name)
    there = _read(path)
    if mark in there:
        return f"{name} has the lines already"
    _write(path, f"{there.rstrip()}\n\n{lines}" if there.strip() else lines)
    return f"{'added to' if there.strip() else 'wrote'} {name}"


def _write(path: str, text: str) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise WriteFailed(f"cannot write {path}: {error.strerror}") from None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
